package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.internal.Claimant;
import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What a look reads, with little and with much around it. */
class LookCostPostgresTest {
  private static final boolean FULL = "full".equals(System.getProperty("pgbelay.scale"));
  private static final int MANY = FULL ? 1_000_000 : 100_000;
  private static final int SHARE = 16;
  private static final Pattern BUFFERS =
      Pattern.compile("Buffers: shared hit=(\\d+)(?: read=(\\d+))?");

  @RegisterExtension
  @Order(1)
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(RelayFixture.SCHEMA);

  @RegisterExtension
  @Order(2)
  static final RelayFixture.Relays relays = new RelayFixture.Relays(postgres);

  private final RelayFixture fixture = new RelayFixture(postgres, relays);
  private final LookSql sql = new LookSql("pgbelay");
  private final List<LaneClaim> lanes = new ArrayList<>();

  LookCostPostgresTest() {
    Fence fence = Claimant.random().next();
    for (int i = 0; i < KeyPlace.LANES; i++) {
      LaneClaim lane = new LaneClaim(i, fence);
      lane.share = SHARE;
      lanes.add(lane);
    }
  }

  private String look(RelayFixture of, Map<Integer, Set<String>> fullKeys) throws SQLException {
    try (Connection connection = postgres.dataSource().getConnection()) {
      LookPlan plan = new LookPlan(lanes, 10_000, 1 << 20, List.of(), fullKeys);
      lanes.forEach(lane -> lane.beginBehind(plan.fullKeysOf(lane)));
      return sql.explain(connection, of.number, plan);
    }
  }

  private static long buffers(String plan) {
    Matcher all = BUFFERS.matcher(plan);
    assertThat(all.find()).as(plan).isTrue();
    return Long.parseLong(all.group(1)) + (all.group(2) == null ? 0 : Long.parseLong(all.group(2)));
  }

  private void fill(int messages, int keys) {
    fill(fixture, messages, keys);
  }

  private static void fill(RelayFixture of, int messages, int keys) {
    of.dsl.execute(
        "insert into pgbelay.outbox_message"
            + " (destination, lane, message_id, topic, key, payload)"
            + " select ?, case when ? = 1 then ? else n % ? % 32 end, 'm' || n, 't',"
            + " 'k' || n % ?, convert_to(n::text, 'UTF8') from generate_series(1, ?) as n",
        of.number, keys, KeyPlace.lane("k0"), keys, keys, messages);
  }

  private long few() throws SQLException {
    RelayFixture small = new RelayFixture(postgres, relays);
    fill(small, 1_000, 1_000);
    return buffers(look(small, Map.of()));
  }

  @Test
  void look_readsAsMuchOfABacklogOfManyKeysAsOfASmallOne() throws Exception {
    long few = few();
    fill(MANY, 100_000);
    String plan = look(fixture, Map.of());
    assertThat(plan).contains("Index Scan using outbox_message_pkey").doesNotContain("Seq Scan");
    assertThat(buffers(plan)).isLessThanOrEqualTo(2 * few);
    fixture.dsl.execute("analyze pgbelay.outbox_message");
    plan = look(fixture, Map.of());
    assertThat(plan).contains("Index Scan using outbox_message_pkey");
    assertThat(buffers(plan)).as("with statistics").isLessThanOrEqualTo(2 * few);
  }

  /** Of a key that is full, only the first look behind it reads what lies between. */
  @Test
  void look_doesNotWalkOverABacklogOfOneKeyAgain() throws Exception {
    long few = few();
    fill(MANY, 1);
    long last = fixture.append("k0", "last");
    String plan = look(fixture, Map.of());
    assertThat(plan).contains("Index Scan using outbox_message_pkey").doesNotContain("Seq Scan");
    assertThat(buffers(plan)).as("of the key itself").isLessThanOrEqualTo(2 * few);
    LaneClaim lane = lanes.get(KeyPlace.lane("k0"));
    Set<String> ofLane = Set.of("k0");
    Map<Integer, Set<String>> full = Map.of(lane.lane, ofLane);
    long walked = buffers(look(fixture, full));
    lane.complete(last + 1, ofLane);
    long behind = buffers(look(fixture, full));
    assertThat(behind).isLessThanOrEqualTo(2 * few).isLessThan(walked / 2);
    assertThat(buffers(look(fixture, Map.of())))
        .as("once more of it is wanted")
        .isLessThanOrEqualTo(2 * few);
  }

  /** Rows that are deleted and cannot be cleaned up are not read again. */
  @Test
  void lookFromTheMark_doesNotWalkWhatAnOldSnapshotKeeps() throws Exception {
    long few = few();
    try (Connection old = postgres.dataSource().getConnection();
        Connection idle = postgres.dataSource().getConnection()) {
      old.setAutoCommit(false);
      old.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
      idle.setAutoCommit(false);
      try (Statement reads = old.createStatement();
          Statement writes = idle.createStatement()) {
        reads.execute("select count(*) from pgbelay.outbox_message");
        writes.execute("select pg_current_xact_id()");
        fill(100_000, 1_000);
        fixture.dsl.execute(
            "delete from pgbelay.outbox_message where destination = ?", fixture.number);
        long first = fixture.append("k0", "first");
        fill(1_000, 1_000);
        SafeMark mark = new SafeMark(new MarkSql("pgbelay"), 0);
        RelayFixture.await(() -> mark.decided(fixture.transactions) >= first);
        long fromTheFront = buffers(look(fixture, Map.of()));
        lanes.forEach(lane -> lane.complete(first, Set.of()));
        long fromTheMark = buffers(look(fixture, Map.of()));
        assertThat(fromTheMark).isLessThanOrEqualTo(2 * few);
        assertThat(fromTheFront).isGreaterThan(fromTheMark);
        System.out.printf(
            "buffers of a look behind 100000 deleted rows under an old snapshot: %d from the front,"
                + " %d from the mark, %d without them%n",
            fromTheFront, fromTheMark, few);
      }
      old.rollback();
      idle.rollback();
    }
  }

  /** With a relay, whose looks find the marks by themselves. */
  @Test
  void keysBehindAHotOne_areDeliveredWhileItIsFull() {
    fixture.appendMany(5_000, 1);
    String other = otherKeyOfTheLane();
    fixture.append(other, "behind");
    AtomicBoolean hot = new AtomicBoolean(true);
    Collected collected =
        new Collected(5)
            .answering(
                message -> {
                  if (hot.get() && message.key().orElseThrow().equals("k0")) {
                    Thread.sleep(1);
                  }
                  return Delivery.delivered();
                });
    fixture.start(
        fixture
            .relay(Destination.of(fixture.destination, collected).withConcurrency(2))
            .window(200, 1L << 20));
    RelayFixture.await(() -> !collected.texts(other).isEmpty());
    assertThat(collected.texts("k0").size()).as("of the hot key by then").isLessThan(4_000);
    fixture.append(other, "later");
    RelayFixture.await(() -> collected.texts(other).size() == 2);
    hot.set(false);
    RelayFixture.await(fixture::isEmpty);
    assertThat(collected.texts("k0")).hasSize(5_000);
    collected.assertOrdered();
  }

  private static String otherKeyOfTheLane() {
    for (int i = 1; ; i++) {
      if (KeyPlace.lane("other" + i) == KeyPlace.lane("k0")) {
        return "other" + i;
      }
    }
  }

  @Test
  void idsBeyondAnInteger_areDeliveredInTheirOrder() {
    fixture.dsl.execute(
        "select setval('pgbelay.outbox_message_id_seq', greatest(2147483600,"
            + " (select last_value from pgbelay.outbox_message_id_seq)), true)");
    fixture.appendMany(500, 5);
    Collected collected = new Collected(10);
    fixture.start(Destination.of(fixture.destination, collected));
    RelayFixture.await(fixture::isEmpty);
    assertThat(collected.all()).hasSize(500).anyMatch(one -> one.sequence() > Integer.MAX_VALUE);
    collected.assertOrdered();
  }
}
