package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.internal.PassingDataSource;
import dev.pgbelay.testing.FaultProxy;
import dev.pgbelay.testing.FaultProxy.Direction;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicLong;
import javax.sql.DataSource;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * What a relay writes down is cut at byte after byte, on its way to the server and on the way back.
 * The relay cannot know what the server has done; it writes the same again.
 */
class RelayCutsPostgresTest {
  private static final boolean FULL = "full".equals(System.getProperty("pgbelay.scale"));
  private static final int CUTS = FULL ? 600 : 24;
  private static final long NEVER = -1;

  @RegisterExtension
  @Order(1)
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(RelayFixture.SCHEMA);

  @RegisterExtension
  @Order(2)
  static final RelayFixture.Relays relays = new RelayFixture.Relays(postgres);

  private final RelayFixture fixture = new RelayFixture(postgres, relays);
  private final AtomicLong cutAfter = new AtomicLong(NEVER);
  private int rounds;

  /** Connections of one loop of the relay go through the proxy, all others past it. */
  static final class OfOneLoop extends PassingDataSource {
    private final String loop;
    private final HikariDataSource cut;

    OfOneLoop(DataSource direct, String loop, HikariDataSource cut) {
      super(direct);
      this.loop = loop;
      this.cut = cut;
    }

    @Override
    protected Connection passed(Connection connection) throws SQLException {
      if (!Thread.currentThread().getName().contains(loop)) {
        return connection;
      }
      connection.close();
      return cut.getConnection();
    }
  }

  /** Two messages of a key and one without, which are delivered by one call. */
  private void appendRound() {
    fixture.dsl.execute(
        "insert into pgbelay.outbox_message (destination, lane, message_id, topic, key, payload)"
            + " select ?, case when n < 2 then ? else 0 end, ? || '-' || n, 't',"
            + " case when n < 2 then 'k' end, convert_to(? || '-' || n, 'UTF8')"
            + " from generate_series(0, 2) as n order by n",
        fixture.number,
        RelayFixture.lane("k"),
        rounds,
        rounds);
    rounds++;
  }

  private void round() {
    appendRound();
    RelayFixture.await(fixture::isEmpty);
  }

  /**
   * The loop that acknowledges, and the one that holds what has failed and takes away what was held
   * and is delivered.
   */
  @ParameterizedTest
  @CsvSource({"ack, TO_SERVER", "ack, TO_CLIENT", "hold, TO_SERVER", "hold, TO_CLIENT"})
  void writeThatIsCutAtAnyByte_isWrittenAgainAndNothingIsLostOrRepeated(
      String loop, Direction direction) throws Exception {
    long seed = Long.getLong("pgbelay.seed", System.nanoTime());
    System.out.println("relay whose writes are cut: -Dpgbelay.seed=" + seed);
    Random random = new Random(seed);
    boolean fails = loop.equals("hold");
    try (FaultProxy proxy = FaultProxy.inFrontOf(postgres.database().cluster().primary());
        HikariDataSource cut = RelayFixture.pool(proxy.jdbcUrl(postgres.database().name()), 1)) {
      Collected collected =
          new Collected(10)
              .answering(
                  message -> {
                    long bytes = cutAfter.getAndSet(NEVER);
                    if (bytes != NEVER) {
                      proxy.cutAfterBytes(direction, bytes);
                    }
                    return fails && message.attempt() == 1 && message.key().isPresent()
                        ? Delivery.failed("once")
                        : Delivery.delivered();
                  });
      OutboxRelay relay =
          fixture.start(
              fixture.relay(
                  Transactions.of(new OfOneLoop(postgres.dataSource(), "-" + loop + "-", cut)),
                  Destination.of(fixture.destination, collected)
                      .withConcurrency(1)
                      .withRetries(
                          10,
                          RetryPauses.exponential(Duration.ofMillis(10), Duration.ofMillis(10)))));
      for (int i = 0; i < 3; i++) {
        round();
      }
      long before = bytes(proxy, direction);
      round();
      long most = bytes(proxy, direction) - before;
      assertThat(most).isPositive();
      for (int i = 0; i < CUTS; i++) {
        long bytes = most * i / CUTS + random.nextLong(Math.max(1, most / CUTS));
        long cuts = proxy.counters().cutsAtByte();
        // A statement that the server knows by now is shorter than the one that was measured.
        do {
          cutAfter.set(bytes);
          round();
          bytes /= 2;
        } while (proxy.counters().cutsAtByte() == cuts && bytes > 0);
      }
      assertThat(proxy.counters().cutsAtByte()).as("cuts").isGreaterThan(CUTS * 3L / 4);
      assertThat(relay.stop(Duration.ofSeconds(10)).isClean()).isTrue();
      List<String> ofKey = new ArrayList<>();
      List<String> all = new ArrayList<>();
      for (int i = 0; i < rounds; i++) {
        ofKey.addAll(List.of(i + "-0", i + "-1"));
        all.addAll(List.of(i + "-0", i + "-1", i + "-2"));
      }
      assertThat(collected.texts("k")).isEqualTo(ofKey);
      assertThat(collected.texts()).containsExactlyInAnyOrderElementsOf(all);
      assertThat(fixture.dead()).isZero();
    }
  }

  private static long bytes(FaultProxy proxy, Direction direction) {
    FaultProxy.Counters counters = proxy.counters();
    return direction == Direction.TO_SERVER ? counters.bytesToServer() : counters.bytesToClient();
  }
}
