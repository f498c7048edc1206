-- oldest: 1

CREATE TABLE stretches (
  "of" text COLLATE "C" NOT NULL,
  "upto" bigint NOT NULL,
  record bytea NOT NULL,
  PRIMARY KEY ("of", "upto")
);
