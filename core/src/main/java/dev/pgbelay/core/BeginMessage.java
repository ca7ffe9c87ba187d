package dev.pgbelay.core;

import dev.pgbelay.core.OutcomeResolver.Ticket;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a transaction is told at its beginning: its pieces go out together or, with nothing to say,
 * not at all.
 */
final class BeginMessage {
  private final TxOptions options;
  private final boolean assignTransactionId;
  private final List<String> binds = new ArrayList<>();

  BeginMessage(TxOptions options, boolean assignTransactionId) {
    this.options = options;
    this.assignTransactionId = assignTransactionId;
    options.settings().forEach(this::setting);
  }

  void setting(String name, String value) {
    binds.add(name);
    binds.add(value);
  }

  @Nullable Ticket send(Connection connection) throws SQLException {
    String sql = TransactionSql.begin(options, binds.size() / 2, assignTransactionId);
    if (sql.isEmpty()) {
      return null;
    }
    try (PreparedStatement begin = connection.prepareStatement(sql)) {
      for (int i = 0; i < binds.size(); i++) {
        begin.setString(i + 1, binds.get(i));
      }
      boolean rows = begin.execute();
      return assignTransactionId ? ticket(begin, rows) : null;
    }
  }

  /** The settings answer first, if there are any, with as many columns as they are. */
  private Ticket ticket(PreparedStatement begin, boolean first) throws SQLException {
    int before = binds.isEmpty() ? 0 : 1;
    boolean rows = first;
    while (rows || begin.getUpdateCount() != -1) {
      if (rows && before-- == 0) {
        return read(begin);
      }
      rows = begin.getMoreResults();
    }
    throw new SQLException("the server did not tell the transaction's id");
  }

  private static Ticket read(PreparedStatement begin) throws SQLException {
    try (ResultSet row = begin.getResultSet()) {
      row.next();
      return new Ticket(row.getString(1), row.getLong(2), row.getString(3), row.getString(4));
    }
  }
}
