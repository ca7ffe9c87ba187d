package dev.pgbelay.idempotency.payment;

import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;

/** A provider within this process: charges each key once, and does what its script says. */
final class Bank implements ProviderCall<String, String> {
  /** What happens with one call. */
  @FunctionalInterface
  interface Turn {
    ProviderReply<String> take(Bank bank, Execution<String> execution, String key) throws Exception;
  }

  private final Map<String, String> charges = new LinkedHashMap<>();
  private final List<String> calls = new ArrayList<>();
  private final Queue<Turn> turns = new ArrayDeque<>();
  private boolean knows = true;

  synchronized Bank then(Turn turn) {
    turns.add(turn);
    return this;
  }

  static Turn timeoutAfterActing() {
    return (bank, execution, key) -> {
      bank.charge(key);
      throw new IOException("timeout");
    };
  }

  static Turn timeoutBeforeActing() {
    return (bank, execution, key) -> {
      throw new IOException("timeout");
    };
  }

  static Turn refusing(String code) {
    return (bank, execution, key) -> ProviderReply.refused(code);
  }

  /** It has no status query from now on. */
  synchronized Bank knowsNothing() {
    knows = false;
    return this;
  }

  synchronized String charge(String key) {
    return charges.computeIfAbsent(key, each -> "ch-" + (charges.size() + 1));
  }

  /** A charge without a memory of keys, as after the window. */
  synchronized String chargeAgain(String key) {
    String id = "ch-" + (charges.size() + 1);
    charges.put(key + "/" + id, id);
    return id;
  }

  synchronized int charged() {
    return charges.size();
  }

  synchronized List<String> calls() {
    return List.copyOf(calls);
  }

  @Override
  public ProviderReply<String> call(Execution<String> execution, String key) throws Exception {
    Turn turn;
    synchronized (this) {
      calls.add(key);
      turn = turns.poll();
    }
    return turn == null ? ProviderReply.succeeded(charge(key)) : turn.take(this, execution, key);
  }

  @Override
  public ProviderReply<String> find(Execution<String> execution, String key) {
    synchronized (this) {
      if (!knows) {
        return ProviderReply.unknown("no status query");
      }
      String charge = charges.get(key);
      return charge == null ? ProviderReply.absent() : ProviderReply.succeeded(charge);
    }
  }
}
