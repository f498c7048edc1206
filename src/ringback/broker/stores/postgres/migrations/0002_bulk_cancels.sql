-- oldest: 1

CREATE TABLE bulk_cancels (
  "pos" bigint NOT NULL,
  "tenant" text COLLATE "C",
  record bytea NOT NULL,
  PRIMARY KEY ("pos")
);
