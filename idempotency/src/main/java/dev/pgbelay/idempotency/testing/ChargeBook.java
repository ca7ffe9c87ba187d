package dev.pgbelay.idempotency.testing;

import dev.pgbelay.idempotency.testing.FakeCharge.State;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** What a provider knows: charges for ever, keys for a while. */
final class ChargeBook {
  /**
   * An answer under a key.
   *
   * @param request which it belongs to
   * @param until when the key is forgotten
   */
  private record Kept(String request, Reply reply, Instant until) {}

  record Reply(int status, String body) {}

  /** What there is to do about a request. */
  enum Begun {
    NEW,
    REPLAY,
    RUNNING,
    OTHER_REQUEST
  }

  private final InstantSource clock;
  private final Duration keyWindow;
  private final boolean keys;
  private final Map<String, Kept> kept = new HashMap<>();
  private final Set<String> running = new HashSet<>();
  private final List<FakeCharge> charges = new ArrayList<>();
  private final List<FakeEvent> events = new ArrayList<>();

  /**
   * Empty at first.
   *
   * @param keys whether a repeated key is known for what it is
   */
  ChargeBook(InstantSource clock, Duration keyWindow, boolean keys) {
    this.clock = clock;
    this.keyWindow = keyWindow;
    this.keys = keys;
  }

  synchronized Begun begin(String key, String request) {
    if (!keys) {
      return Begun.NEW;
    }
    if (running.contains(key)) {
      return Begun.RUNNING;
    }
    Kept before = kept.get(key);
    if (before != null && before.until().isAfter(clock.instant())) {
      return before.request().equals(request) ? Begun.REPLAY : Begun.OTHER_REQUEST;
    }
    running.add(key);
    return Begun.NEW;
  }

  synchronized Reply replay(String key) {
    Kept before = kept.get(key);
    if (before == null) {
      return new Reply(409, "error=forgotten");
    }
    return before.reply();
  }

  /** What was begun is over. */
  synchronized void end(String key) {
    running.remove(key);
  }

  synchronized void keep(String key, String request, Reply reply) {
    kept.put(key, new Kept(request, reply, clock.instant().plus(keyWindow)));
    running.remove(key);
  }

  synchronized FakeEvent charge(
      String key, String reference, long amount, String currency, State state) {
    FakeCharge charge =
        new FakeCharge(
            "ch-" + (charges.size() + 1), key, reference, amount, currency, state, clock.instant());
    charges.add(charge);
    return tell(charge);
  }

  /** Empty if there is no such charge, or none that can be given back. */
  synchronized Optional<FakeEvent> refund(String id) {
    for (int i = 0; i < charges.size(); i++) {
      FakeCharge charge = charges.get(i);
      if (charge.id().equals(id) && charge.state() == State.SUCCEEDED) {
        charges.set(i, charge.refunded());
        return Optional.of(tell(charge.refunded()));
      }
    }
    return Optional.empty();
  }

  private FakeEvent tell(FakeCharge charge) {
    FakeEvent event = new FakeEvent("ev-" + (events.size() + 1), clock.instant(), charge);
    events.add(event);
    return event;
  }

  synchronized void forgetKeys() {
    kept.clear();
  }

  synchronized List<FakeCharge> charges() {
    return List.copyOf(charges);
  }

  synchronized List<FakeEvent> events() {
    return List.copyOf(events);
  }

  /** From one moment on, behind one charge, in the order they were made. */
  synchronized List<FakeCharge> page(Instant since, Optional<String> after, int limit) {
    List<FakeCharge> page = new ArrayList<>();
    boolean behind = after.isEmpty();
    for (FakeCharge charge : charges) {
      if (behind && !charge.at().isBefore(since) && page.size() < limit) {
        page.add(charge);
      }
      behind = behind || charge.id().equals(after.get());
    }
    return page;
  }
}
