package dev.pgbelay.examples;

import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.idempotency.Answer;
import dev.pgbelay.idempotency.Codec;
import dev.pgbelay.idempotency.Fingerprint;
import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.idempotency.jackson.JacksonCodec;
import dev.pgbelay.idempotency.payment.Completer;
import dev.pgbelay.idempotency.payment.Execution;
import dev.pgbelay.idempotency.payment.PaymentOperation;
import dev.pgbelay.idempotency.payment.Payments;
import dev.pgbelay.idempotency.payment.ProviderCall;
import dev.pgbelay.idempotency.payment.ProviderLimits;
import dev.pgbelay.idempotency.payment.ProviderReply;
import dev.pgbelay.idempotency.payment.StepKey;
import dev.pgbelay.testing.PostgresCluster;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import javax.sql.DataSource;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.SQLDialect;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;

/**
 * A checkout: charge the card, book it in the ledger, answer with a receipt. The card provider
 * charges, and its answer is lost. A service that tries again with a key of its own making charges
 * twice; with a payment operation the customer's second click gets the receipt of the one charge.
 */
public final class Checkout {
  /** What the customer asks for. */
  record Order(String id, String card, long cents) {}

  /** What he gets. */
  record Receipt(String order, String charge, long cents, String refusal) {}

  private static final Table<Record> LEDGER = table(name("ledger"));
  private static final Field<String> ORDER = field(name("order_id"), SQLDataType.VARCHAR(40));
  private static final Field<String> CHARGE = field(name("charge"), SQLDataType.VARCHAR(40));
  private static final Field<Long> CENTS = field(name("cents"), SQLDataType.BIGINT);

  private final DataSource dataSource;
  private final DataSource keepAlive;
  private final Transactions transactions;
  private final DSLContext dsl;

  Checkout(DataSource dataSource, DataSource keepAlive) {
    this.dataSource = dataSource;
    this.keepAlive = keepAlive;
    this.transactions = Transactions.of(dataSource);
    this.dsl = DSL.using(dataSource, SQLDialect.POSTGRES);
  }

  public static void main(String[] args) throws Exception {
    try (PostgresCluster cluster = PostgresCluster.builder().start();
        HikariDataSource pool = pool(cluster.primary().jdbcUrl());
        HikariDataSource leases = pool(cluster.primary().jdbcUrl())) {
      new Checkout(pool, leases).run(System.out);
    }
  }

  private static HikariDataSource pool(String url) {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(url);
    config.setMaximumPoolSize(2);
    return new HikariDataSource(config);
  }

  void run(PrintStream out) throws Exception {
    SchemaInstaller.builder(dataSource).modules("idempotency").build().install();
    dsl.createTable(LEDGER).columns(ORDER, CHARGE, CENTS).execute();
    Order order = new Order("order-1", "card-4242", 1_990);

    CardProvider naive = new CardProvider(1);
    out.println("naive: " + twoClicks(() -> chargeAndBook(naive, order)));
    out.println("naive: " + naive.charges() + " charges");

    dsl.deleteFrom(LEDGER).execute();
    CardProvider safe = new CardProvider(1);
    // tag::declare[]
    try (Payments payments = Payments.builder(transactions, keepAlive).build()) {
      PaymentOperation<Order, Receipt> checkout = checkout(payments, safe);
      IdempotencyKey key = checkout.key("shop-7", "key-of-the-customers-first-click");
      // end::declare[]
      out.println("safe:  " + checkout.execute(key, order).outcome());
      try (Completer completer = Completer.builder(payments).build()) {
        completer.start(); // asks the provider what became of it
        Answer<Receipt> second = checkout.execute(key, order);
        while (second.response().isEmpty()) {
          Thread.sleep(second.retryAfter().orElse(Duration.ofMillis(100)).toMillis());
          second = checkout.execute(key, order);
        }
        out.println("safe:  " + second.outcome() + " " + second.response().orElseThrow().charge());
      }
      out.println("safe:  " + safe.charges() + " charges");
    }
    out.println("safe:  " + dsl.fetchCount(LEDGER) + " ledger entries");
  }

  // tag::steps[]
  private static final StepKey<String> CHARGED = StepKey.of("charge", Codec.text());
  private static final StepKey<String> BOOKED = StepKey.of("book", Codec.text());

  private static PaymentOperation<Order, Receipt> checkout(Payments payments, CardProvider cards) {
    ProviderLimits limits =
        ProviderLimits.builder("cards", Duration.ofHours(24), Duration.ofSeconds(30))
            .attempts(1, Duration.ofMillis(100))
            .build();
    return payments
        .operation(
            "checkout",
            Checkout::fingerprint,
            JacksonCodec.of(Order.class),
            JacksonCodec.of(Receipt.class))
        .provider(CHARGED, cards, limits)
        .database(BOOKED, Checkout::book)
        .respond(
            (tx, execution) ->
                new Receipt(
                    execution.request().id(),
                    execution.find(CHARGED).orElse("none"),
                    execution.request().cents(),
                    execution.refusal().orElse("")))
        .build();
  }

  private static String book(Tx tx, Execution<Order> execution) {
    Order order = execution.request();
    String charge = execution.result(CHARGED);
    tx.dsl()
        .insertInto(LEDGER, ORDER, CHARGE, CENTS)
        .values(order.id(), charge, order.cents())
        .execute();
    return charge;
  }

  // end::steps[]

  private static Fingerprint fingerprint(Order order) {
    String counted = order.id() + '\0' + order.card() + '\0' + order.cents();
    return Fingerprint.of(1, counted.getBytes(StandardCharsets.UTF_8));
  }

  private interface Click {
    String run() throws IOException;
  }

  /** A customer who sees an error, and clicks again. */
  private static String twoClicks(Click click) throws IOException {
    try {
      return click.run();
    } catch (IOException e) {
      return e.getMessage() + ", then " + click.run();
    }
  }

  private String chargeAndBook(CardProvider cards, Order order) throws IOException {
    String charge = cards.charge(UUID.randomUUID().toString());
    dsl.insertInto(LEDGER, ORDER, CHARGE, CENTS)
        .values(order.id(), charge, order.cents())
        .execute();
    return charge;
  }

  /** Charges each key once, and loses so many of its answers. */
  private static final class CardProvider implements ProviderCall<Order, String> {
    private final Map<String, String> charges = new LinkedHashMap<>();
    private int lost;

    CardProvider(int lost) {
      this.lost = lost;
    }

    synchronized String charge(String key) throws IOException {
      String charge = charges.computeIfAbsent(key, each -> "ch-" + (charges.size() + 1));
      if (lost > 0) {
        lost--;
        throw new IOException("timeout");
      }
      return charge;
    }

    synchronized int charges() {
      return charges.size();
    }

    // tag::call[]
    @Override
    public ProviderReply<String> call(Execution<Order> execution, String key) throws IOException {
      return ProviderReply.succeeded(charge(key)); // a timeout is thrown: the effect is unknown
    }

    @Override
    public synchronized ProviderReply<String> find(Execution<Order> execution, String key) {
      return Optional.ofNullable(charges.get(key))
          .map(ProviderReply::succeeded)
          .orElseGet(ProviderReply::absent);
    }
    // end::call[]
  }
}
