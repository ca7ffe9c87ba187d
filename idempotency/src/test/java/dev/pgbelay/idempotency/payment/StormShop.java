package dev.pgbelay.idempotency.payment;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.idempotency.Answer;
import dev.pgbelay.idempotency.Codec;
import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.idempotency.testing.FakeCharge;
import dev.pgbelay.idempotency.testing.FakeCharge.State;
import dev.pgbelay.idempotency.testing.FakeEvent;
import dev.pgbelay.idempotency.testing.FakeProviderClient;
import dev.pgbelay.testing.TemplateInitializer;
import java.net.URI;
import java.net.http.HttpClient;
import java.time.Duration;
import java.util.EnumMap;
import java.util.Map;
import java.util.Objects;
import javax.sql.DataSource;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;

/**
 * A shop of the storm: takes the price, takes the courier's fee, and books; three steps, of which
 * the first is given back if the second is refused. Neither ledger nor receipts have a unique
 * constraint: what is done twice is there twice.
 */
final class StormShop implements AutoCloseable {
  static final StepKey<String> CHARGED = StepKey.of(StormBank.CHARGE, Codec.text());
  static final StepKey<String> COURIER = StepKey.of(StormBank.COURIER, Codec.text());
  static final StepKey<String> BOOKED = StepKey.of("book", Codec.text());
  static final StepKey<String> REFUNDED = StepKey.of("refund", Codec.text());

  static final Duration LEASE = Duration.ofSeconds(1);
  static final Duration TIME_LIMIT = Duration.ofMillis(400);
  private static final Duration CLIENT = Duration.ofSeconds(5);
  static final TemplateInitializer TABLES =
      dataSource ->
          DSL.using(dataSource, SQLDialect.POSTGRES)
              .execute(
                  "create table ledger (operation text, key text, charge text, courier text);"
                      + " create table receipt (operation text, key text, response text);"
                      + StormInbox.TABLE
                      + "; create table naive_key (operation text, key text, response text,"
                      + " holder text, until timestamptz, primary key (operation, key))");

  static final TemplateInitializer SCHEMA =
      dataSource -> {
        SchemaInstaller.builder(dataSource).modules("batch", "idempotency").build().install();
        TABLES.initialize(dataSource);
      };

  final Payments payments;
  final Transactions transactions;
  private final Map<StormRegime, PaymentOperation<String, String>> operations =
      new EnumMap<>(StormRegime.class);

  StormShop(DataSource work, DataSource keepAlive, Map<StormRegime, URI> providers) {
    this.transactions = Transactions.of(work);
    this.payments = Payments.builder(transactions, keepAlive).name("storm").lease(LEASE).build();
    banks(providers, CLIENT)
        .forEach((regime, bank) -> operations.put(regime, declare(regime, bank)));
  }

  static Map<StormRegime, StormBank> banks(Map<StormRegime, URI> providers, Duration timeout) {
    HttpClient http = HttpClient.newHttpClient();
    Map<StormRegime, StormBank> banks = new EnumMap<>(StormRegime.class);
    providers.forEach(
        (regime, uri) ->
            banks.put(regime, new StormBank(regime, new FakeProviderClient(http, uri, timeout))));
    return banks;
  }

  private PaymentOperation<String, String> declare(StormRegime regime, StormBank bank) {
    ProviderLimits limits =
        ProviderLimits.builder("bank", regime.keyWindow, TIME_LIMIT)
            .attempts(2, Duration.ofMillis(20))
            .build();
    return payments
        .operation(regime.operation(), Shop::fingerprint, Codec.text(), Codec.text())
        .attempts(1_000, Duration.ofMillis(20), Duration.ofSeconds(3))
        .provider(CHARGED, bank.take(StormBank.CHARGE), limits)
        .provider(COURIER, bank.take(StormBank.COURIER), limits)
        .database(BOOKED, StormShop::book)
        .compensate(CHARGED, REFUNDED, bank.refund(), limits)
        .respond(StormShop::respond)
        .build();
  }

  private static String book(Tx tx, Execution<String> execution) {
    return book(
        tx,
        execution.key().operation(),
        execution.key().key(),
        execution.result(CHARGED),
        execution.result(COURIER));
  }

  static String book(Tx tx, String operation, String key, String charge, String courier) {
    tx.dsl().execute("insert into ledger values (?, ?, ?, ?)", operation, key, charge, courier);
    return "booked";
  }

  private static String respond(Tx tx, Execution<String> execution) {
    String response =
        execution
            .refusal()
            .map(code -> "refused: " + code)
            .orElseGet(() -> paid(execution.result(CHARGED), execution.result(COURIER)));
    return receipt(tx, execution.key().operation(), execution.key().key(), response);
  }

  static String receipt(Tx tx, String operation, String key, String response) {
    tx.dsl().execute("insert into receipt values (?, ?, ?)", operation, key, response);
    return response;
  }

  static String paid(String charge, String courier) {
    return "paid with " + charge + " and " + courier;
  }

  private PaymentOperation<String, String> operation(StormRegime regime) {
    return Objects.requireNonNull(operations.get(regime));
  }

  Answer<String> call(StormRegime regime, String key, Duration wait) {
    return operation(regime).execute(key(regime, key), "order " + key, wait);
  }

  IdempotencyKey key(StormRegime regime, String key) {
    return operation(regime).key("shop", key);
  }

  <T> PaymentOperation.Settlement settle(
      Tx tx, StormRegime regime, String key, StepKey<T> step, ProviderReply<T> reply) {
    return operation(regime).settle(tx, key(regime, key), step, reply);
  }

  /** What a webhook says; whenever it comes. */
  PaymentOperation.Settlement settle(Tx tx, FakeEvent event) {
    FakeCharge charge = event.charge();
    String[] reference = charge.reference().split("/", -1);
    StormRegime regime = StormRegime.valueOf(reference[0]);
    if (charge.state() == State.REFUNDED) {
      return settle(tx, regime, reference[1], REFUNDED, ProviderReply.succeeded(charge.id()));
    }
    StepKey<String> step = reference[2].equals(StormBank.CHARGE) ? CHARGED : COURIER;
    return settle(tx, regime, reference[1], step, StormBank.told(charge));
  }

  @Override
  public void close() {
    payments.close();
  }
}
