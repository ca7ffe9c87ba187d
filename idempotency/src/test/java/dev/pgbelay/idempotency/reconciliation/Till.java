package dev.pgbelay.idempotency.reconciliation;

import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.idempotency.Answer;
import dev.pgbelay.idempotency.Codec;
import dev.pgbelay.idempotency.Fingerprint;
import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.idempotency.Outcome;
import dev.pgbelay.idempotency.payment.Execution;
import dev.pgbelay.idempotency.payment.PaymentOperation;
import dev.pgbelay.idempotency.payment.Payments;
import dev.pgbelay.idempotency.payment.ProviderCall;
import dev.pgbelay.idempotency.payment.ProviderLimits;
import dev.pgbelay.idempotency.payment.ProviderReply;
import dev.pgbelay.idempotency.payment.StepKey;
import dev.pgbelay.idempotency.payment.StepRefusedException;
import dev.pgbelay.idempotency.testing.FakeCharge;
import dev.pgbelay.idempotency.testing.FakeProvider;
import dev.pgbelay.idempotency.testing.FakeProviderClient;
import dev.pgbelay.idempotency.testing.ProviderFault;
import dev.pgbelay.testing.TemplateInitializer;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.IOException;
import java.net.http.HttpClient;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import javax.sql.DataSource;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;

/** Payments of cents at a provider with sockets, both of a while ago. */
final class Till implements AutoCloseable {
  static final TemplateInitializer SCHEMA =
      dataSource ->
          SchemaInstaller.builder(dataSource).modules("batch", "idempotency").build().install();

  static final StepKey<String> CHARGED = StepKey.of("charge", Codec.text());
  static final StepKey<String> REFUNDED = StepKey.of("refund", Codec.text());
  static final StepKey<String> SHIPPED = StepKey.of("ship", Codec.text());

  static final Duration WINDOW = Duration.ofHours(24);
  static final Duration LOOK_BACK = Duration.ofHours(40);
  private static final Duration LONG = Duration.ofMinutes(1);
  private static final AtomicInteger NAMES = new AtomicInteger();

  /** How long ago things happen, on both clocks. */
  private volatile Duration ago = Duration.ofHours(1);

  final FakeProvider provider;
  final FakeProviderClient client;
  final SimpleMeterRegistry registry = new SimpleMeterRegistry();
  final HikariDataSource keepAlive;
  final DSLContext dsl;
  final Transactions transactions;
  final Payments payments;
  final PaymentOperation<String, String> operation;
  final String name = "till-" + NAMES.incrementAndGet();

  /** By how much the provider is asked for too much. */
  volatile long surcharge;

  volatile boolean ships = true;
  volatile boolean hasStatusQuery = true;

  /** Charges that list and status query keep to themselves. */
  volatile boolean hides;

  /** Whether records say which payment they are of. */
  volatile boolean metadata = true;

  Till(DataSource dataSource, String url) {
    // As real clocks do not, this one agrees with the database's to the microsecond.
    this.provider =
        FakeProvider.builder(() -> Instant.now().truncatedTo(ChronoUnit.MICROS).minus(ago))
            .keyWindow(WINDOW)
            .start();
    this.client = new FakeProviderClient(HttpClient.newHttpClient(), provider.uri(), LONG);
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(url);
    config.setMaximumPoolSize(1);
    config.setMinimumIdle(0);
    this.keepAlive = new HikariDataSource(config);
    this.dsl = DSL.using(dataSource, SQLDialect.POSTGRES);
    this.transactions = Transactions.of(dataSource);
    this.payments =
        Payments.builder(transactions, keepAlive).name(name).lease(Duration.ofMinutes(5)).build();
    ProviderLimits limits =
        ProviderLimits.builder("bank", WINDOW, LONG).attempts(1, Duration.ofMillis(1)).build();
    this.operation =
        payments
            .operation(
                name,
                (String request) -> Fingerprint.of(1, request.getBytes(StandardCharsets.UTF_8)),
                Codec.text(),
                Codec.text())
            .attempts(3, Duration.ofMillis(1), Duration.ofMillis(2))
            .provider(CHARGED, new Charge(), limits)
            .compensate(CHARGED, REFUNDED, this::refund, limits)
            .database(SHIPPED, (tx, execution) -> ship())
            .respond((tx, execution) -> execution.refusal().orElse("paid"))
            .build();
  }

  private final class Charge implements ProviderCall<String, String> {
    @Override
    public ProviderReply<String> call(Execution<String> execution, String providerKey)
        throws IOException, InterruptedException {
      long cents = Long.parseLong(execution.request()) + surcharge;
      HttpResponse<String> answer =
          client.charge(providerKey, reference(execution.key()), cents, "eur");
      return switch (answer.statusCode()) {
        case 201 -> ProviderReply.succeeded(FakeCharge.parse(answer.body()).id());
        case 402 -> ProviderReply.refused("declined");
        default -> ProviderReply.unknown("status " + answer.statusCode());
      };
    }

    @Override
    public ProviderReply<String> find(Execution<String> execution, String providerKey)
        throws IOException, InterruptedException {
      if (!hasStatusQuery) {
        return ProviderReply.unknown("no status query");
      }
      Optional<FakeCharge> charge = hides ? Optional.empty() : client.byKey(providerKey);
      return charge
          .map(
              found ->
                  found.hasTakenEffect()
                      ? ProviderReply.succeeded(found.id())
                      : ProviderReply.<String>refused("declined"))
          .orElseGet(ProviderReply::absent);
    }
  }

  private ProviderReply<String> refund(Execution<String> execution, String providerKey)
      throws IOException, InterruptedException {
    HttpResponse<String> answer = client.refund(providerKey, execution.result(CHARGED));
    return answer.statusCode() == 201
        ? ProviderReply.succeeded("refunded")
        : ProviderReply.unknown("status " + answer.statusCode());
  }

  private String ship() {
    if (!ships) {
      throw new StepRefusedException("sold out");
    }
    return "shipped";
  }

  static String reference(IdempotencyKey key) {
    return key.tenant() + "/" + key.operation() + "/" + key.key();
  }

  IdempotencyKey key(String key) {
    return operation.key("acme", key);
  }

  /** From here on things happen so long ago. */
  void ago(Duration time) {
    ago = time;
  }

  /** A payment of a while ago, as far as it comes. */
  Answer<String> pay(IdempotencyKey key, long cents) {
    Answer<String> answer = operation.execute(key, Long.toString(cents));
    age(key, ago);
    return answer;
  }

  /** A payment of 100 cents that went well. */
  IdempotencyKey paid(String name) {
    IdempotencyKey key = key(name);
    assertThat(pay(key, 100).outcome()).isEqualTo(Outcome.EXECUTED);
    return key;
  }

  /** One of which the provider's answer, or the request itself, was lost on the way. */
  IdempotencyKey unknown(String name, ProviderFault fault) {
    IdempotencyKey key = key(name);
    provider.next(fault);
    assertThat(pay(key, 100).outcome()).isEqualTo(Outcome.UNKNOWN_OUTCOME);
    return key;
  }

  void age(IdempotencyKey key, Duration by) {
    String seconds = by.toSeconds() + " s";
    dsl.execute(
        "update pgbelay.payment set created_at = created_at - {0}::interval,"
            + " asked_at = asked_at - {0}::interval, due_at = due_at - {0}::interval,"
            + " unknown_since = unknown_since - {0}::interval,"
            + " finished_at = finished_at - {0}::interval"
            + " where tenant = {1} and operation = {2} and key = {3}",
        DSL.val(seconds), DSL.val(key.tenant()), DSL.val(key.operation()), DSL.val(key.key()));
  }

  String state(IdempotencyKey key) {
    return dsl.fetchSingle(
            "select state from pgbelay.payment where operation = ? and key = ?",
            key.operation(),
            key.key())
        .get(0, String.class);
  }

  /** What lies in the tables of reconciliations. */
  int scratch() {
    return dsl.fetchSingle(
            "select (select count(*) from pgbelay.payment_provider_record)"
                + " + (select count(*) from pgbelay.payment_reconciliation where operation = ?)",
            name)
        .get(0, Integer.class);
  }

  /** The provider's list, in pages of two. */
  ProviderRecords.Page page(Instant since, Optional<String> next)
      throws IOException, InterruptedException {
    FakeProviderClient.ListPage page = client.list(since, next, 2);
    return new ProviderRecords.Page(
        hides ? List.of() : page.charges().stream().map(this::record).toList(), page.next());
  }

  ProviderRecord record(FakeCharge charge) {
    String[] reference = charge.reference().split("/", -1);
    Optional<IdempotencyKey> payment =
        metadata && reference.length == 3
            ? Optional.of(new IdempotencyKey(reference[0], reference[1], reference[2]))
            : Optional.empty();
    return new ProviderRecord(
        charge.id(),
        Optional.of(charge.key()),
        payment,
        new Amount(charge.amount(), charge.currency()),
        switch (charge.state()) {
          case SUCCEEDED -> ProviderRecord.State.SUCCEEDED;
          case DECLINED -> ProviderRecord.State.DECLINED;
          case REFUNDED -> ProviderRecord.State.REVERSED;
        },
        charge.at());
  }

  static Amount expected(Execution<String> execution) {
    return new Amount(Long.parseLong(execution.request()), "EUR");
  }

  Reconciliation.Builder<String, String> reconciliation(ProviderRecords records) {
    return Reconciliation.builder(transactions, operation.ledger(CHARGED), records)
        .expected(Till::expected)
        .results(ProviderRecord::id)
        .attempts(3, Duration.ofMillis(1))
        .meterRegistry(registry);
  }

  Reconciliation<String, String> reconciliation() {
    return reconciliation(this::page).build();
  }

  /** A report, and what was found. */
  record Compared(ReconciliationReport report, List<Finding> findings) {
    Finding only() {
      if (findings.size() != 1) {
        throw new AssertionError("one finding was expected, there are " + findings);
      }
      return findings.get(0);
    }
  }

  static Compared compare(Reconciliation<String, String> reconciliation)
      throws InterruptedException {
    List<Finding> findings = new ArrayList<>();
    return new Compared(reconciliation.compare(LOOK_BACK, findings::add), findings);
  }

  Compared compare() throws InterruptedException {
    return compare(reconciliation());
  }

  /** Does something once the list was read to its end, and before ours is read. */
  Compared compareWith(Reconciliation.Builder<String, String> options) throws InterruptedException {
    return compare(options.build());
  }

  /** The list as it is, and something that happens behind its last page. */
  ProviderRecords then(Runnable behind) {
    return (since, next) -> {
      ProviderRecords.Page page = page(since, next);
      if (page.next().isEmpty()) {
        behind.run();
      }
      return page;
    };
  }

  double counter(String meter, String... tags) {
    return registry
        .get("pgbelay.idempotency.reconciliation." + meter)
        .tag("operation", name)
        .tag("step", "charge")
        .tags(tags)
        .counter()
        .count();
  }

  @Override
  public void close() {
    payments.close();
    keepAlive.close();
    provider.close();
  }
}
