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

  static final String CHARGE_RETURNING =
      "insert into bench_charge (account, amount) values (?, ?) returning id";

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

  static final String SIZE_OF_KEYS = "select pg_total_relation_size('pgbelay.idempotency_key')";

  static final String AGE_KEYS =
      """
      insert into pgbelay.idempotency_key
             (created_at, fingerprint_version, operation, tenant, key, fingerprint, response)
      select created_at - interval '100 hours', fingerprint_version, operation, tenant,
             key || '-old', fingerprint, response
        from pgbelay.idempotency_key
      """;

  static final String OLD_KEYS =
      """
      select count(*) from pgbelay.idempotency_key
       where created_at < now() - interval '80 hours'
      """;

  static final String SIZE_OF_PAYMENTS = "select pg_total_relation_size('pgbelay.payment')";

  static final String AGE_PAYMENTS =
      """
      insert into pgbelay.payment
             (created_at, finished_at, lease_until, claimant, claim_number, steps_version,
              fingerprint_version, operation, tenant, key, state, done, results, fingerprint,
              request, response)
      select created_at - interval '100 hours', finished_at - interval '100 hours', lease_until,
             claimant, claim_number, steps_version, fingerprint_version, operation, tenant,
             key || '-old', state, done, results, fingerprint, request, response
        from pgbelay.payment
      """;

  static final String OLD_PAYMENTS =
      "select count(*) from pgbelay.payment where finished_at < now() - interval '80 hours'";

  static final String SIZE_BY_HAND = "select pg_total_relation_size('bench_key')";

  static final String AGE_BY_HAND =
      """
      insert into bench_key (tenant, operation, key, request_hash, state, response, created_at)
      select tenant, operation, key || '-old', request_hash, state, response,
             created_at - interval '100 hours'
        from bench_key
      """;

  static final String OLD_BY_HAND =
      "select count(*) from bench_key where created_at < now() - interval '80 hours'";

  static final String PURGE_BY_HAND =
      "delete from bench_key where created_at < now() - interval '72 hours'";

  private GuardSql() {}
}
