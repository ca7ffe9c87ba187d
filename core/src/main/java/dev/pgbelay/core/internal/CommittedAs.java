package dev.pgbelay.core.internal;

import dev.pgbelay.core.Tx;
import java.util.Optional;

/**
 * Under which id the server has committed a transaction, for hooks after the commit. Work may have
 * ended its transaction and begun another one where that is not seen, on the driver's own
 * connection: a row is of the transaction that was committed if it was written under this id.
 */
public interface CommittedAs {
  /** As COMMIT's own round trip told; empty before, and where it told nothing. */
  Optional<String> committedAs();

  /** Empty where another one opened the transaction. */
  static Optional<String> of(Tx tx) {
    return tx instanceof CommittedAs owned ? owned.committedAs() : Optional.empty();
  }
}
