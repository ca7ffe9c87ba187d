package dev.pgbelay.benchmarks.idempotency;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.benchmarks.BenchServer;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.idempotency.Answer;
import dev.pgbelay.idempotency.Codec;
import dev.pgbelay.idempotency.Fingerprint;
import dev.pgbelay.idempotency.Outcome;
import dev.pgbelay.idempotency.payment.PaymentOperation;
import dev.pgbelay.idempotency.payment.Payments;
import dev.pgbelay.idempotency.payment.ProviderLimits;
import dev.pgbelay.idempotency.payment.ProviderReply;
import dev.pgbelay.idempotency.payment.StepKey;
import io.github.resilience4j.bulkhead.Bulkhead;
import io.github.resilience4j.bulkhead.BulkheadConfig;
import java.time.Duration;

/** The library's payment operation: a provider is asked, then the charge is booked. */
final class PgbelayPayment implements AutoCloseable {
  private static final StepKey<String> ASKED = StepKey.of("provider", Codec.text());
  private static final StepKey<String> BOOKED = StepKey.of("charge", Codec.text());
  private static final Duration KEY_WINDOW = Duration.ofHours(24);
  private static final Duration TIME_LIMIT = Duration.ofSeconds(30);

  private final HikariDataSource leases;
  private final Payments payments;
  private final PaymentOperation<Request, String> operation;

  PgbelayPayment(HikariDataSource pool, HandWrittenGuards.Provider provider) {
    HikariConfig config = BenchServer.poolConfig(pool.getJdbcUrl());
    config.setMaximumPoolSize(1);
    this.leases = new HikariDataSource(config);
    this.payments = Payments.builder(Transactions.of(pool), leases).name("bench").build();
    Bulkhead bulkhead =
        Bulkhead.of(
            "stub", BulkheadConfig.custom().maxConcurrentCalls(Requests.THREADS * 2).build());
    this.operation =
        payments
            .<Request, String>operation(
                "charge", request -> Fingerprint.of(1, request.body()), Request.CODEC, Codec.text())
            .provider(
                ASKED,
                (execution, key) -> {
                  provider.charge(execution.request());
                  return ProviderReply.succeeded("ok");
                },
                ProviderLimits.builder("stub", KEY_WINDOW, TIME_LIMIT).bulkhead(bulkhead).build())
            .database(
                BOOKED,
                (tx, execution) -> {
                  HandWrittenGuards.charge(tx.connection(), execution.request());
                  return "";
                })
            .respond((tx, execution) -> execution.request().response())
            .build();
  }

  Guard.Done call(Request request) {
    Answer<String> answer = operation.execute(operation.key("shop", request.key()), request);
    if (answer.response().isPresent() && !answer.response().get().equals(request.response())) {
      throw new IllegalStateException("the response is another one: " + answer.response().get());
    }
    return answer.outcome() == Outcome.EXECUTED
        ? Guard.Done.EXECUTED
        : answer.outcome() == Outcome.REPLAYED ? Guard.Done.REPLAYED : Guard.Done.RUNNING;
  }

  void purge() {
    operation.purge().build().run();
  }

  @Override
  public void close() {
    payments.close();
    leases.close();
  }
}
