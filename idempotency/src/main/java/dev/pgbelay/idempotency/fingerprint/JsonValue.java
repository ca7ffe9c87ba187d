package dev.pgbelay.idempotency.fingerprint;

import java.util.List;
import java.util.SortedMap;

/** A JSON document, without anything that its meaning does not depend on. */
sealed interface JsonValue {
  /** The JSON null. */
  record Nothing() implements JsonValue {}

  /** True or false. */
  record Truth(boolean value) implements JsonValue {}

  /** A number, exactly. */
  record Figure(Decimal value) implements JsonValue {}

  /** A text in Unicode's normal form C. */
  record Text(String value) implements JsonValue {}

  /** An array. */
  record Elements(List<JsonValue> values) implements JsonValue {}

  /** An object, by its names in normal form C. */
  record Members(SortedMap<String, JsonValue> values) implements JsonValue {}
}
