-- When something was done last, for those who watch. One row for each queue and kind, written every few seconds by the
-- workers that did something since; without it the question needs the finished jobs of days.
CREATE TABLE ${schema}.job_activity (
  queue         text NOT NULL,
  kind          text NOT NULL,
  claimed_at    timestamptz,
  -- An attempt ended in done or discard: the job will not come again.
  finished_at   timestamptz,
  -- In done.
  succeeded_at  timestamptz,
  failed_at     timestamptz,
  PRIMARY KEY (queue, kind)
) WITH (fillfactor = 20, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_cost_delay = 0);

-- Kinds that somebody expects to succeed every so often, and since when: a kind that never succeeded has no activity.
CREATE TABLE ${schema}.job_expected (
  kind          text PRIMARY KEY,
  since         timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Records of finished jobs whose outcome is kept for longer than the days of job_finished: few, moved here before their
-- day is emptied, and deleted by age.
CREATE TABLE ${schema}.job_finished_kept (
  id            bigint NOT NULL,
  finished_at   timestamptz NOT NULL,
  attempt       integer NOT NULL,
  outcome       text NOT NULL,
  queue         text NOT NULL,
  kind          text NOT NULL,
  reason        text,
  tags          text[]
);

-- Serves the look-up of one job.
CREATE INDEX job_finished_kept_id ON ${schema}.job_finished_kept (id);
-- Serves the deletion by age.
CREATE INDEX job_finished_kept_age ON ${schema}.job_finished_kept (outcome, finished_at);
-- Serves the deletion of dead letters by age, for those who want it.
CREATE INDEX job_dead_age ON ${schema}.job_dead (died_at);
