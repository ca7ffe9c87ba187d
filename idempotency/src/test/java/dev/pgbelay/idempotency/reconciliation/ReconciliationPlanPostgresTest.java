package dev.pgbelay.idempotency.reconciliation;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.idempotency.Plans;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.SQLException;
import java.util.List;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Payments are read through the index that completer and purge have, whatever the table holds. */
class ReconciliationPlanPostgresTest {
  private static final Plans PLANS = new Plans();

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(Till.SCHEMA).withObserver(PLANS);

  private static String plan(String part) throws SQLException {
    String statement =
        PLANS.about("payment").stream()
            .filter(sql -> sql.contains(part))
            .findFirst()
            .orElseThrow(
                () ->
                    new AssertionError(part + " in\n" + String.join("\n", PLANS.about("payment"))));
    return String.join("\n", Plans.of(postgres.dataSource(), "payment", statement));
  }

  @Test
  void pagesOfPayments_areReadAlongTheIndex() throws Exception {
    Plans.withoutStatistics(postgres.dataSource(), "payment");
    DSLContext dsl = DSL.using(postgres.dataSource(), SQLDialect.POSTGRES);
    try (Till till = new Till(postgres.dataSource(), postgres.jdbcUrl())) {
      till.compare();
      dsl.execute(
          """
          insert into pgbelay.payment
            (tenant, operation, key, fingerprint_version, fingerprint, request, claimant,
             claim_number, steps_version, done, results, state, response, created_at,
             finished_at, due_at, lease_until)
          select 'acme', 'o' || n % 10, 'k' || n, 1, sha256('x'), 'x', gen_random_uuid(), n, 1,
                 '{charge}', array['x'::bytea], 'COMPLETED', 'x', t, t, t, '-infinity'
            from (select n, clock_timestamp() - n * interval '1 s' as t
                    from generate_series(1, 20000) as n) as made
          """);
      till.operation.purge().build().run();
    }
    assertAlongTheIndex();
    Plans.assertNone(dsl, "payment");
    dsl.execute("analyze pgbelay.payment");
    assertAlongTheIndex();
  }

  private static void assertAlongTheIndex() throws SQLException {
    for (String part :
        List.of(
            "p.finished_at < 'infinity'",
            "(timestamptz 'infinity', ?, ?, ?)",
            "pgbelay_range",
            "delete from")) {
      assertThat(plan(part)).as(part).contains("payment_finished").doesNotContain("Seq Scan");
    }
  }
}
