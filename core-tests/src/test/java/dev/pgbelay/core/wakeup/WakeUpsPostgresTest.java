package dev.pgbelay.core.wakeup;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.testing.FaultProxy;
import dev.pgbelay.testing.PgBouncer;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.awaitility.Awaitility;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Notifications between two processes, as far as two objects can stand for them. */
class WakeUpsPostgresTest {
  @RegisterExtension static final PostgresExtension postgres = PostgresExtension.create();

  private final DSLContext dsl = DSL.using(postgres.dataSource(), SQLDialect.POSTGRES);
  private final SimpleMeterRegistry meters = new SimpleMeterRegistry();
  private final List<AutoCloseable> opened = new ArrayList<>();
  private final List<String> heard = new CopyOnWriteArrayList<>();

  @AfterEach
  void close() throws Exception {
    for (int i = opened.size() - 1; i >= 0; i--) {
      opened.get(i).close();
    }
  }

  private HikariDataSource pool(String url) {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(url);
    config.setMaximumPoolSize(2);
    config.setMinimumIdle(0);
    config.setConnectionTimeout(2_000);
    config.setInitializationFailTimeout(-1);
    config.addDataSourceProperty("socketTimeout", "5");
    HikariDataSource pool = new HikariDataSource(config);
    opened.add(pool);
    return pool;
  }

  private WakeUps.Builder wakeUps(String url, String channel) {
    return WakeUps.builder(pool(url))
        .channel(channel)
        .probeInterval(Duration.ofMillis(300))
        .probeTimeout(Duration.ofSeconds(2));
  }

  private WakeUps start(WakeUps.Builder builder) {
    WakeUps wakeUps = builder.build();
    opened.add(wakeUps);
    wakeUps.start();
    return wakeUps;
  }

  private static void await(java.util.concurrent.Callable<Boolean> condition) {
    Awaitility.await()
        .atMost(Duration.ofSeconds(90))
        .pollInterval(Duration.ofMillis(10))
        .until(condition);
  }

  private double counter(String name) {
    return meters.get("pgbelay.wakeup." + name).counter().count();
  }

  @Test
  void announcement_isHeardByOtherProcessesAndOnItsOwnChannelOnly() {
    WakeUps here = start(wakeUps(postgres.jdbcUrl(), "a"));
    WakeUps there = start(wakeUps(postgres.jdbcUrl(), "a").meterRegistry(meters));
    WakeUps elsewhere = start(wakeUps(postgres.jdbcUrl(), "b"));
    List<String> others = new CopyOnWriteArrayList<>();
    there.addListener(
        topic -> {
          throw new IllegalStateException("a listener's own trouble");
        });
    there.addListener(heard::add);
    elsewhere.addListener(others::add);
    await(() -> here.isHealthy() && there.isHealthy() && elsewhere.isHealthy());
    here.announce("mails");
    await(() -> heard.contains("mails"));
    here.announce("reports");
    await(() -> heard.contains("reports"));
    assertThat(others).doesNotContain("mails", "reports");
    await(() -> counter("heard") >= 2);
    assertThat(counter("connected")).isEqualTo(1);
    assertThat(meters.get("pgbelay.wakeup.healthy").gauge().value()).isEqualTo(1);
  }

  /** Ten thousand commits in a row are a handful of notifications. */
  @Test
  void burst_isFewNotifications() {
    WakeUps here =
        start(
            wakeUps(postgres.jdbcUrl(), "burst")
                .quiet(Duration.ofSeconds(2))
                .meterRegistry(meters));
    long start = System.nanoTime();
    for (int i = 0; i < 10_000; i++) {
      here.announce("mails");
    }
    here.announce("others");
    await(() -> counter("sent") >= 2);
    double most = 4 + 2 * (System.nanoTime() - start) / 2e9;
    assertThat(counter("sent")).isLessThanOrEqualTo(most);
  }

  @Test
  void terminatedBackend_isReplacedAndEverybodyIsWokenAtOnce() {
    WakeUps here = start(wakeUps(postgres.jdbcUrl(), "k").meterRegistry(meters));
    await(here::isHealthy);
    here.addListener(heard::add);
    dsl.fetch(
        "select pg_terminate_backend(pid) from pg_stat_activity"
            + " where pid <> pg_backend_pid() and datname = current_database()"
            + " and query like '%LISTEN%' or query like '%pg_notify%' and pid <> pg_backend_pid()");
    await(() -> counter("connected") >= 2);
    await(() -> heard.contains(""));
    await(here::isHealthy);
    heard.clear();
    here.announce("after");
    await(() -> heard.contains("after"));
  }

  /** No error, no end of the connection: only that nothing is heard tells. */
  @Test
  void connectionThatFallsSilent_isNoticedAndReplaced() throws Exception {
    try (FaultProxy proxy = FaultProxy.inFrontOf(postgres.database().cluster().primary())) {
      WakeUps here =
          start(wakeUps(proxy.jdbcUrl(postgres.database().name()), "s").meterRegistry(meters));
      await(here::isHealthy);
      here.addListener(heard::add);
      proxy.freeze();
      await(() -> !here.isHealthy());
      proxy.thaw();
      proxy.dropConnections();
      await(here::isHealthy);
      assertThat(heard).as("woken at the reconnect").contains("");
      assertThat(counter("connected")).isGreaterThanOrEqualTo(2);
    }
  }

  /** A pooler answers LISTEN and passes nothing on; it must not be taken for a direct way. */
  @Test
  void pooler_isNeverHealthy() {
    try (PgBouncer bouncer = PgBouncer.inFrontOf(postgres.database().cluster().primary(), 4)) {
      WakeUps here =
          start(
              wakeUps(bouncer.jdbcUrl(postgres.database().name()) + "&prepareThreshold=0", "p")
                  .probeTimeout(Duration.ofMillis(300))
                  .meterRegistry(meters));
      await(() -> counter("connected") >= 3);
      assertThat(here.isHealthy()).isFalse();
    }
  }

  @Test
  void badOptions_areRefusedByName() {
    WakeUps.Builder builder = WakeUps.builder(postgres.dataSource());
    assertThatThrownBy(() -> builder.channel("No")).hasMessageContaining("channel is \"No\"");
    assertThatThrownBy(() -> builder.quiet(Duration.ZERO)).hasMessageContaining("quiet must be");
    assertThatThrownBy(() -> builder.probeInterval(Duration.ZERO))
        .hasMessageContaining("probeInterval must be");
    assertThatThrownBy(() -> builder.probeTimeout(Duration.ofHours(1)))
        .hasMessageContaining("probeTimeout must be");
  }
}
