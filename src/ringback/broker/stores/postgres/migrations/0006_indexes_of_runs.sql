-- oldest: 1
-- What 0003 asks for is found by these; where it made them itself, they are there.

CREATE INDEX CONCURRENTLY runs_by_facets_state_seq ON runs ("facets", "state", "seq") WHERE "facets" IS NOT NULL;
CREATE INDEX CONCURRENTLY runs_without_facets ON runs (seq) WHERE facets IS NULL;
CREATE INDEX CONCURRENTLY runs_by_rare_state ON runs (state, seq) WHERE state NOT IN ('RUN_SUCCESS');
