-- oldest: 1
-- Runs are found as history is; those that a former release writes have no facets and are asked one by one.

ALTER TABLE runs ADD COLUMN "facets" bigint;
