package dev.pgbelay.outbox.health;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.horizon.HorizonGuard;
import dev.pgbelay.outbox.OutboxFixture;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jooq.Table;
import org.jooq.conf.ParamType;
import org.jooq.exception.DataAccessException;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What a monitor may read, and how much it does. */
class MonitorCostPostgresTest {
  private static final boolean FULL = "full".equals(System.getProperty("pgbelay.scale"));

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(OutboxFixture.SCHEMA);

  private final OutboxFixture fixture = new OutboxFixture(postgres.dataSource());

  @BeforeEach
  void empty() {
    fixture.dsl.execute("truncate pgbelay.outbox_message, pgbelay.outbox_held");
  }

  @Test
  void grantsOfTheGuide_areEnoughAndEachIsNeeded() {
    List<String> tables =
        List.of(
            "outbox_destination",
            "outbox_route",
            "outbox_relay",
            "outbox_lane",
            "outbox_message",
            "outbox_held_key",
            "outbox_held",
            "outbox_dead");
    fixture.dsl.execute(
        "do $$ begin create role outbox_watcher; exception when duplicate_object then null;"
            + " end $$");
    fixture.dsl.execute("grant usage on schema pgbelay to outbox_watcher");
    tables.forEach(
        table -> fixture.dsl.execute("grant select on pgbelay." + table + " to outbox_watcher"));
    HealthSql sql = new HealthSql("pgbelay");
    readAsWatcher(sql);
    for (String table : tables) {
      fixture.dsl.execute("revoke select on pgbelay." + table + " from outbox_watcher");
      assertThatThrownBy(() -> readAsWatcher(sql))
          .as(table)
          .isInstanceOf(DataAccessException.class)
          .hasMessageContaining("permission denied for table " + table);
      fixture.dsl.execute("grant select on pgbelay." + table + " to outbox_watcher");
    }
  }

  private void readAsWatcher(HealthSql sql) {
    fixture.transactions.execute(
        TxOptions.builder().setting("role", "outbox_watcher").build(),
        tx -> {
          sql.destinations(tx.dsl(), 10);
          sql.relays(tx.dsl());
          sql.overdueDays(tx.dsl());
          HorizonGuard.after(Duration.ofSeconds(1)).look(tx.dsl());
        });
  }

  /** Along the index and up to a limit, in one lane and over all. */
  @Test
  void cost_isBoundedWhateverWaits() {
    int many = FULL ? 1_000_000 : 60_000;
    long few = 0;
    for (int rows : new int[] {2_000, many}) {
      for (String lane : List.of("n % 32", "7")) {
        fixture.dsl.execute("truncate pgbelay.outbox_message, pgbelay.outbox_held");
        fixture.dsl.execute(
            "insert into pgbelay.outbox_message (destination, lane, message_id, topic, payload)"
                + " select ?, "
                + lane
                + ", 'm' || n, ?, '' from generate_series(1, ?) n",
            fixture.destinationId(),
            fixture.topic,
            rows);
        fixture.dsl.execute(
            "insert into pgbelay.outbox_held (id, appended_at, destination, lane, replay,"
                + " message_id, topic, hold_key, payload) select id, appended_at, destination,"
                + " lane, replay, message_id, topic, 'k' || id % 9, '' from pgbelay.outbox_message");
        fixture.dsl.execute("analyze pgbelay.outbox_message, pgbelay.outbox_held");
        long buffers = buffers();
        if (rows == 2_000) {
          few = Math.max(few, buffers);
        } else {
          System.out.println(
              "MonitorCostPostgresTest: "
                  + rows
                  + " rows in lane "
                  + lane
                  + ", buffers "
                  + buffers);
          assertThat(buffers).as("lane %s, with 2,000 rows %d", lane, few).isLessThan(2_500);
        }
      }
    }
  }

  private long buffers() {
    var limit = DSL.val(1_000);
    Table<?> message = table("outbox_message");
    Table<?> destination = table("outbox_destination");
    return explained(fixture.dsl.resultQuery(HealthSql.COUNT_WAITING, message, destination, limit))
        + explained(
            fixture.dsl.resultQuery(HealthSql.READ_FRONTS, message, destination, DSL.val(31)))
        + explained(
            fixture.dsl.resultQuery(
                HealthSql.READ_HELD,
                table("outbox_held_key"),
                table("outbox_held"),
                table("outbox_dead"),
                destination,
                limit));
  }

  private static Table<?> table(String name) {
    return DSL.table(DSL.name("pgbelay", name));
  }

  private long explained(org.jooq.ResultQuery<?> query) {
    String plan =
        String.join(
            "\n",
            fixture
                .dsl
                .fetch("explain (analyze, buffers) " + query.getSQL(ParamType.INLINED))
                .getValues(0, String.class));
    Matcher first = Pattern.compile("Buffers:[^\n]*").matcher(plan);
    assertThat(first.find()).as(plan).isTrue();
    long sum = 0;
    Matcher part = Pattern.compile("(?:hit|read)=(\\d+)").matcher(first.group());
    while (part.find()) {
      sum += Long.parseLong(part.group(1));
    }
    return sum;
  }

  /** Rows that are deleted and cannot be cleaned up: both statements on messages walk over them. */
  @Test
  void deadRowsUnderAnOldSnapshot_areWalkedOverTwiceAtMost() throws Exception {
    int many = FULL ? 1_000_000 : 100_000;
    try (Connection old = postgres.database().connect();
        Statement reads = old.createStatement()) {
      old.setAutoCommit(false);
      old.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
      reads.execute("select count(*) from pgbelay.outbox_message");
      fixture.dsl.execute(
          "insert into pgbelay.outbox_message (destination, lane, message_id, topic, payload)"
              + " select ?, n % 32, 'm' || n, ?, '' from generate_series(1, ?) n",
          fixture.destinationId(), fixture.topic, many);
      fixture.dsl.execute("delete from pgbelay.outbox_message");
      fixture.append(fixture.message("x"));
      long begin = System.nanoTime();
      long dead = buffers();
      long millis = Duration.ofNanos(System.nanoTime() - begin).toMillis();
      old.rollback();
      fixture.dsl.execute("vacuum pgbelay.outbox_message");
      System.out.printf(
          "buffers of the monitor's look behind %d dead rows: %d in %d ms, after a VACUUM %d%n",
          many, dead, millis, buffers());
      assertThat(dead).isLessThan(2L * many);
    }
  }
}
