package dev.pgbelay.core;

import java.sql.PreparedStatement;
import java.sql.SQLException;
import org.jspecify.annotations.Nullable;

/** A transaction of one statement, before it is known how it is sent. */
final class LoneStatement<T extends @Nullable Object> {
  private final String sql;
  private final TxWork.Binding binding;
  private final TxWork.Reading<T> reading;

  LoneStatement(String sql, TxWork.Binding binding, TxWork.Reading<T> reading) {
    this.sql = sql;
    this.binding = binding;
    this.reading = reading;
  }

  String sql() {
    return sql;
  }

  TxWork.Binding binding() {
    return binding;
  }

  TxWork.Reading<T> reading() {
    return reading;
  }

  /** Whether the options ask for nothing that needs a message of its own. */
  static boolean suits(TxOptions options) {
    return options.isolation().isEmpty()
        && !options.readOnly()
        && options.settings().isEmpty()
        && options.deadline().isEmpty()
        && options.lockTimeout().isEmpty()
        && options.resolveOutcome().isEmpty();
  }

  T runIn(Tx tx) throws SQLException {
    try (PreparedStatement statement = tx.connection().prepareStatement(sql)) {
      binding.bind(statement);
      statement.execute();
      return reading.read(statement);
    }
  }
}
