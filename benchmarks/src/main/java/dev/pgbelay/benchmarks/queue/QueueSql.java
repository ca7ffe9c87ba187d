package dev.pgbelay.benchmarks.queue;

final class QueueSql {
  static final String CREATE =
      """
      drop table if exists bench_job;
      create table bench_job (
        id bigint generated always as identity primary key, queue text not null, kind text not null,
        state text not null default 'ready', run_at timestamptz not null default now(),
        payload bytea not null);
      create index bench_job_ready on bench_job (queue, run_at, id) where state = 'ready';
      """;

  static final String ENQUEUE =
      """
      insert into bench_job (queue, kind, payload)
      select 'default', 'noop', p from unnest(?::bytea[]) as g(p)
      """;

  static final String CLAIM =
      """
      with due as materialized (
        select id from bench_job where queue = 'default' and state = 'ready'
         order by run_at, id limit ? for update skip locked)
      update bench_job set state = 'running' where id = any(array(select id from due))
      returning id, payload
      """;

  static final String DELETE = "delete from bench_job where id = any(?)";

  static final String LEFT = "select count(*) from bench_job";

  static final String RESET_PGBELAY =
      "truncate pgbelay.job, pgbelay.job_finished, pgbelay.job_dead, pgbelay.job_control,"
          + " pgbelay.job_slot";

  static final String ENQUEUE_ONE =
      "insert into bench_job (queue, kind, payload) values ('default', 'noop', ?)";

  /** The table of db-scheduler with all of its indexes. */
  static final String CREATE_DB_SCHEDULER =
      """
      drop table if exists scheduled_tasks;
      create table scheduled_tasks (
        task_name text not null, task_instance text not null, task_data bytea,
        execution_time timestamptz not null, picked boolean not null, picked_by text,
        last_success timestamptz, last_failure timestamptz, consecutive_failures integer,
        last_heartbeat timestamptz, version bigint not null, priority smallint,
        primary key (task_name, task_instance));
      create index scheduled_tasks_execution on scheduled_tasks (execution_time);
      create index scheduled_tasks_heartbeat on scheduled_tasks (last_heartbeat);
      create index scheduled_tasks_priority
        on scheduled_tasks (priority desc, execution_time asc);
      """;

  static final String LEFT_DB_SCHEDULER = "select count(*) from scheduled_tasks";

  static final String RESET_JOB_RUNR = "truncate jobrunr_jobs";

  static final String LEFT_JOB_RUNR =
      "select count(*) from jobrunr_jobs where state in ('ENQUEUED', 'PROCESSING')";

  static final String NOTIFY_ENQUEUED =
      """
      with added as (insert into bench_job (queue, kind, payload) values ('default', 'noop', ?))
      select pg_notify('bench_job', 'default')
      """;

  static final String NOTIFY = "select pg_notify('bench_job', 'default')";

  static final String LISTEN = "listen bench_job";

  /** A snapshot and a transaction id that keep dead rows from being cleaned up. */
  static final String PIN_HORIZON = "select pg_current_xact_id()";

  static final String LEFT_PGBELAY = "select count(*) from pgbelay.job";

  private QueueSql() {}
}
