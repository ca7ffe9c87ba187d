package dev.pgbelay.core;

import java.sql.Savepoint;

/** Whose transaction it is that a {@link GuardedConnection} works in. */
interface ConnectionOwner extends Tx {
  String path();

  TransactionWatch watch();

  default void savepointSet(Savepoint savepoint) {}

  default void savepointReleased(Savepoint savepoint) {}

  default void rolledBackTo(Savepoint savepoint) {}
}
