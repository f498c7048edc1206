-- oldest: 1

CREATE TABLE removals (
  "pos" bigint NOT NULL,
  "tenant" text COLLATE "C",
  "open" bigint,
  record bytea NOT NULL,
  PRIMARY KEY ("pos")
);
CREATE INDEX removals_by_open ON removals ("open") WHERE "open" IS NOT NULL;
