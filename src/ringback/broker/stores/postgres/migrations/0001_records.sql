-- oldest: 1
-- One table for each kind of record: its key, what can be asked for, and the record itself.

CREATE TABLE messages (
  "seq" bigint NOT NULL,
  "tenant" text COLLATE "C",
  "url" text COLLATE "C",
  "caller_ip" text COLLATE "C",
  "queue" text COLLATE "C",
  "group" text COLLATE "C",
  "schedule" text COLLATE "C",
  "host" text COLLATE "C",
  "path" text COLLATE "C",
  "flow_key" text COLLATE "C",
  "labels" text COLLATE "C",
  record bytea NOT NULL,
  PRIMARY KEY ("seq")
);
CREATE INDEX messages_by_queue ON messages ("queue") WHERE "queue" IS NOT NULL;
CREATE INDEX messages_by_group ON messages ("group") WHERE "group" IS NOT NULL;
CREATE INDEX messages_by_schedule ON messages ("schedule") WHERE "schedule" IS NOT NULL;
CREATE INDEX messages_by_flow_key ON messages ("flow_key") WHERE "flow_key" IS NOT NULL;

CREATE TABLE deliveries (
  "seq" bigint NOT NULL,
  "tenant" text COLLATE "C",
  "due_at" bigint,
  "wake_at" bigint,
  "lane" text COLLATE "C",
  "lease" bigint,
  "queue" text COLLATE "C",
  "run" bigint,
  record bytea NOT NULL,
  PRIMARY KEY ("seq")
);
CREATE INDEX deliveries_by_wake_at ON deliveries ("wake_at") WHERE "wake_at" IS NOT NULL;
CREATE INDEX deliveries_by_lane_due_at_seq ON deliveries ("lane", "due_at", "seq") WHERE "lane" IS NOT NULL;
CREATE INDEX deliveries_by_lane_seq ON deliveries ("lane", "seq") WHERE "lane" IS NOT NULL;
CREATE INDEX deliveries_by_lease ON deliveries ("lease") WHERE "lease" IS NOT NULL;
CREATE INDEX deliveries_by_queue ON deliveries ("queue") WHERE "queue" IS NOT NULL;
CREATE INDEX deliveries_by_run ON deliveries ("run") WHERE "run" IS NOT NULL;

CREATE TABLE lanes (
  "tenant" text COLLATE "C" NOT NULL,
  "kind" text COLLATE "C" NOT NULL,
  "name" text COLLATE "C" NOT NULL,
  "wake_at" bigint,
  record bytea NOT NULL,
  PRIMARY KEY ("tenant", "kind", "name")
);
CREATE INDEX lanes_by_wake_at ON lanes ("wake_at") WHERE "wake_at" IS NOT NULL;

CREATE TABLE events (
  "pos" bigint NOT NULL,
  "tenant" text COLLATE "C",
  "message" bigint,
  "state" text COLLATE "C",
  "facets" bigint,
  record bytea NOT NULL,
  PRIMARY KEY ("pos")
);
CREATE INDEX events_by_message_pos ON events ("message", "pos") WHERE "message" IS NOT NULL;
CREATE INDEX events_by_facets_state_pos ON events ("facets", "state", "pos") WHERE "facets" IS NOT NULL;
CREATE INDEX events_by_rare_state ON events (state, pos) WHERE state NOT IN ('CREATED', 'ACTIVE', 'DELIVERED');

CREATE TABLE dead_letters (
  "pos" bigint NOT NULL,
  "tenant" text COLLATE "C",
  "message" bigint,
  "status" bigint,
  "run" bigint,
  "facets" bigint,
  record bytea NOT NULL,
  PRIMARY KEY ("pos")
);
CREATE INDEX dead_letters_by_message ON dead_letters ("message") WHERE "message" IS NOT NULL;
CREATE INDEX dead_letters_by_run ON dead_letters ("run") WHERE "run" IS NOT NULL;
CREATE INDEX dead_letters_by_facets_pos ON dead_letters ("facets", "pos") WHERE "facets" IS NOT NULL;
CREATE INDEX dead_letters_by_facets_status_pos ON dead_letters ("facets", "status", "pos") WHERE "facets" IS NOT NULL;
CREATE INDEX dead_letters_by_status_pos ON dead_letters ("status", "pos") WHERE "status" IS NOT NULL;

CREATE TABLE facets (
  "id" bigint NOT NULL,
  "day" bigint,
  "tenant" text COLLATE "C",
  "url" text COLLATE "C",
  "caller_ip" text COLLATE "C",
  "queue" text COLLATE "C",
  "group" text COLLATE "C",
  "schedule" text COLLATE "C",
  "flow_key" text COLLATE "C",
  "of_run" bigint,
  "host" text COLLATE "C",
  "path" text COLLATE "C",
  record bytea NOT NULL,
  PRIMARY KEY ("id")
);
CREATE INDEX facets_by_host ON facets ("host") WHERE "host" IS NOT NULL;
CREATE INDEX facets_by_caller_ip ON facets ("caller_ip") WHERE "caller_ip" IS NOT NULL;
CREATE INDEX facets_by_queue ON facets ("queue") WHERE "queue" IS NOT NULL;
CREATE INDEX facets_by_group ON facets ("group") WHERE "group" IS NOT NULL;
CREATE INDEX facets_by_schedule ON facets ("schedule") WHERE "schedule" IS NOT NULL;
CREATE INDEX facets_by_flow_key ON facets ("flow_key") WHERE "flow_key" IS NOT NULL;

CREATE TABLE facet_labels (
  "tenant" text COLLATE "C" NOT NULL,
  "label" text COLLATE "C" NOT NULL,
  "facets" bigint NOT NULL,
  record bytea NOT NULL,
  PRIMARY KEY ("tenant", "label", "facets")
);

CREATE TABLE daily_counts (
  "tenant" text COLLATE "C" NOT NULL,
  record bytea NOT NULL,
  PRIMARY KEY ("tenant")
);

CREATE TABLE minute_counts (
  "tenant" text COLLATE "C" NOT NULL,
  "minute" bigint NOT NULL,
  "node" bigint NOT NULL,
  record bytea NOT NULL,
  PRIMARY KEY ("tenant", "minute", "node")
);

CREATE TABLE bulk_actions (
  "pos" bigint NOT NULL,
  "tenant" text COLLATE "C",
  record bytea NOT NULL,
  PRIMARY KEY ("pos")
);

CREATE TABLE audit_log (
  "pos" bigint NOT NULL,
  "tenant" text COLLATE "C",
  record bytea NOT NULL,
  PRIMARY KEY ("pos")
);

CREATE TABLE dedups (
  "tenant" text COLLATE "C" NOT NULL,
  "id" text COLLATE "C" NOT NULL,
  "expires_at" bigint,
  record bytea NOT NULL,
  PRIMARY KEY ("tenant", "id")
);
CREATE INDEX dedups_by_expires_at ON dedups ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE TABLE schedules (
  "tenant" text COLLATE "C" NOT NULL,
  "id" text COLLATE "C" NOT NULL,
  "wake_at" bigint,
  record bytea NOT NULL,
  PRIMARY KEY ("tenant", "id")
);
CREATE INDEX schedules_by_wake_at ON schedules ("wake_at") WHERE "wake_at" IS NOT NULL;

CREATE TABLE runs (
  "seq" bigint NOT NULL,
  "tenant" text COLLATE "C",
  "run_id" text COLLATE "C",
  "url" text COLLATE "C",
  "state" text COLLATE "C",
  "caller_ip" text COLLATE "C",
  "dead_letter" bigint,
  "host" text COLLATE "C",
  "path" text COLLATE "C",
  "flow_key" text COLLATE "C",
  "labels" text COLLATE "C",
  record bytea NOT NULL,
  PRIMARY KEY ("seq")
);
CREATE INDEX runs_by_run_id ON runs ("run_id") WHERE "run_id" IS NOT NULL;
CREATE INDEX runs_by_flow_key ON runs ("flow_key") WHERE "flow_key" IS NOT NULL;

CREATE TABLE active_runs (
  "tenant" text COLLATE "C" NOT NULL,
  "run_id" text COLLATE "C" NOT NULL,
  record bytea NOT NULL,
  PRIMARY KEY ("tenant", "run_id")
);

CREATE TABLE entries (
  "run" bigint NOT NULL,
  "identity" text COLLATE "C" NOT NULL,
  "place" bigint,
  "message" bigint,
  record bytea NOT NULL,
  PRIMARY KEY ("run", "identity")
);
CREATE INDEX entries_by_run_place ON entries ("run", "place") WHERE "run" IS NOT NULL;
CREATE INDEX entries_by_message ON entries ("message") WHERE "message" IS NOT NULL;

CREATE TABLE waiters (
  "tenant" text COLLATE "C" NOT NULL,
  "event_id" text COLLATE "C" NOT NULL,
  "seq" bigint NOT NULL,
  "run" bigint,
  "wake_at" bigint,
  record bytea NOT NULL,
  PRIMARY KEY ("tenant", "event_id", "seq")
);
CREATE INDEX waiters_by_run ON waiters ("run") WHERE "run" IS NOT NULL;
CREATE INDEX waiters_by_wake_at ON waiters ("wake_at") WHERE "wake_at" IS NOT NULL;

CREATE TABLE saved_events (
  "seq" bigint NOT NULL,
  "run" bigint,
  "event_id" text COLLATE "C",
  record bytea NOT NULL,
  PRIMARY KEY ("seq")
);
CREATE INDEX saved_events_by_run_event_id ON saved_events ("run", "event_id") WHERE "run" IS NOT NULL;

CREATE TABLE progress (
  "run" bigint NOT NULL,
  "message" bigint NOT NULL,
  record bytea NOT NULL,
  PRIMARY KEY ("run", "message")
);

CREATE TABLE url_groups (
  "tenant" text COLLATE "C" NOT NULL,
  "name" text COLLATE "C" NOT NULL,
  record bytea NOT NULL,
  PRIMARY KEY ("tenant", "name")
);

CREATE TABLE signing_keys (
  "tenant" text COLLATE "C" NOT NULL,
  record bytea NOT NULL,
  PRIMARY KEY ("tenant")
);

CREATE TABLE nodes (
  "slot" bigint NOT NULL,
  record bytea NOT NULL,
  PRIMARY KEY ("slot")
);

-- Rows come and go by the thousand each second: what is dead is swept early, at full speed.
ALTER TABLE messages SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE deliveries SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE events SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE lanes SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE entries SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE runs SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_vacuum_cost_delay = 0);
