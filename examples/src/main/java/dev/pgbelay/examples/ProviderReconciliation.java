package dev.pgbelay.examples;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.idempotency.Codec;
import dev.pgbelay.idempotency.Fingerprint;
import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.idempotency.payment.PaymentOperation;
import dev.pgbelay.idempotency.payment.Payments;
import dev.pgbelay.idempotency.payment.ProviderLimits;
import dev.pgbelay.idempotency.payment.ProviderReply;
import dev.pgbelay.idempotency.payment.StepKey;
import dev.pgbelay.idempotency.reconciliation.Amount;
import dev.pgbelay.idempotency.reconciliation.Finding;
import dev.pgbelay.idempotency.reconciliation.ProviderRecord;
import dev.pgbelay.idempotency.reconciliation.ProviderRecords;
import dev.pgbelay.idempotency.reconciliation.Reconciliation;
import dev.pgbelay.idempotency.reconciliation.ReconciliationReport;
import dev.pgbelay.idempotency.testing.FakeCharge;
import dev.pgbelay.idempotency.testing.FakeProvider;
import dev.pgbelay.idempotency.testing.FakeProviderClient;
import dev.pgbelay.idempotency.testing.ProviderFault;
import dev.pgbelay.testing.PostgresCluster;
import java.io.IOException;
import java.io.PrintStream;
import java.net.http.HttpClient;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Optional;
import javax.sql.DataSource;

/**
 * Closing the day: what the card provider charged is compared with what is stored of payments. One
 * answer was lost, and nobody has asked since; one charge belongs to a payment that the database
 * does not have. The first is settled as the finding suggests, the second is somebody's decision.
 */
public final class ProviderReconciliation {
  private static final StepKey<String> CHARGED = StepKey.of("charge", Codec.text());

  private final DataSource dataSource;
  private final DataSource keepAlive;
  private final Transactions transactions;

  ProviderReconciliation(DataSource dataSource, DataSource keepAlive) {
    this.dataSource = dataSource;
    this.keepAlive = keepAlive;
    this.transactions = Transactions.of(dataSource);
  }

  public static void main(String[] args) throws Exception {
    try (PostgresCluster cluster = PostgresCluster.builder().start();
        HikariDataSource pool = pool(cluster.primary().jdbcUrl());
        HikariDataSource leases = pool(cluster.primary().jdbcUrl())) {
      new ProviderReconciliation(pool, leases).run(System.out);
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
    try (FakeProvider provider = FakeProvider.start(InstantSource.system());
        Payments payments = Payments.builder(transactions, keepAlive).build()) {
      FakeProviderClient cards =
          new FakeProviderClient(
              HttpClient.newHttpClient(), provider.uri(), Duration.ofSeconds(30));
      PaymentOperation<String, String> checkout = checkout(payments, cards);

      checkout.execute(checkout.key("shop-7", "order-1"), "1990");
      provider.next(ProviderFault.DROP_AFTER_ACTING);
      checkout.execute(checkout.key("shop-7", "order-2"), "2500");
      IdempotencyKey lost = checkout.key("shop-7", "order-3");
      cards.charge(checkout.providerKey(lost, CHARGED), "shop-7/order-3", 700, "eur");

      Reconciliation<String, String> reconciliation = reconciliation(checkout, cards);
      // tag::compare[]
      ReconciliationReport report =
          reconciliation.compare(
              Duration.ofHours(24),
              finding -> {
                out.println(finding.kind() + " -> " + finding.action());
                if (finding.action() == Finding.Action.SETTLE_SUCCEEDED) {
                  reconciliation.apply(finding); // only because this line is here
                }
              });
      out.println(report.matched() + " matched, whole: " + report.whole());
      // end::compare[]
      out.println(
          "order-2: "
              + checkout.execute(checkout.key("shop-7", "order-2"), "2500").response().orElse("?"));
    }
  }

  private static PaymentOperation<String, String> checkout(
      Payments payments, FakeProviderClient cards) {
    ProviderLimits limits =
        ProviderLimits.builder("cards", Duration.ofHours(24), Duration.ofSeconds(30))
            .attempts(1, Duration.ofMillis(100))
            .build();
    return payments
        .operation(
            "checkout",
            (String cents) -> Fingerprint.of(1, cents.getBytes(StandardCharsets.UTF_8)),
            Codec.text(),
            Codec.text())
        .provider(
            CHARGED,
            (execution, key) -> {
              String reference = execution.key().tenant() + "/" + execution.key().key();
              long cents = Long.parseLong(execution.request());
              FakeCharge charge =
                  FakeCharge.parse(cards.charge(key, reference, cents, "eur").body());
              return ProviderReply.succeeded(charge.id());
            },
            limits)
        .respond((tx, execution) -> "paid by " + execution.result(CHARGED))
        .build();
  }

  private Reconciliation<String, String> reconciliation(
      PaymentOperation<String, String> checkout, FakeProviderClient cards) {
    // tag::declare[]
    return Reconciliation.builder(
            transactions,
            checkout.ledger(CHARGED),
            (since, next) -> page(checkout, cards, since, next))
        .expected(execution -> new Amount(Long.parseLong(execution.request()), "EUR"))
        .results(ProviderRecord::id)
        .build();
    // end::declare[]
  }

  // tag::page[]
  private static ProviderRecords.Page page(
      PaymentOperation<String, String> checkout,
      FakeProviderClient cards,
      Instant since,
      Optional<String> next)
      throws IOException, InterruptedException {
    FakeProviderClient.ListPage page = cards.list(since, next, 100);
    return new ProviderRecords.Page(
        page.charges().stream().map(charge -> record(checkout, charge)).toList(), page.next());
  }

  private static ProviderRecord record(
      PaymentOperation<String, String> checkout, FakeCharge charge) {
    String[] reference = charge.reference().split("/", -1); // as the call has sent it
    return new ProviderRecord(
        charge.id(),
        Optional.of(charge.key()),
        Optional.of(checkout.key(reference[0], reference[1])),
        new Amount(charge.amount(), charge.currency()),
        switch (charge.state()) {
          case SUCCEEDED -> ProviderRecord.State.SUCCEEDED;
          case DECLINED -> ProviderRecord.State.DECLINED;
          case REFUNDED -> ProviderRecord.State.REVERSED;
        },
        charge.at());
  }
  // end::page[]
}
