-- Whose is a unique key: the last job enqueued with it. Whether it still holds is seen from that job's row and from
-- expires_at, so nothing has to be written when a job begins or ends.
CREATE TABLE ${schema}.job_unique (
  kind        text NOT NULL,
  key         text NOT NULL,
  job_id      bigint NOT NULL,
  -- Holds while the job waits, or while it waits or runs, or not because of the job.
  while_job   text NOT NULL CHECK (while_job IN ('waiting', 'unfinished', 'nothing')),
  -- Holds until then, whatever becomes of the job.
  expires_at  timestamptz,
  PRIMARY KEY (kind, key)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

-- What somebody has said of a queue or a kind, for all workers. Without a row: nothing.
CREATE TABLE ${schema}.job_control (
  scope        text NOT NULL CHECK (scope IN ('queue', 'kind')),
  name         text NOT NULL,
  paused_at    timestamptz,
  paused_for   text,
  -- Claimed at once at most, by all workers together.
  max_running  integer CHECK (max_running > 0),
  -- Of one partition key at once; of queues only, one without it.
  key_limit    smallint CHECK (key_limit > 0),
  -- So many in such a time, and so many at once.
  rate_count   integer CHECK (rate_count > 0),
  rate_micros  bigint CHECK (rate_micros > 0),
  rate_burst   integer CHECK (rate_burst > 0),
  -- How many could be claimed at rate_at, by the rate.
  rate_tokens  double precision NOT NULL DEFAULT 0,
  rate_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (scope, name),
  CHECK (scope = 'queue' OR key_limit IS NULL),
  CHECK ((rate_count IS NULL) = (rate_micros IS NULL) AND (rate_count IS NULL) = (rate_burst IS NULL))
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_cost_delay = 0);

-- Claims of queues and kinds with max_running. A job holds its slot while it runs under that claim; the row is void
-- without any write when none of them does, and a later claim removes it. How many jobs there were at most stands beside
-- their ids, so that they are looked at only where that is too many.
CREATE TABLE ${schema}.job_slot (
  scope         text NOT NULL,
  name          text NOT NULL,
  claimant      uuid NOT NULL,
  claim_number  bigint NOT NULL,
  jobs          integer NOT NULL,
  job_ids       bigint[] NOT NULL,
  PRIMARY KEY (scope, name, claimant, claim_number)
) WITH (autovacuum_vacuum_threshold = 200, autovacuum_vacuum_cost_delay = 0);

-- Jobs that somebody wants ended while they run. Short: a row goes with its job.
CREATE TABLE ${schema}.job_cancel (
  job_id        bigint PRIMARY KEY,
  reason        text NOT NULL,
  requested_at  timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (autovacuum_vacuum_threshold = 200, autovacuum_vacuum_cost_delay = 0);

-- How far jobs are, and what came out of them.
CREATE TABLE ${schema}.job_report (
  job_id      bigint PRIMARY KEY,
  written_at  timestamptz NOT NULL,
  percent     smallint CHECK (percent BETWEEN 0 AND 100),
  note        text,
  output      bytea
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
