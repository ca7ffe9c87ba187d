package dev.pgbelay.benchmarks.hotrow;

/** Counters by hand: one row, or row by row. */
final class CounterRowsSql {
  static final String CREATE =
      """
      drop table if exists counter_rows;
      create table counter_rows(id int primary key, value bigint not null)
        with (fillfactor = 20, autovacuum_vacuum_scale_factor = 0,
              autovacuum_vacuum_threshold = 2000);
      insert into counter_rows select n, 0 from generate_series(0, ?::int - 1) n
      """;

  static final String INCREMENT = "update counter_rows set value = value + 1 where id = ?";

  static final String READ = "select sum(value)::bigint from counter_rows";

  private CounterRowsSql() {}
}
