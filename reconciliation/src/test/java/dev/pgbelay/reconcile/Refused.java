package dev.pgbelay.reconcile;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.PgBelayException;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;

/** What callers who get it wrong are told. */
public final class Refused {
  private Refused() {}

  /** What no caller may give. */
  @SuppressWarnings({"NullAway", "TypeParameterUnusedInFormals"})
  public static <T> T nothing() {
    return null;
  }

  /** The call is refused by the library itself, with a message that has these parts. */
  public static void assertRefused(ThrowingCallable call, String... parts) {
    assertThatThrownBy(call).isInstanceOf(PgBelayException.class).hasMessageContainingAll(parts);
  }
}
