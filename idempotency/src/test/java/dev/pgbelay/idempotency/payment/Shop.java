package dev.pgbelay.idempotency.payment;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.idempotency.Codec;
import dev.pgbelay.idempotency.Fingerprint;
import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.testing.TemplateInitializer;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.UnaryOperator;
import javax.sql.DataSource;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;

/** A process that reserves, charges and books; and the tables in which that can be seen. */
final class Shop implements AutoCloseable {
  static final TemplateInitializer SCHEMA =
      dataSource -> {
        SchemaInstaller.builder(dataSource).modules("batch", "idempotency").build().install();
        DSL.using(dataSource, SQLDialect.POSTGRES)
            .execute("create table written (n bigserial, key text not null, what text not null)");
      };

  static final StepKey<String> RESERVED = StepKey.of("reserve", Codec.text());
  static final StepKey<String> CHARGED = StepKey.of("charge", Codec.text());
  static final StepKey<String> BOOKED = StepKey.of("book", Codec.text());
  static final StepKey<String> SHIPPED = StepKey.of("ship", Codec.text());
  static final StepKey<String> REFUNDED = StepKey.of("refund", Codec.text());

  static final Duration WINDOW = Duration.ofHours(24);
  private static final AtomicInteger NAMES = new AtomicInteger();

  final SimpleMeterRegistry registry = new SimpleMeterRegistry();
  final HikariDataSource keepAlive;
  final DSLContext dsl;
  final Transactions transactions;
  final Payments payments;
  final Bank bank;

  Shop(DataSource dataSource, String url, Bank bank) {
    this(dataSource, url, bank, Duration.ofMinutes(5));
  }

  Shop(DataSource dataSource, String url, Bank bank, Duration lease) {
    this(dataSource, url, bank, lease, false);
  }

  Shop(DataSource dataSource, String url, Bank bank, boolean caching) {
    this(dataSource, url, bank, Duration.ofMinutes(5), caching);
  }

  private Shop(DataSource dataSource, String url, Bank bank, Duration lease, boolean caching) {
    this.keepAlive = pool(url, 1);
    this.dsl = DSL.using(dataSource, SQLDialect.POSTGRES);
    this.transactions = Transactions.of(dataSource);
    Payments.Builder builder =
        Payments.builder(transactions, keepAlive)
            .name("shop-" + NAMES.incrementAndGet())
            .lease(lease)
            .meterRegistry(registry);
    this.payments = (caching ? builder.cache(1_000_000, Duration.ofHours(1)) : builder).build();
    this.bank = bank;
  }

  static HikariDataSource pool(String url, int size) {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(url);
    config.setMaximumPoolSize(size);
    config.setMinimumIdle(0);
    config.setConnectionTimeout(30_000);
    return new HikariDataSource(config);
  }

  static String freshName() {
    return "checkout-" + NAMES.incrementAndGet();
  }

  static ProviderLimits limits() {
    return ProviderLimits.builder("bank", WINDOW, Duration.ofSeconds(60))
        .attempts(1, Duration.ofMillis(1))
        .build();
  }

  static Fingerprint fingerprint(String request) {
    return Fingerprint.of(1, request.getBytes(StandardCharsets.UTF_8));
  }

  PaymentOperation.Builder<String, String> bare(String name) {
    return payments
        .operation(name, Shop::fingerprint, Codec.text(), Codec.text())
        .attempts(3, Duration.ofMillis(1), Duration.ofMillis(2));
  }

  /** Reserve, charge, book. */
  PaymentOperation.Builder<String, String> checkout(String name, ProviderLimits limits) {
    return bare(name)
        .database(RESERVED, (tx, execution) -> write(tx, execution, "reserved"))
        .provider(CHARGED, bank, limits)
        .database(BOOKED, (tx, execution) -> write(tx, execution, "booked"))
        .respond(Shop::receipt);
  }

  PaymentOperation<String, String> checkout() {
    return checkout(operation -> operation);
  }

  PaymentOperation<String, String> checkout(
      UnaryOperator<PaymentOperation.Builder<String, String>> options) {
    return options.apply(checkout(freshName(), limits())).build();
  }

  static String receipt(Tx tx, Execution<String> execution) {
    return execution
        .refusal()
        .map(code -> "refused: " + code)
        .orElseGet(() -> "paid by " + execution.result(CHARGED));
  }

  static String write(Tx tx, Execution<String> execution, String what) {
    tx.dsl().execute("insert into written (key, what) values (?, ?)", execution.key().key(), what);
    return what;
  }

  List<String> written(IdempotencyKey key) {
    return dsl.fetch("select what from written where key = ? order by n", key.key())
        .map(row -> row.get(0, String.class));
  }

  String state(IdempotencyKey key) {
    return dsl
        .fetch(
            "select state from pgbelay.payment where tenant = ? and operation = ? and key = ?",
            key.tenant(),
            key.operation(),
            key.key())
        .map(row -> row.get(0, String.class))
        .stream()
        .findFirst()
        .orElse("none");
  }

  /** A process that stands still renews nothing. */
  void stall() {
    payments.keepAlive().close();
  }

  /** As if so much time had passed for one payment. */
  void age(IdempotencyKey key, String interval) {
    dsl.execute(
        "update pgbelay.payment set created_at = created_at - ?::interval,"
            + " asked_at = asked_at - ?::interval, lease_until = lease_until - ?::interval,"
            + " unknown_since = unknown_since - ?::interval, due_at = due_at - ?::interval,"
            + " finished_at = finished_at - ?::interval"
            + " where tenant = ? and operation = ? and key = ?",
        interval,
        interval,
        interval,
        interval,
        interval,
        interval,
        key.tenant(),
        key.operation(),
        key.key());
  }

  Completer completer() {
    return Completer.builder(payments).grace(Duration.ZERO).build();
  }

  @Override
  public void close() {
    payments.close();
    keepAlive.close();
  }
}
