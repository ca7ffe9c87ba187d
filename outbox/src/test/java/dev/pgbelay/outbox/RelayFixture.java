package dev.pgbelay.outbox;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.testing.PostgresExtension;
import dev.pgbelay.testing.TemplateInitializer;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.awaitility.Awaitility;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/** A destination of its own for each test, messages in it by plain SQL, and relays that end. */
final class RelayFixture {
  static final TemplateInitializer SCHEMA =
      dataSource -> SchemaInstaller.builder(dataSource).modules("outbox").build().install();

  private static final AtomicInteger NAMES = new AtomicInteger();

  final Transactions transactions;
  final DSLContext dsl;
  final String destination = "d" + NAMES.incrementAndGet();
  final short number;
  private final PostgresExtension postgres;
  private final Relays relays;

  RelayFixture(PostgresExtension postgres, Relays relays) {
    this.postgres = postgres;
    this.relays = relays;
    this.transactions = Transactions.of(postgres.dataSource());
    this.dsl = DSL.using(postgres.dataSource(), SQLDialect.POSTGRES);
    this.number =
        Short.parseShort(
            String.valueOf(
                dsl.fetchValue(
                    "insert into pgbelay.outbox_destination (name) values (?) returning id",
                    destination)));
  }

  static HikariDataSource pool(String url, int size) {
    return pool(url, size, null);
  }

  /** With another role's grants. */
  static HikariDataSource pool(String url, int size, @Nullable String role) {
    HikariConfig config = new HikariConfig();
    if (role != null) {
      config.setConnectionInitSql("set role " + role);
    }
    config.setJdbcUrl(url);
    config.setMaximumPoolSize(size);
    config.setMinimumIdle(0);
    config.setConnectionTimeout(10_000);
    config.setInitializationFailTimeout(-1);
    return new HikariDataSource(config);
  }

  /** The relays of a test and the pool of their heartbeats, which end with it. */
  static final class Relays implements AfterEachCallback, AfterAllCallback {
    private final PostgresExtension postgres;
    private final List<OutboxRelay> started = new ArrayList<>();
    private @Nullable HikariDataSource heartbeats;

    Relays(PostgresExtension postgres) {
      this.postgres = postgres;
    }

    HikariDataSource heartbeats() {
      HikariDataSource pool = heartbeats;
      if (pool == null) {
        pool = pool(postgres.jdbcUrl(), 4);
        heartbeats = pool;
      }
      return pool;
    }

    @Override
    public void afterEach(ExtensionContext context) {
      started.forEach(relay -> relay.stop(Duration.ZERO));
      started.clear();
    }

    @Override
    public void afterAll(ExtensionContext context) {
      if (heartbeats != null) {
        heartbeats.close();
      }
    }
  }

  OutboxRelayBuilder relay(Destination to) {
    return relay(transactions, to);
  }

  OutboxRelayBuilder relay(Transactions on, Destination to) {
    return OutboxRelay.builder(on, relays.heartbeats())
        .name("r" + NAMES.incrementAndGet())
        .pollInterval(Duration.ofMillis(20))
        .lease(Duration.ofMinutes(1))
        .deliver(to);
  }

  OutboxRelay start(OutboxRelayBuilder builder) {
    OutboxRelay relay = builder.build();
    relays.started.add(relay);
    relay.start();
    return relay;
  }

  OutboxRelay start(Destination to) {
    return start(relay(to));
  }

  static int lane(@Nullable String key) {
    return key == null ? 0 : KeyPlace.lane(key);
  }

  long append(@Nullable String key, String payload) {
    try (Connection connection = postgres.dataSource().getConnection()) {
      return append(connection, key, payload);
    } catch (SQLException e) {
      throw new IllegalStateException(e);
    }
  }

  long append(Connection connection, @Nullable String key, String payload) throws SQLException {
    try (PreparedStatement insert =
        connection.prepareStatement(
            "insert into pgbelay.outbox_message"
                + " (destination, lane, message_id, topic, key, payload)"
                + " values (?, ?, gen_random_uuid()::text, 't', ?, ?) returning id")) {
      insert.setShort(1, number);
      insert.setInt(2, lane(key));
      insert.setString(3, key);
      insert.setBytes(4, payload.getBytes(StandardCharsets.UTF_8));
      try (ResultSet row = insert.executeQuery()) {
        row.next();
        return row.getLong(1);
      }
    }
  }

  /** So many messages over so many keys k0, k1, …, numbered within each. */
  void appendMany(int messages, int keys) {
    for (int from = 0; from < messages; from += 10_000) {
      int most = Math.min(messages, from + 10_000);
      String[] names = new String[keys];
      Integer[] lanes = new Integer[keys];
      for (int i = 0; i < keys; i++) {
        names[i] = "k" + i;
        lanes[i] = lane(names[i]);
      }
      dsl.execute(
          "insert into pgbelay.outbox_message"
              + " (destination, lane, message_id, topic, key, payload)"
              + " select ?, (?::int[])[1 + n % ?], 'm' || n, 't', (?::text[])[1 + n % ?],"
              + " convert_to((n / ?)::text, 'UTF8')"
              + " from generate_series(?, ?) as n order by n",
          number, lanes, keys, names, keys, keys, from, most - 1);
    }
  }

  int count(String sql, Object... values) {
    return Integer.parseInt(String.valueOf(dsl.fetchValue(sql, values)));
  }

  int messages() {
    return count("select count(*) from pgbelay.outbox_message where destination = ?", number);
  }

  int held() {
    return count("select count(*) from pgbelay.outbox_held where destination = ?", number);
  }

  int heldKeys() {
    return count("select count(*) from pgbelay.outbox_held_key where destination = ?", number);
  }

  int parkedKeys() {
    return count(
        "select count(*) from pgbelay.outbox_held_key where destination = ? and next_at is null",
        number);
  }

  int dead() {
    return count("select count(*) from pgbelay.outbox_dead where destination = ?", number);
  }

  boolean isEmpty() {
    return messages() == 0 && held() == 0 && heldKeys() == 0;
  }

  interface Check {
    boolean holds() throws Exception;
  }

  static void await(Check check) {
    Awaitility.await()
        .atMost(Duration.ofSeconds(60))
        .pollInterval(Duration.ofMillis(10))
        .ignoreExceptions()
        .until(check::holds);
  }
}
