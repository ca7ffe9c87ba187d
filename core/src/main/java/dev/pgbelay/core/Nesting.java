package dev.pgbelay.core;

import dev.pgbelay.core.internal.PgDriver;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;

/**
 * What happens when a transaction is asked for inside another one on the same {@code DataSource}.
 */
final class Nesting {
  private Nesting() {}

  static <T extends @Nullable Object, X extends Exception> T join(
      OwnedTx outer, TxOptions inner, TxWork<T, X> work) throws X {
    if (inner.nesting() == TxOptions.Nesting.REFUSE) {
      throw refused(
          outer,
          inner,
          "would take a second connection. Pass the outer Tx along, or say nesting(JOIN) or"
              + " nesting(INDEPENDENT)");
    }
    requireCompatible(outer, inner);
    try {
      return inner.deadline().isPresent()
          ? outer.within(inner.deadline().get(), work)
          : work.run(outer);
    } catch (Throwable failure) {
      outer.joinedWorkFailed(inner.path(), failure);
      throw failure;
    }
  }

  /**
   * A transaction that was joined on this thread and still is open belongs to somebody who passed
   * its {@link Tx} on; asking for another one on the same database is refused as well.
   *
   * @param url of the database asked for, null if it is not known yet
   */
  static void refuseInsideJoined(TxOptions inner, @Nullable String url) {
    PGConnection joined = OpenTransactions.joinedConnection();
    if (joined == null || (url != null && !url.equals(PgDriver.url(joined)))) {
      return;
    }
    throw new TransactionException(
        FailureKind.MISUSE,
        "path '"
            + inner.path()
            + "' inside a transaction that was joined on this thread would take a second"
            + " connection. Pass the joined Tx along, or say nesting(INDEPENDENT)",
        null);
  }

  private static void requireCompatible(OwnedTx outer, TxOptions inner) {
    TxOptions begun = outer.options();
    if (inner.isolation().isPresent() && !inner.isolation().equals(begun.isolation())) {
      throw refused(
          outer,
          inner,
          "asks for " + inner.isolation().get() + ", which the outer one has not set");
    }
    if (!inner.readOnly() && begun.readOnly()) {
      throw refused(outer, inner, "is not read-only, but the outer one is");
    }
    if (!begun.settings().entrySet().containsAll(inner.settings().entrySet())) {
      throw refused(
          outer, inner, "asks for settings " + inner.settings().keySet() + ", set them outside");
    }
    if (inner.resolveOutcome().isPresent() && begun.resolveOutcome().isEmpty()) {
      throw refused(outer, inner, "asks for resolveOutcome, which the outer one alone can do");
    }
    if (inner.lockTimeout().isPresent() && !inner.lockTimeout().equals(begun.lockTimeout())) {
      throw refused(outer, inner, "asks for another lockTimeout than the outer one");
    }
  }

  private static TransactionException refused(OwnedTx outer, TxOptions inner, String why) {
    return new TransactionException(
        FailureKind.MISUSE,
        "path '"
            + inner.path()
            + "' inside the open transaction of path '"
            + outer.path()
            + "' "
            + why,
        null);
  }
}
