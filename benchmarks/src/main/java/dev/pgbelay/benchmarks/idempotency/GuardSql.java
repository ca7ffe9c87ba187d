package dev.pgbelay.benchmarks.idempotency;

/** Guards as services write them: scope, hash of the request, state and a jsonb response. */
final class GuardSql {
  static final String CREATE =
      """
      drop table if exists bench_charge, bench_key;
      create table bench_charge (
        id bigint generated always as identity primary key,
        account bigint not null,
        amount bigint not null);
      create table bench_key (
        tenant text not null,
        operation text not null,
        key text not null,
        request_hash bytea not null,
        state text not null,
        response jsonb,
        created_at timestamptz not null default now(),
        primary key (tenant, operation, key))
      """;

  static final String EMPTY =
      "truncate bench_charge, bench_key, pgbelay.idempotency_key, pgbelay.payment";

  static final String ANALYZE =
      "analyze bench_charge, bench_key, pgbelay.idempotency_key, pgbelay.payment";

  static final String DONE = "select count(*), coalesce(sum(amount), 0)::bigint from bench_charge";

  static final String CHARGE = "insert into bench_charge (account, amount) values (?, ?)";

  static final String CLAIM =
      """
      insert into bench_key (tenant, operation, key, request_hash, state)
      values ('shop', 'charge', ?, ?, 'running')
      on conflict do nothing
      """;

  static final String CLAIM_WITH_RESPONSE =
      """
      insert into bench_key (tenant, operation, key, request_hash, state, response)
      values ('shop', 'charge', ?, ?, 'done', ?::jsonb)
      on conflict do nothing
      """;

  static final String COMPLETE =
      """
      update bench_key set state = 'done', response = ?::jsonb
       where tenant = 'shop' and operation = 'charge' and key = ?
      """;

  static final String FIND =
      """
      select request_hash, state, response from bench_key
       where tenant = 'shop' and operation = 'charge' and key = ?
      """;

  static final String CLAIM_AND_CHARGE =
      """
      with claimed as (
        insert into bench_key (tenant, operation, key, request_hash, state, response)
        values ('shop', 'charge', ?, ?, 'done', ?::jsonb)
        on conflict do nothing
        returning 1)
      insert into bench_charge (account, amount) select ?, ? from claimed
      """;

  private GuardSql() {}
}
