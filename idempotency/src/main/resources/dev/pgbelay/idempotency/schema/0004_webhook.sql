-- What providers told, each event once. A row is inserted before the delivery is answered, updated in place by claims, and
-- finished in the transaction of its handler.
CREATE TABLE ${schema}.webhook_event (
  received_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- 'infinity' until it is processed or discarded.
  finished_at         timestamptz NOT NULL DEFAULT 'infinity',
  -- 'infinity' while it is parked.
  due_at              timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- '-infinity' where nobody has it: given back, not lost in a crash.
  lease_until         timestamptz NOT NULL DEFAULT '-infinity',
  -- Since when it is tried: received, or taken out of the park.
  tried_since         timestamptz NOT NULL DEFAULT clock_timestamp(),
  claimant            uuid,
  claim_number        bigint,
  -- Of claims since it last went well, which "not yet" is.
  attempts            integer NOT NULL DEFAULT 0,
  not_yet             integer NOT NULL DEFAULT 0,
  fingerprint_version smallint NOT NULL,
  provider            text COLLATE "C" NOT NULL,
  event_id            text COLLATE "C" NOT NULL,
  state               text COLLATE "C" NOT NULL DEFAULT 'PENDING'
    CHECK (state IN ('PENDING', 'PARKED', 'PROCESSED', 'DISCARDED')),
  reason              text,
  fingerprint         bytea NOT NULL,
  headers             bytea NOT NULL,
  body                bytea NOT NULL,
  PRIMARY KEY (provider, event_id),
  CHECK ((state IN ('PROCESSED', 'DISCARDED')) = (finished_at < 'infinity')),
  CHECK ((state = 'PARKED') = (due_at = 'infinity'))
) WITH (fillfactor = 80);

-- What is open stands at the end of it, by when it is due; the oldest finished ones, which the purge takes, at its beginning.
-- The time is first for the reason of payment_finished.
CREATE INDEX webhook_event_due ON ${schema}.webhook_event (finished_at, provider, due_at, event_id);

-- Deliveries under the id of an event that has another body.
CREATE TABLE ${schema}.webhook_conflict (
  id                  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  received_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
  fingerprint_version smallint NOT NULL,
  provider            text COLLATE "C" NOT NULL,
  event_id            text COLLATE "C" NOT NULL,
  fingerprint         bytea NOT NULL,
  headers             bytea NOT NULL,
  body                bytea NOT NULL,
  UNIQUE (provider, event_id, fingerprint)
);

CREATE INDEX webhook_conflict_age ON ${schema}.webhook_conflict (provider, received_at, id);
