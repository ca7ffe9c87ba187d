package dev.pgbelay.benchmarks.idempotency;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.idempotency.Answer;
import dev.pgbelay.idempotency.Codec;
import dev.pgbelay.idempotency.Fingerprint;
import dev.pgbelay.idempotency.Idempotency;
import dev.pgbelay.idempotency.Operation;
import dev.pgbelay.idempotency.Outcome;
import java.time.Duration;
import javax.sql.DataSource;
import org.jooq.impl.DSL;

/** The library's simple operation. */
final class PgbelayGuard {
  private static final long CACHE_BYTES = 256L << 20;
  private static final Duration CACHED_FOR = Duration.ofHours(1);

  private final DataSource pool;
  private final boolean cached;
  private volatile Operation<Request, String> operation;

  PgbelayGuard(DataSource pool, boolean cached) {
    this.pool = pool;
    this.cached = cached;
    this.operation = declare();
  }

  private Operation<Request, String> declare() {
    Idempotency.Builder builder = Idempotency.builder(Transactions.of(pool), pool);
    if (cached) {
      builder.cache(CACHE_BYTES, CACHED_FOR);
    }
    return builder
        .build()
        .<Request, String>operation(
            "charge", request -> Fingerprint.of(1, request.body()), Codec.text())
        .build();
  }

  /** As a process that has just started: nothing in its cache. */
  void reset() {
    operation = declare();
  }

  Guard.Done call(Request request) {
    return call(request, Duration.ZERO, during -> {});
  }

  void purge() {
    operation.purge().build().run();
  }

  /** The operation as the one statement that it is. */
  Guard.Done alone(Request request) {
    Operation<Request, String> own = operation;
    return done(
        request,
        own.executeStatement(
            own.key("shop", request.key()),
            request,
            Duration.ZERO,
            DSL.resultQuery(GuardSql.CHARGE_RETURNING, request.account(), request.amount()),
            request.response()));
  }

  /**
   * @param during the operation, with the transaction open
   */
  Guard waiting(HandWrittenGuards.Provider during) {
    return request -> call(request, Duration.ofMinutes(1), during);
  }

  private Guard.Done call(Request request, Duration wait, HandWrittenGuards.Provider during) {
    Operation<Request, String> own = operation;
    Answer<String> answer;
    try {
      answer =
          own.execute(
              own.key("shop", request.key()),
              request,
              wait,
              tx -> {
                HandWrittenGuards.charge(tx.connection(), request);
                during.charge(request);
                return request.response();
              });
    } catch (Exception e) {
      throw new IllegalStateException("a call failed", e);
    }
    return done(request, answer);
  }

  private static Guard.Done done(Request request, Answer<String> answer) {
    if (answer.response().isPresent() && !answer.response().get().equals(request.response())) {
      throw new IllegalStateException("the response is another one: " + answer.response().get());
    }
    return answer.outcome() == Outcome.EXECUTED
        ? Guard.Done.EXECUTED
        : answer.outcome() == Outcome.REPLAYED ? Guard.Done.REPLAYED : Guard.Done.RUNNING;
  }
}
