package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.testing.PostgresCluster;
import dev.pgbelay.testing.PostgresNode;
import io.micrometer.core.instrument.Timer;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;

/** A server of a test's own, which may be crashed, and relays on it. */
final class RelaySite implements AutoCloseable {
  static final int KEYS = 20;
  static final Duration LEASE = Duration.ofSeconds(2);

  private static final AtomicInteger NAMES = new AtomicInteger();

  final PostgresCluster cluster;
  final SimpleMeterRegistry meters = new SimpleMeterRegistry();
  final Collected collected = new Collected(5);
  final HikariDataSource pool;
  private final HikariDataSource heartbeats;
  private final List<OutboxRelay> relays = new ArrayList<>();

  RelaySite(PostgresCluster.Builder builder, int size, String options) throws Exception {
    cluster = builder.start();
    String url =
        url(
                cluster.replicas().isEmpty()
                    ? List.of(cluster.primary())
                    : List.of(cluster.primary(), cluster.replica()))
            + options;
    pool = RelayFixture.pool(url, size);
    pool.setConnectionTimeout(1_000);
    heartbeats = RelayFixture.pool(url, 1);
    try (HikariDataSource owner = RelayFixture.pool(cluster.primary().jdbcUrl(), 1)) {
      RelayFixture.SCHEMA.initialize(owner);
    }
    sql("insert into pgbelay.outbox_destination (name) values ('d')");
    sql(
        "insert into pgbelay.outbox_route (topic, destination) select 't', id from"
            + " pgbelay.outbox_destination");
  }

  RelaySite(PostgresCluster.Builder builder) throws Exception {
    this(builder, 6, "");
  }

  OutboxRelay start() {
    return start(Destination.of("d", collected).withConcurrency(3));
  }

  OutboxRelay start(Destination to) {
    OutboxRelay relay =
        OutboxRelay.builder(Transactions.of(pool), heartbeats)
            .name("s" + NAMES.incrementAndGet())
            .lease(LEASE)
            .pollInterval(Duration.ofMillis(20))
            .meterRegistry(meters)
            .deliver(to)
            .build();
    relays.add(relay);
    relay.start();
    return relay;
  }

  Connection connect() throws SQLException {
    return (cluster.replicas().isEmpty() || !cluster.replica().isReplica()
            ? cluster.replicas().isEmpty() ? cluster.primary() : cluster.replica()
            : cluster.primary())
        .connect("postgres");
  }

  void sql(String statement) throws SQLException {
    try (Connection connection = connect();
        Statement one = connection.createStatement()) {
      one.execute(statement);
    }
  }

  int count(String statement) throws SQLException {
    try (Connection connection = connect();
        Statement one = connection.createStatement();
        ResultSet row = one.executeQuery(statement)) {
      row.next();
      return row.getInt(1);
    }
  }

  /** By one transaction of one producer: of each key in the order of the numbers. */
  void append(int from, int to) throws SQLException {
    try (Connection connection = connect();
        PreparedStatement insert =
            connection.prepareStatement(
                "insert into pgbelay.outbox_message"
                    + " (destination, lane, message_id, topic, key, payload)"
                    + " select id, ?, ?, 't', ?, ''::bytea from pgbelay.outbox_destination")) {
      connection.setAutoCommit(false);
      for (int i = from; i < to; i++) {
        String key = "k" + i % KEYS;
        insert.setInt(1, KeyPlace.lane(key));
        insert.setString(2, "m" + i);
        insert.setString(3, key);
        insert.addBatch();
      }
      insert.executeBatch();
      connection.commit();
    }
  }

  boolean isEmpty() throws SQLException {
    return count(
            "select (select count(*) from pgbelay.outbox_message)"
                + " + (select count(*) from pgbelay.outbox_held)"
                + " + (select count(*) from pgbelay.outbox_dead)")
        == 0;
  }

  long failedPasses() {
    return meters.find("pgbelay.background.pass").tag("outcome", "failed").timers().stream()
        .mapToLong(Timer::count)
        .sum();
  }

  /** All are delivered, the first time in the order of their numbers. */
  void assertComplete(int total) {
    assertThat(collected.all().stream().map(Message::messageId).collect(Collectors.toSet()))
        .hasSize(total);
    Map<String, List<Integer>> expected = new LinkedHashMap<>();
    for (int i = 0; i < total; i++) {
      expected.computeIfAbsent("k" + i % KEYS, key -> new ArrayList<>()).add(i);
    }
    assertThat(collected.firsts(message -> Integer.valueOf(message.messageId().substring(1))))
        .containsExactlyInAnyOrderEntriesOf(expected);
    collected.assertOrdered();
  }

  @Override
  public void close() {
    relays.forEach(relay -> relay.stop(Duration.ZERO));
    pool.close();
    heartbeats.close();
    cluster.close();
  }

  private static String url(List<PostgresNode> nodes) {
    String hosts =
        nodes.stream()
            .map(node -> node.address().getHostString() + ":" + node.address().getPort())
            .collect(Collectors.joining(","));
    String first = nodes.get(0).jdbcUrl("postgres");
    return "jdbc:postgresql://"
        + hosts
        + "/postgres"
        + first.substring(first.indexOf('?'))
        + "&targetServerType=primary&hostRecheckSeconds=1&connectTimeout=5";
  }
}
