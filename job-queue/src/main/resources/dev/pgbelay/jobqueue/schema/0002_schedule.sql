-- Jobs by the calendar. A row is fired by whoever moves next_fire, in the transaction that enqueues; so each moment is
-- fired once, whatever the number of processes. Few rows, each of them changed when it fires: room for that in its page.
CREATE TABLE ${schema}.job_schedule (
  name          text PRIMARY KEY,
  -- The next moment; null if the expression means none.
  next_fire     timestamptz,
  -- When the row is looked at: at next_fire, a minute later after a failure, never while it is paused.
  look_at       timestamptz,
  last_fire     timestamptz,
  paused_at     timestamptz,
  failed_at     timestamptz,
  -- Counts changes of what is below, so that nobody fires what he read before one.
  revision      bigint NOT NULL DEFAULT 1,
  fired         bigint NOT NULL DEFAULT 0,
  -- Moments that got no job of their own.
  missed        bigint NOT NULL DEFAULT 0,
  grace_millis  bigint NOT NULL CHECK (grace_millis > 0),
  priority      integer NOT NULL,
  max_attempts  integer NOT NULL CHECK (max_attempts >= 1),
  cron          text NOT NULL,
  zone          text NOT NULL,
  missed_fires  text NOT NULL CHECK (missed_fires IN ('SKIP', 'ONCE', 'ALL')),
  kind          text NOT NULL,
  queue         text NOT NULL,
  failure       text,
  headers       text[],
  payload       bytea NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 200);

-- Serves the look at what is due.
CREATE INDEX job_schedule_look_at ON ${schema}.job_schedule (look_at, name) WHERE look_at IS NOT NULL;
