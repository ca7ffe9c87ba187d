package dev.pgbelay.idempotency.reconciliation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.Failures;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.idempotency.reconciliation.Till.Compared;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.List;
import java.util.UUID;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The grants of the guide are enough, and its options are checked. */
class ReconciliationGrantsPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withTemplate(Till.SCHEMA);

  private interface AsRole {
    void run(Till till) throws Exception;
  }

  private static void withGrants(String scratch, AsRole test) throws Exception {
    DSLContext owner = DSL.using(postgres.dataSource(), SQLDialect.POSTGRES);
    String role = "r" + UUID.randomUUID().toString().replace("-", "");
    owner.execute("create role " + role + " login");
    try {
      owner.execute("grant usage on schema pgbelay to " + role);
      owner.execute("grant select, insert, update on pgbelay.payment to " + role);
      owner.execute(
          "grant "
              + scratch
              + " on pgbelay.payment_reconciliation, pgbelay.payment_provider_record to "
              + role);
      HikariConfig config = new HikariConfig();
      config.setJdbcUrl(postgres.jdbcUrl());
      config.setMaximumPoolSize(2);
      config.setConnectionInitSql("set role " + role);
      try (HikariDataSource pool = new HikariDataSource(config);
          Till till = new Till(pool, postgres.jdbcUrl())) {
        test.run(till);
      }
    } finally {
      owner.execute("drop owned by " + role);
      owner.execute("drop role " + role);
    }
  }

  @Test
  void comparisons_needAllFourOnTheScratchTables() throws Exception {
    withGrants(
        "select, insert, update, delete",
        till -> {
          till.operation.execute(till.key("k"), "100");
          till.client.charge("nobody", "by hand", 1, "eur");
          Compared compared = till.compare();
          assertThat(compared.only().kind()).isEqualTo(Finding.Kind.MISSING_HERE);
          assertThat(till.compare().report().matched()).isEqualTo(1);
        });
    for (String less :
        List.of("insert, update, delete", "select, update, delete", "select, insert, delete")) {
      withGrants(
          less,
          till ->
              assertThatThrownBy(till::compare)
                  .satisfies(
                      e -> assertThat(Failures.classify(e)).isEqualTo(FailureKind.NOT_PERMITTED)));
    }
  }

  @Test
  void optionsOutOfRange_areRefusedByName() {
    try (Till till = new Till(postgres.dataSource(), postgres.jdbcUrl())) {
      assertRefused(till.reconciliation(till::page).margin(Duration.ofDays(2)), "margin");
      assertRefused(till.reconciliation(till::page).pageSize(0), "pageSize");
      assertRefused(till.reconciliation(till::page).mostPages(0), "mostPages");
      assertRefused(till.reconciliation(till::page).statusQueries(-1), "statusQueries");
      assertRefused(till.reconciliation(till::page).attempts(0, Duration.ofSeconds(1)), "attempts");
      assertThatThrownBy(() -> till.operation.ledger(Till.SHIPPED))
          .isInstanceOf(PgBelayException.class)
          .hasMessageContaining("has no provider step \"ship\"");
      assertThatThrownBy(() -> new Amount(1, "euro")).hasMessageContaining("three letters");
    }
  }

  private static void assertRefused(Reconciliation.Builder<String, String> builder, String option) {
    assertThatThrownBy(builder::build)
        .isInstanceOf(PgBelayException.class)
        .hasMessageStartingWith(option);
  }

  @Test
  void missingTables_areNamed() {
    DSLContext owner = DSL.using(postgres.dataSource(), SQLDialect.POSTGRES);
    try (Till till = new Till(postgres.dataSource(), postgres.jdbcUrl())) {
      owner.execute("create schema elsewhere");
      Reconciliation<String, String> there =
          Reconciliation.builder(
                  Transactions.of(postgres.dataSource()),
                  till.operation.ledger(Till.CHARGED),
                  till::page)
              .schema("elsewhere")
              .build();
      assertThatThrownBy(() -> Till.compare(there))
          .isInstanceOf(PgBelayException.class)
          .hasMessageContaining("the table of reconciliations is missing");
    }
  }
}
