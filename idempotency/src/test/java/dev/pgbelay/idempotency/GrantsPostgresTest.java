package dev.pgbelay.idempotency;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.Failures;
import dev.pgbelay.testing.PostgresExtension;
import java.util.List;
import java.util.UUID;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The grants of the guide are enough, and none of them too many. */
class GrantsPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(KeyFixture.SCHEMA);

  private static final List<String> CALLER = List.of("SELECT, INSERT ON pgbelay.idempotency_key");

  private interface AsRole {
    void run(KeyFixture fixture) throws Exception;
  }

  private static void withGrants(List<String> grants, AsRole test) throws Exception {
    DSLContext owner = DSL.using(postgres.dataSource(), SQLDialect.POSTGRES);
    String role = "r" + UUID.randomUUID().toString().replace("-", "");
    owner.execute("create role " + role + " login");
    try {
      owner.execute("grant usage on schema pgbelay to " + role);
      for (String grant : grants) {
        owner.execute("grant " + grant + " to " + role);
      }
      HikariConfig config = new HikariConfig();
      config.setJdbcUrl(postgres.jdbcUrl());
      config.setMaximumPoolSize(2);
      config.setConnectionInitSql("set role " + role);
      try (HikariDataSource pool = new HikariDataSource(config)) {
        test.run(new KeyFixture(pool));
      }
    } finally {
      owner.execute("drop owned by " + role);
      owner.execute("drop role " + role);
    }
  }

  @Test
  void caller_needsSelectAndInsert() throws Exception {
    withGrants(
        CALLER,
        fixture -> {
          IdempotencyKey key = fixture.freshKey();
          assertThat(fixture.operation.execute(key, "x", tx -> "done").outcome())
              .isEqualTo(Outcome.EXECUTED);
          assertThat(fixture.operation.execute(key, "x", tx -> "done").outcome())
              .isEqualTo(Outcome.REPLAYED);
        });
  }

  @Test
  void callerWithoutOneOfThem_isRefused() throws Exception {
    for (String less :
        List.of("SELECT ON pgbelay.idempotency_key", "INSERT ON pgbelay.idempotency_key")) {
      withGrants(
          List.of(less),
          fixture ->
              assertThatThrownBy(
                      () -> fixture.operation.execute(fixture.freshKey(), "x", tx -> "done"))
                  .satisfies(
                      e -> assertThat(Failures.classify(e)).isEqualTo(FailureKind.NOT_PERMITTED)));
    }
  }
}
