package dev.pgbelay.idempotency.payment;

import java.time.Duration;
import java.util.Locale;

/** What a provider of the storm keeps its word about, and what it can be asked. */
enum StormRegime {
  /** It honours its keys for a day. */
  KEYED(Duration.ofHours(24), true, true),
  /** It honours them for three seconds, says its documentation; then nothing is sent again. */
  FORGETFUL(Duration.ofSeconds(3), true, true),
  /** It has no keys: asked once, and what it did is known from its status query. */
  KEYLESS(Duration.ZERO, false, true),
  /** It has neither keys nor a status query: what it did is known from its webhooks. */
  BLIND(Duration.ZERO, false, false);

  final Duration keyWindow;
  final boolean honoursKeys;
  final boolean hasStatusQuery;

  StormRegime(Duration keyWindow, boolean honoursKeys, boolean hasStatusQuery) {
    this.keyWindow = keyWindow;
    this.honoursKeys = honoursKeys;
    this.hasStatusQuery = hasStatusQuery;
  }

  String operation() {
    return "storm-" + name().toLowerCase(Locale.ROOT);
  }

  static StormRegime of(String operation) {
    return valueOf(operation.substring("storm-".length()).toUpperCase(Locale.ROOT));
  }
}
