package dev.pgbelay.idempotency.reconciliation;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.observe.StatementEvent;
import dev.pgbelay.core.observe.StatementObserver;
import dev.pgbelay.core.observe.TransactionEvent;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Payments are read through the index that completer and purge have, whatever the table holds. */
class ReconciliationPlanPostgresTest {
  private static final List<String> SEEN = new CopyOnWriteArrayList<>();

  private static final class Statements implements StatementObserver {
    @Override
    public void executed(StatementEvent event) {
      SEEN.add(event.sql());
    }

    @Override
    public void ended(TransactionEvent event) {}
  }

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(Till.SCHEMA).withObserver(new Statements());

  private static String seen(String part) {
    return SEEN.stream().filter(sql -> sql.contains(part)).findFirst().orElseThrow();
  }

  private static String plan(String statement, Object... values) throws SQLException {
    StringBuilder plan = new StringBuilder();
    try (Connection connection = postgres.dataSource().getConnection();
        PreparedStatement explain = connection.prepareStatement("explain " + statement)) {
      for (int i = 0; i < values.length; i++) {
        explain.setObject(i + 1, values[i]);
      }
      try (ResultSet lines = explain.executeQuery()) {
        while (lines.next()) {
          plan.append(lines.getString(1)).append('\n');
        }
      }
    }
    return plan.toString();
  }

  @Test
  void pagesOfPayments_areReadAlongTheIndex() throws Exception {
    try (Till till = new Till(postgres.dataSource(), postgres.jdbcUrl())) {
      till.compare();
    }
    DSL.using(postgres.dataSource(), SQLDialect.POSTGRES)
        .execute(
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
    DSL.using(postgres.dataSource(), SQLDialect.POSTGRES).execute("analyze pgbelay.payment");
    OffsetDateTime since = OffsetDateTime.now(ZoneOffset.UTC).minusHours(1);
    assertThat(plan(seen("p.finished_at < 'infinity'"), "o1", since, "acme", "k", 100))
        .contains("payment_finished")
        .doesNotContain("Seq Scan");
    assertThat(plan(seen("> (timestamptz 'infinity'"), "o1", "acme", "k", 100))
        .contains("payment_finished")
        .doesNotContain("Seq Scan");
  }
}
