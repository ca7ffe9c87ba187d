package dev.pgbelay.idempotency.webhook;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.testing.TemplateInitializer;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Timer;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import javax.sql.DataSource;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;

/**
 * Inboxes of a bank whose events are {@code id|what}; and the table in which is seen what they did.
 */
final class Inboxes {
  static final TemplateInitializer SCHEMA =
      dataSource -> {
        SchemaInstaller.builder(dataSource).modules("batch", "idempotency").build().install();
        DSL.using(dataSource, SQLDialect.POSTGRES)
            .execute("create table seen (n bigserial, event text not null, what text not null)");
      };

  static final Duration MOMENT = Duration.ofMillis(1);
  private static final AtomicInteger NAMES = new AtomicInteger();
  private static final byte[] SECRET = "a secret of a bank and its shop".getBytes(UTF_8);

  final SimpleMeterRegistry registry = new SimpleMeterRegistry();
  final HmacSignatures signatures = signatures(Instant::now);
  final Transactions transactions;
  final DSLContext dsl;
  final String provider;

  Inboxes(DataSource dataSource) {
    this(dataSource, "bank-" + NAMES.incrementAndGet());
  }

  /** In another process of the same shop. */
  Inboxes(DataSource dataSource, String provider) {
    this.provider = provider;
    this.transactions = Transactions.of(dataSource);
    this.dsl = DSL.using(dataSource, SQLDialect.POSTGRES);
  }

  static HmacSignatures signatures(InstantSource clock) {
    return HmacSignatures.builder(clock).secret("2026-11", SECRET).build();
  }

  static HikariDataSource pool(String url, int size, String init) {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(url);
    config.setMaximumPoolSize(size);
    config.setMinimumIdle(0);
    config.setConnectionTimeout(30_000);
    config.setConnectionInitSql(init);
    return new HikariDataSource(config);
  }

  static String freshId() {
    return "ev-" + NAMES.incrementAndGet();
  }

  WebhookInbox inbox() {
    return inbox(builder -> builder);
  }

  /** Retries come at once. */
  WebhookInbox inbox(UnaryOperator<WebhookInboxBuilder> options) {
    return options
        .apply(
            WebhookInbox.builder(transactions, provider, signatures, Inboxes::id)
                .meterRegistry(registry)
                .attempts(3, MOMENT, MOMENT))
        .build();
  }

  private static java.util.Optional<String> id(
      Function<String, List<String>> headers, byte[] body) {
    String text = new String(body, UTF_8);
    return text.startsWith("|")
        ? java.util.Optional.empty()
        : java.util.Optional.of(text.substring(0, text.indexOf('|')));
  }

  static byte[] body(String id, String what) {
    return (id + "|" + what).getBytes(UTF_8);
  }

  Function<String, List<String>> signed(byte[] body) {
    return headers(Map.of(signatures.header(), signatures.sign(body)));
  }

  static Function<String, List<String>> headers(Map<String, String> headers) {
    return name -> headers.containsKey(name) ? List.of(headers.get(name)) : List.of();
  }

  Reception deliver(WebhookInbox inbox, String id, String what) {
    byte[] body = body(id, what);
    return inbox.receive(signed(body), body);
  }

  static Handled see(Tx tx, WebhookEvent event, String what) {
    tx.dsl().execute("insert into seen (event, what) values (?, ?)", event.id(), what);
    return Handled.processed();
  }

  static Handled see(Tx tx, WebhookEvent event) {
    return see(tx, event, event.text());
  }

  List<String> seen(String id) {
    return dsl.fetch("select what from seen where event = ? order by n", id)
        .map(row -> row.get(0, String.class));
  }

  int rows(String table) {
    return dsl.fetchSingle(
            "select count(*) from pgbelay." + table + " where provider = ?", provider)
        .get(0, Integer.class);
  }

  /** As if so much time had passed for one event. */
  void age(String id, String interval) {
    dsl.execute(
        "update pgbelay.webhook_event set received_at = received_at - ?::interval,"
            + " due_at = due_at - ?::interval, lease_until = lease_until - ?::interval,"
            + " tried_since = tried_since - ?::interval, finished_at = finished_at - ?::interval"
            + " where provider = ? and event_id = ?",
        interval,
        interval,
        interval,
        interval,
        interval,
        provider,
        id);
  }

  double attempts(String result) {
    return registry
        .find("pgbelay.idempotency.webhook.attempts")
        .tag("provider", provider)
        .tag("result", result)
        .counters()
        .stream()
        .mapToDouble(Counter::count)
        .sum();
  }

  long deliveries(String outcome) {
    return registry
        .find("pgbelay.idempotency.webhook.deliveries")
        .tag("provider", provider)
        .tag("outcome", outcome)
        .timers()
        .stream()
        .mapToLong(Timer::count)
        .sum();
  }

  double gauge(String name) {
    return registry
        .get("pgbelay.idempotency.webhook." + name)
        .tag("provider", provider)
        .gauge()
        .value();
  }
}
