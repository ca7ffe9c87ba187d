package dev.pgbelay.idempotency.payment;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.idempotency.Codec;
import dev.pgbelay.idempotency.internal.OperationOptions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A payment operation while it is being declared: its steps and options, and whether they fit
 * together. Not safe for several threads.
 */
final class Declaration<Q, R> {
  private final Payments owner;
  private final Codec<Q> requests;
  private final Codec<R> responses;
  private final OperationOptions options;
  private final List<Step<Q, ?>> steps = new ArrayList<>();
  private final Map<String, Step.Provider<Q, ?>> compensations = new LinkedHashMap<>();
  private int version = 1;
  private @Nullable DatabaseStep<Q, R> respond;
  private int maxAttempts = 10;
  private Duration firstPause = Duration.ofSeconds(1);
  private Duration longestPause = Duration.ofMinutes(5);
  private boolean foundByProviderKey;

  Declaration(Payments owner, String name, Codec<Q> requests, Codec<R> responses) {
    this.owner = owner;
    this.requests = requests;
    this.responses = responses;
    this.options = new OperationOptions(name, "payment");
  }

  /** Those that simple operations have, too. */
  OperationOptions options() {
    return options;
  }

  void version(int number) {
    this.version = number;
  }

  <T> void database(StepKey<T> key, DatabaseStep<Q, T> work) {
    steps.add(new Step.Database<>(key, work));
  }

  <T> void provider(StepKey<T> key, ProviderCall<Q, T> call, ProviderLimits limits) {
    steps.add(provided(key, call, limits));
  }

  <T> void compensate(
      StepKey<?> step, StepKey<T> by, ProviderCall<Q, T> call, ProviderLimits limits) {
    if (compensations.put(step.name(), provided(by, call, limits)) != null) {
      throw new PgBelayException(
          "step \"" + step + "\" has two compensations: make one call of them, or take one away");
    }
  }

  private <T> Step.Provider<Q, T> provided(
      StepKey<T> key, ProviderCall<Q, T> call, ProviderLimits limits) {
    return new Step.Provider<>(
        key,
        call,
        limits,
        new ProviderCaller<>(options.operation() + "-" + key, limits, owner.threads()));
  }

  void respond(DatabaseStep<Q, R> response) {
    this.respond = response;
  }

  void attempts(int most, Duration first, Duration longest) {
    this.maxAttempts = most;
    this.firstPause = first;
    this.longestPause = longest;
  }

  void foundByProviderKey() {
    this.foundByProviderKey = true;
  }

  /**
   * Checks and freezes.
   *
   * @throws PgBelayException as {@link PaymentOperation.Builder#build} says
   */
  Declared<Q, R> declared() {
    options.check();
    OptionRange.require("maxAttempts", maxAttempts, 1, 1_000);
    OptionRange.require("firstPause", firstPause, Duration.ofMillis(1), Duration.ofHours(1));
    OptionRange.require("longestPause", longestPause, firstPause, Duration.ofDays(1));
    steps.forEach(this::checkWindow);
    compensations.values().forEach(this::checkWindow);
    if (respond == null) {
      throw new PgBelayException(
          "operation \""
              + options.operation()
              + "\" has no respond(…): say what is to be answered");
    }
    StepList<Q> list = new StepList<>(options.operation(), version, steps, compensations);
    list.check();
    return new Declared<>(
        options.operation(),
        list,
        respond,
        requests,
        responses,
        options.maxBytes(),
        foundByProviderKey,
        options.transactions(),
        owner.lease(),
        options.retention(),
        maxAttempts,
        firstPause,
        longestPause);
  }

  private void checkWindow(Step<Q, ?> step) {
    if (step instanceof Step.Provider<Q, ?> provider) {
      Duration window = provider.limits().keyWindow();
      options.requireKept(
          window, "the provider of step \"" + step.name() + "\" honours its keys for " + window);
    }
  }
}
