package dev.pgbelay.benchmarks.writes;

/** What is written by hand, and what the peers that take SQL text are given. */
final class WriteSql {
  static final String INSERT_ROW =
      """
      insert into items (id, account_id, status, made_at, amount, name) values (?, ?, ?, ?, ?, ?)
      """;

  static final String UPSERT_ROW =
      """
      insert into items (id, account_id, status, made_at, amount, name) values (?, ?, ?, ?, ?, ?)
      on conflict (id) do update set
        account_id = excluded.account_id, status = excluded.status, made_at = excluded.made_at,
        amount = excluded.amount, name = excluded.name
      """;

  /** Binds: status, amount, id. */
  static final String UPDATE_ROW =
      """
      update items set status = ?, amount = ? where id = ?
      """;

  static final String INSERT_ARRAYS =
      """
      insert into items (id, account_id, status, made_at, amount, name)
      select * from unnest(?::bigint[], ?::int[], ?::int[], ?::timestamptz[], ?::numeric[], ?::text[])
      """;

  static final String UPSERT_ARRAYS =
      """
      insert into items (id, account_id, status, made_at, amount, name)
      select *
      from unnest(?::bigint[], ?::int[], ?::int[], ?::timestamptz[], ?::numeric[], ?::text[])
        as u(id, account_id, status, made_at, amount, name)
      order by id
      on conflict (id) do update set
        account_id = excluded.account_id, status = excluded.status, made_at = excluded.made_at,
        amount = excluded.amount, name = excluded.name
      """;

  /** Binds: ids, statuses, amounts. */
  static final String UPDATE_ARRAYS =
      """
      update items set status = u.status, amount = u.amount
      from unnest(?::bigint[], ?::int[], ?::numeric[]) as u(id, status, amount)
      where items.id = u.id
      """;

  /** What has to be true of the rows afterwards can be said without sending them. */
  static final String UPDATE_ON_THE_SERVER =
      """
      update items set status = status - 1, amount = amount + 1
      """;

  static final String COPY_ITEMS =
      """
      copy items (id, account_id, status, made_at, amount, name) from stdin (format binary)
      """;

  static final String COPY_TEXT =
      """
      copy items (id, account_id, status, made_at, amount, name) from stdin
      """;

  static final String CREATE_STAGE =
      """
      create temporary table items_stage (
        id bigint, account_id int, status int, made_at timestamptz, amount numeric(12, 2), name text
      ) on commit drop
      """;

  static final String COPY_STAGE =
      """
      copy items_stage (id, account_id, status, made_at, amount, name) from stdin (format binary)
      """;

  static final String UPSERT_FROM_STAGE =
      """
      insert into items (id, account_id, status, made_at, amount, name)
      select distinct on (id) id, account_id, status, made_at, amount, name
      from items_stage
      order by id
      on conflict (id) do update set
        account_id = excluded.account_id, status = excluded.status, made_at = excluded.made_at,
        amount = excluded.amount, name = excluded.name
      """;

  static final String ANALYZE_STAGE =
      """
      analyze items_stage
      """;

  static final String UPDATE_FROM_STAGE =
      """
      update items set status = s.status, amount = s.amount
      from items_stage as s
      where items.id = s.id
      """;

  private WriteSql() {}
}
