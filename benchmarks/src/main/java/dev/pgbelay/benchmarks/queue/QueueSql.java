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
      "truncate pgbelay.job, pgbelay.job_finished, pgbelay.job_dead";

  static final String LEFT_PGBELAY = "select count(*) from pgbelay.job";

  private QueueSql() {}
}
