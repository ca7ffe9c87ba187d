package dev.pgbelay.benchmarks.hotrow;

final class OneRowSql {
  static final String CREATE =
      """
      drop table if exists one_row_counter;
      create table one_row_counter(id int primary key, value bigint not null)
        with (fillfactor = 20, autovacuum_vacuum_scale_factor = 0,
              autovacuum_vacuum_threshold = 2000);
      insert into one_row_counter values (1, 0)
      """;

  static final String INCREMENT = "update one_row_counter set value = value + 1 where id = 1";

  static final String READ = "select value from one_row_counter where id = 1";

  private OneRowSql() {}
}
