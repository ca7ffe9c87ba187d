package dev.pgbelay.benchmarks.chunks;

final class PurgeTableSql {
  static final String CREATE_TABLE =
      """
      drop table if exists purge_event;
      create table purge_event (
        id bigint not null,
        made_at timestamptz not null,
        account_id int not null,
        hits bigint not null default 0,
        note text not null
      )
      """;

  /** The second half of the ids; bind: rows, rows. */
  static final String FILL_YOUNG =
      """
      insert into purge_event (id, made_at, account_id, note)
      select i, now() - interval '80 days' * (1 - i::float8 / ?), i % 5000, md5(i::text)
      from generate_series(1 + ?::bigint / 2, ?::bigint) as i
      """;

  /** The first half of the ids, older than 100 days; bind: rows. */
  static final String FILL_OLD =
      """
      insert into purge_event (id, made_at, account_id, note)
      select i, now() - interval '200 days' + interval '1 second' * i, i % 5000, md5(i::text)
      from generate_series(1, ?::bigint / 2) as i
      """;

  static final String ADD_PRIMARY_KEY =
      """
      alter table purge_event add primary key (id)
      """;

  static final String ADD_INDEX =
      """
      create index purge_event_made_at on purge_event (made_at, id)
      """;

  static final String VACUUM_ANALYZE =
      """
      vacuum (analyze) purge_event
      """;

  static final String CHECKPOINT =
      """
      checkpoint
      """;

  static final String SUM_UP =
      """
      select count(*), count(*) filter (where made_at < now() - interval '90 days') from purge_event
      """;

  static final String WRITE_POINT =
      """
      update purge_event set hits = hits + 1 where id = ?
      """;

  static final String DELETE_ALL =
      """
      delete from purge_event where made_at < now() - interval '90 days'
      """;

  static final String DELETE_SOME =
      """
      delete from purge_event
      where ctid = any (array(
        select ctid from purge_event where made_at < now() - interval '90 days' limit ?))
      """;

  private PurgeTableSql() {}
}
