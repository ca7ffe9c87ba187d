package dev.pgbelay.idempotency.payment;

import dev.pgbelay.idempotency.testing.SimulatedProcess;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** A bank that simulated processes ask: it acts once for each provider key. */
public final class SimulatedBank {
  /** By the payment's key, the provider keys under which money was taken. */
  private final Map<String, Set<String>> charges = new ConcurrentHashMap<>();

  private boolean answers = true;

  /** From now on nobody hears from it, whatever it does. */
  public SimulatedBank losingAnswers() {
    answers = false;
    return this;
  }

  public ProviderCall<String, String> askedBy(SimulatedProcess process) {
    return ProviderCall.of(
        (execution, providerKey) ->
            process.outside(
                "charge",
                () -> {
                  of(execution.key().key()).add(providerKey);
                  return heard(ProviderReply.succeeded(providerKey));
                }),
        (execution, providerKey) ->
            process.outside(
                "status query",
                () ->
                    of(execution.key().key()).contains(providerKey)
                        ? heard(ProviderReply.succeeded(providerKey))
                        : ProviderReply.absent()));
  }

  private ProviderReply<String> heard(ProviderReply<String> answer) {
    return answers ? answer : ProviderReply.unknown("timeout");
  }

  private Set<String> of(String key) {
    return charges.computeIfAbsent(key, any -> ConcurrentHashMap.newKeySet());
  }

  /** How often money was taken for a payment. */
  public int charged(String key) {
    return charges.getOrDefault(key, Set.of()).size();
  }

  /** The payments that money was taken for. */
  Set<String> keys() {
    return Set.copyOf(charges.keySet());
  }
}
