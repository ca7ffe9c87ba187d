package dev.pgbelay.idempotency.payment;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.idempotency.Codec;
import dev.pgbelay.idempotency.Fingerprint;
import dev.pgbelay.idempotency.internal.KeyRules;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Collects the steps and options of a payment operation. Steps run in the order in which they are
 * declared here. Not safe for several threads.
 *
 * @param <Q> what is asked for
 * @param <R> the response
 */
public final class PaymentOperationBuilder<Q, R> {
  private final Payments owner;
  private final String name;
  private final Function<? super Q, Fingerprint> fingerprint;
  private final Codec<Q> requests;
  private final Codec<R> responses;
  private final List<Step<Q, ?>> steps = new ArrayList<>();
  private final Map<String, Step.Provider<Q, ?>> compensations = new LinkedHashMap<>();
  private int version = 1;
  private @Nullable DatabaseStep<Q, R> respond;
  private Duration retention = Duration.ofDays(3);
  private TxOptions options;
  private int maxAttempts = 10;
  private Duration firstPause = Duration.ofSeconds(1);
  private Duration longestPause = Duration.ofMinutes(5);
  private int maxBytes = 1 << 20;

  PaymentOperationBuilder(
      Payments owner,
      String name,
      Function<? super Q, Fingerprint> fingerprint,
      Codec<Q> requests,
      Codec<R> responses) {
    KeyRules.requireOperation(name);
    this.owner = owner;
    this.name = name;
    this.fingerprint = fingerprint;
    this.requests = requests;
    this.responses = responses;
    this.options = TxOptions.forPath("payment." + name);
  }

  /**
   * Of the steps, from 1, which it is unless said: one more for each change of them. An open
   * payment of an older version goes on if what it has done is how the new list begins, and is
   * parked otherwise; one of a newer version is left to the processes that know it.
   */
  public PaymentOperationBuilder<Q, R> version(int number) {
    this.version = number;
    return this;
  }

  /** Adds work on the database. */
  public <T> PaymentOperationBuilder<Q, R> database(StepKey<T> key, DatabaseStep<Q, T> work) {
    steps.add(new Step.Database<>(key, work));
    return this;
  }

  /** Adds a call of a provider. */
  public <T> PaymentOperationBuilder<Q, R> provider(
      StepKey<T> key, ProviderCall<Q, T> call, ProviderLimits limits) {
    steps.add(provided(key, call, limits));
    return this;
  }

  /**
   * Says how a step is taken back if a later one is refused: by a call of a provider, which is a
   * step itself. Those of several steps are made in reverse order. One that is refused parks the
   * payment. What database steps wrote is taken back by {@link #respond}.
   */
  public <T> PaymentOperationBuilder<Q, R> compensate(
      StepKey<?> step, StepKey<T> by, ProviderCall<Q, T> call, ProviderLimits limits) {
    if (compensations.put(step.name(), provided(by, call, limits)) != null) {
      throw new PgBelayException("step \"" + step + "\" has two compensations");
    }
    return this;
  }

  private <T> Step.Provider<Q, T> provided(
      StepKey<T> key, ProviderCall<Q, T> call, ProviderLimits limits) {
    return new Step.Provider<>(
        key, call, limits, new ProviderCaller<>(name + "-" + key, limits, owner.threads()));
  }

  /**
   * Makes the response, in the last transaction; of a refused payment too, of which {@link
   * Execution#refusal} says why.
   */
  public PaymentOperationBuilder<Q, R> respond(DatabaseStep<Q, R> response) {
    this.respond = response;
    return this;
  }

  /**
   * How long finished payments are kept, 1 minute to 3,650 days and no less than the longest key
   * window of a provider: a key that we forget first could charge again. 3 days unless said.
   */
  public PaymentOperationBuilder<Q, R> retention(Duration time) {
    this.retention = time;
    return this;
  }

  /** Of its transactions; on path {@code payment.} and the operation's name unless said. */
  public PaymentOperationBuilder<Q, R> options(TxOptions transactions) {
    this.options = transactions;
    return this;
  }

  /**
   * Failures and crashes in a row before a payment is parked, 1 to 1,000, and the pauses between
   * them, which double; 10, and 1 s to 5 min, unless said. Payments that are unknown are asked for
   * with the same pauses, without an end.
   */
  public PaymentOperationBuilder<Q, R> attempts(int most, Duration first, Duration longest) {
    this.maxAttempts = most;
    this.firstPause = first;
    this.longestPause = longest;
    return this;
  }

  /** The largest request, result or response in bytes of its codec: 1 to 2^28; 2^20 unless said. */
  public PaymentOperationBuilder<Q, R> maxBytes(int bytes) {
    this.maxBytes = bytes;
    return this;
  }

  /**
   * Checks, and makes the operation known to the completer.
   *
   * @throws PgBelayException naming the option, its value and its range; if answers are kept for
   *     less than a provider's key window; if steps or operations have one name; or without {@link
   *     #respond}
   */
  public PaymentOperation<Q, R> build() {
    OptionRange.require("retention", retention, Duration.ofMinutes(1), Duration.ofDays(3650));
    OptionRange.require("maxAttempts", maxAttempts, 1, 1_000);
    OptionRange.require("maxBytes", maxBytes, 1, 1 << 28);
    OptionRange.require("firstPause", firstPause, Duration.ofMillis(1), Duration.ofHours(1));
    OptionRange.require("longestPause", longestPause, firstPause, Duration.ofDays(1));
    steps.forEach(this::checkWindow);
    compensations.values().forEach(this::checkWindow);
    if (options.readOnly() || options.nesting() != TxOptions.Nesting.REFUSE) {
      throw new PgBelayException(
          "the options of operation \"" + name + "\" must neither be readOnly nor nest");
    }
    if (respond == null) {
      throw new PgBelayException("operation \"" + name + "\" has no respond(…)");
    }
    StepList<Q> list = new StepList<>(name, version, steps, compensations);
    list.check();
    Declared<Q, R> declared =
        new Declared<>(
            name,
            list,
            respond,
            requests,
            responses,
            maxBytes,
            options,
            owner.lease(),
            retention,
            maxAttempts,
            firstPause,
            longestPause);
    PaymentOperation<Q, R> operation = new PaymentOperation<>(owner, declared, fingerprint);
    owner.declare(operation);
    return operation;
  }

  private void checkWindow(Step<Q, ?> step) {
    if (step instanceof Step.Provider<Q, ?> provider
        && provider.limits().keyWindow().compareTo(retention) > 0) {
      throw new PgBelayException(
          "operation \""
              + name
              + "\" keeps finished payments for "
              + retention
              + ", and the provider of step \""
              + step.name()
              + "\" honours its keys for "
              + provider.limits().keyWindow()
              + ". Make the retention at least as long");
    }
  }
}
