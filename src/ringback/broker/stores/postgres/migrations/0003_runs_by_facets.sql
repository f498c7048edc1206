-- oldest: 1
-- Runs are found as history is; those that a former release writes have no facets and are asked one by one.

ALTER TABLE runs ADD COLUMN "facets" bigint;
CREATE INDEX runs_by_facets_state_seq ON runs ("facets", "state", "seq") WHERE "facets" IS NOT NULL;
CREATE INDEX runs_without_facets ON runs (seq) WHERE facets IS NULL;
CREATE INDEX runs_by_rare_state ON runs (state, seq) WHERE state NOT IN ('RUN_SUCCESS');
