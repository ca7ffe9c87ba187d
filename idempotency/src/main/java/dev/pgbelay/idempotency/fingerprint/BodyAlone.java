package dev.pgbelay.idempotency.fingerprint;

import java.util.List;
import java.util.Optional;

/** A request of which only the body counts. */
@SuppressWarnings("ArrayRecordComponent") // read by this package alone, never compared
record BodyAlone(byte[] body) implements RequestContent {
  @Override
  public String method() {
    throw notAskedFor();
  }

  @Override
  public String path() {
    throw notAskedFor();
  }

  @Override
  public Optional<String> query() {
    throw notAskedFor();
  }

  @Override
  public List<String> headers(String name) {
    throw notAskedFor();
  }

  private static IllegalStateException notAskedFor() {
    return new IllegalStateException("only the body counts");
  }
}
