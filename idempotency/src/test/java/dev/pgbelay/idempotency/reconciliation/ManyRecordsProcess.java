package dev.pgbelay.idempotency.reconciliation;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.idempotency.Codec;
import dev.pgbelay.idempotency.Fingerprint;
import dev.pgbelay.idempotency.IdempotencyKey;
import dev.pgbelay.idempotency.payment.PaymentOperation;
import dev.pgbelay.idempotency.payment.Payments;
import dev.pgbelay.idempotency.payment.ProviderLimits;
import dev.pgbelay.idempotency.payment.ProviderReply;
import dev.pgbelay.idempotency.payment.StepKey;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Compares many payments with records that are made up as they are asked for. */
final class ManyRecordsProcess {
  private static final StepKey<String> CHARGED = StepKey.of("charge", Codec.text());
  private static final int PER_PAGE = 500;

  private ManyRecordsProcess() {}

  private static HikariDataSource pool(String url) {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(url);
    config.setMaximumPoolSize(2);
    return new HikariDataSource(config);
  }

  private static ProviderRecords.Page page(
      PaymentOperation<String, String> operation, int from, int payments, Instant at) {
    List<ProviderRecord> records = new ArrayList<>();
    for (int n = from; n < Math.min(from + PER_PAGE, payments + 1); n++) {
      // One in a thousand has another name than any payment here.
      IdempotencyKey key = operation.key("acme", n % 1000 == 7 ? "x" + n : "k" + n);
      records.add(
          new ProviderRecord(
              "ch-" + n + "-" + "x".repeat(180),
              Optional.of(operation.providerKey(key, CHARGED)),
              Optional.of(key),
              new Amount(n % 500 == 9 ? 101 : 100, "EUR"),
              ProviderRecord.State.SUCCEEDED,
              at));
    }
    int next = from + PER_PAGE;
    return new ProviderRecords.Page(
        records, next > payments ? Optional.empty() : Optional.of(Integer.toString(next)));
  }

  public static void main(String[] args) throws Exception {
    int count = Integer.parseInt(args[1]);
    try (HikariDataSource work = pool(args[0]);
        HikariDataSource keepAlive = pool(args[0]);
        Payments payments =
            Payments.builder(Transactions.of(work), keepAlive).name("many").build()) {
      PaymentOperation<String, String> operation =
          payments
              .operation(
                  "many",
                  (String request) -> Fingerprint.of(1, request.getBytes(StandardCharsets.UTF_8)),
                  Codec.text(),
                  Codec.text())
              .provider(
                  CHARGED,
                  (execution, key) -> ProviderReply.unknown("never asked"),
                  ProviderLimits.builder("bank", Duration.ofHours(24), Duration.ofSeconds(1))
                      .build())
              .respond((tx, execution) -> "paid")
              .build();
      // By the clock of the payments, which are two hours old.
      Instant at = Instant.now().minus(Duration.ofHours(2));
      ReconciliationReport report =
          Reconciliation.builder(
                  Transactions.of(work),
                  operation.ledger(CHARGED),
                  (since, next) ->
                      page(operation, next.map(Integer::parseInt).orElse(1), count, at))
              .expected(execution -> new Amount(Long.parseLong(execution.request()), "EUR"))
              .statusQueries(0)
              .build()
              .compare(Duration.ofHours(3), finding -> {});
      System.out.println(
          "whole="
              + report.whole()
              + " records="
              + report.records()
              + " matched="
              + report.matched()
              + " here="
              + report.count(Finding.Kind.MISSING_HERE)
              + " there="
              + report.count(Finding.Kind.MISSING_THERE)
              + " amount="
              + report.count(Finding.Kind.AMOUNT_DIFFERS));
    }
  }
}
