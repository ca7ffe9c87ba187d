package dev.pgbelay.idempotency.fingerprint;

import java.util.List;
import java.util.Optional;

/** A request as a {@link FingerprintRule} reads it. Only the declared parts are asked for. */
public interface RequestContent {
  /** Such as {@code POST}. */
  String method();

  /** As it was sent, percent-encoding and all. */
  String path();

  /** What stands behind the question mark, as it was sent. */
  Optional<String> query();

  /** All values of a header, in their order; the name is in lower case. */
  List<String> headers(String name);

  /** As it came over the wire. */
  byte[] body();
}
