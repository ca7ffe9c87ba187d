package dev.pgbelay.reconcile.retention;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.batch.chunk.ThrottleSignal;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.reconcile.RestrictedRole;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.sql.DriverManager;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import org.jooq.DSLContext;
import org.jooq.Table;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Whoever holds retention up is waited for, and named when that takes too long. */
class RetentionThrottlePostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());

  /** Has reasons to wait for some of its looks. */
  private static final class Counted implements ThrottleSignal {
    private final AtomicInteger looks = new AtomicInteger();
    private final int freeEvery;

    Counted(int freeEvery) {
      this.freeEvery = freeEvery;
    }

    @Override
    public String name() {
      return "counted";
    }

    @Override
    public Optional<String> reasonToWait(DSLContext dsl, Table<?> table) {
      int look = looks.incrementAndGet();
      return look % freeEvery == 0 ? Optional.empty() : Optional.of("look " + look);
    }
  }

  private void oldFinding() {
    shop.dsl.execute(
        "insert into pgbelay.reconcile_finding (declaration, row_key, state, evidence, closed_at)"
            + " values ('d', '[\"1\"]', 'RESOLVED', '{}', now() - interval '1 year')");
  }

  private int findings() {
    return shop.count("select count(*) from pgbelay.reconcile_finding");
  }

  /**
   * A session of replication is what a role without the grant sees of a replica: that it is there.
   */
  @Test
  void replicaThatTheRoleMayNotSee_endsTheRunWithTheGrantThatIsMissing() throws Exception {
    oldFinding();
    String url =
        postgres.jdbcUrl()
            + "&replication=database&preferQueryMode=simple&assumeMinServerVersion=9.4";
    try (RestrictedRole role = new RestrictedRole(postgres.dataSource(), postgres.jdbcUrl());
        Connection replica = DriverManager.getConnection(url)) {
      assertThat(replica.isValid(30)).isTrue();
      shop.dsl.execute("grant all on all tables in schema pgbelay to " + role.name());
      Retention retention =
          Retention.builder(role.transactions).waitAtMost(Duration.ofMillis(10)).build();
      assertThatThrownBy(retention::run)
          .isInstanceOf(PgBelayException.class)
          .hasMessageContainingAll(
              "retention of reconcile_run", "PT0.01S", "replica_lag", "grant pg_monitor");
      assertThat(findings()).isEqualTo(1);
      shop.dsl.execute("grant pg_monitor to " + role.name());
      assertThat(retention.run().findings()).as("a run goes on where it was").isEqualTo(1);
    }
  }

  @Test
  void waitThatEndsInTime_isNotCountedWithTheNext() {
    oldFinding();
    Counted signal = new Counted(2);
    assertThat(
            Retention.builder(shop.transactions)
                .throttle(List.of(signal))
                .waitAtMost(Duration.ofMinutes(10))
                .build()
                .run()
                .findings())
        .isEqualTo(1);
    assertThat(signal.looks.get()).as("once waited for in each of three tables").isEqualTo(6);
    List<ThrottleSignal> bounded = new BoundedWait(Duration.ofMillis(1)).over(List.of(signal));
    Table<?> table = org.jooq.impl.DSL.table("reconcile_run");
    for (int round = 0; round < 3; round++) {
      assertThat(bounded.get(0).reasonToWait(shop.dsl, table)).as("a new wait").isPresent();
      assertThat(bounded.get(0).reasonToWait(shop.dsl, table)).isEmpty();
      assertThat(bounded.get(1).reasonToWait(shop.dsl, table)).isEmpty();
      shop.dsl.execute("select pg_sleep(0.002)");
    }
  }

  @Test
  void waitWithoutEnd_isCutOff_andTheNextRunGoesOn() {
    oldFinding();
    Retention.Builder retention =
        Retention.builder(shop.transactions).throttle(List.of(new Counted(Integer.MAX_VALUE)));
    assertThatThrownBy(() -> retention.waitAtMost(Duration.ofMillis(5)).build().run())
        .isInstanceOf(PgBelayException.class)
        .hasMessageContainingAll("counted: look", "raise waitAtMost");
    assertThat(findings()).isEqualTo(1);
    assertThat(retention.throttle(List.of()).build().run().findings()).isEqualTo(1);
  }
}
