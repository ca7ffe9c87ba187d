package dev.pgbelay.idempotency.payment;

import dev.pgbelay.core.internal.Fence;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Types;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/** Binds one parameter after the other. */
final class Binding {
  private final PreparedStatement statement;
  private int next;

  Binding(PreparedStatement statement, int first) {
    this.statement = statement;
    this.next = first;
  }

  int next() {
    return next;
  }

  void text(@Nullable String value) throws SQLException {
    statement.setString(next++, value);
  }

  void number(long value) throws SQLException {
    statement.setLong(next++, value);
  }

  void number(int value) throws SQLException {
    statement.setInt(next++, value);
  }

  void bytes(byte @Nullable [] value) throws SQLException {
    statement.setBytes(next++, value);
  }

  void millis(@Nullable Duration value) throws SQLException {
    if (value == null) {
      statement.setNull(next++, Types.BIGINT);
    } else {
      statement.setLong(next++, value.toMillis());
    }
  }

  void fence(Fence fence) throws SQLException {
    next = fence.bind(statement, next);
  }

  /** Steps, results, and who is asked. */
  void progress(Progress progress) throws SQLException {
    Connection connection = statement.getConnection();
    statement.setArray(next++, connection.createArrayOf("text", progress.done().toArray()));
    statement.setArray(
        next++, connection.createArrayOf("bytea", progress.results().toArray(byte[][]::new)));
    text(progress.asked());
  }
}
