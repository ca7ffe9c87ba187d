package dev.pgbelay.core.internal;

import dev.pgbelay.core.PgBelayException;
import java.sql.Array;
import java.sql.BatchUpdateException;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;
import org.postgresql.PGStatement;
import org.postgresql.core.BaseConnection;
import org.postgresql.jdbc.PgArray;
import org.postgresql.jdbc.PgResultSet;
import org.postgresql.jdbc.PreferQueryMode;
import org.postgresql.util.PSQLException;
import org.postgresql.util.ServerErrorMessage;

/**
 * The one place that reaches through pools and proxies to pgjdbc. Nothing here sends anything to
 * the server.
 *
 * <p>Keeps no state of its own: as safe for several threads as the connection asked about.
 */
public final class PgDriver {
  /** Where the driver stands between two statements, by the server's last ReadyForQuery. */
  public enum State {
    IDLE,
    OPEN,
    FAILED
  }

  private PgDriver() {}

  /**
   * The driver's connection behind {@code connection}.
   *
   * @throws PgBelayException if there is none, as with another driver or a proxy that hides it
   */
  public static PGConnection unwrap(Connection connection) throws SQLException {
    if (connection instanceof PGConnection driver) {
      return driver;
    }
    if (!connection.isWrapperFor(PGConnection.class)) {
      throw new PgBelayException(
          "connection of "
              + connection.getClass().getName()
              + " does not lead to org.postgresql.PGConnection; use the PostgreSQL JDBC driver, and"
              + " a pool or proxy whose unwrap() passes it on");
    }
    return connection.unwrap(PGConnection.class);
  }

  /**
   * The OID of a column's type, as the server said it with the result; of a domain, its base
   * type's.
   *
   * @param column counted from 1
   */
  public static int columnType(ResultSet rows, int column) throws SQLException {
    PgResultSet result =
        rows instanceof PgResultSet driver ? driver : rows.unwrap(PgResultSet.class);
    return result.getColumnOID(column);
  }

  /** Whether the driver has given the connection up, whatever a pool's proxy says of itself. */
  public static boolean isClosed(PGConnection driver) {
    try {
      return ((BaseConnection) driver).isClosed();
    } catch (SQLException e) {
      return true;
    }
  }

  public static State state(PGConnection driver) {
    return switch (((BaseConnection) driver).getTransactionState()) {
      case IDLE -> State.IDLE;
      case OPEN -> State.OPEN;
      case FAILED -> State.FAILED;
    };
  }

  /**
   * Whether the node is in recovery, as it last reported by itself (PostgreSQL 14 and later). Empty
   * where a pooler in between does not pass that on.
   */
  public static Optional<Boolean> isStandby(PGConnection driver) {
    String reported = driver.getParameterStatus("in_hot_standby");
    return reported == null ? Optional.empty() : Optional.of(reported.equals("on"));
  }

  public static @Nullable String url(PGConnection driver) {
    try {
      return ((BaseConnection) driver).getMetaData().getURL();
    } catch (SQLException closed) {
      return null;
    }
  }

  /** Whether statements travel with typed, binary parameters: not under preferQueryMode=simple. */
  public static boolean sendsBinary(PGConnection driver) {
    return driver.getPreferQueryMode() != PreferQueryMode.SIMPLE;
  }

  /** An array whose elements are already in the binary form of its type. */
  public static Array binaryArray(PGConnection driver, int arrayType, byte[] bytes)
      throws SQLException {
    return new PgArray((BaseConnection) driver, arrayType, bytes);
  }

  /**
   * Has the statement planned at each execution, for the tables as they are then: a plan that was
   * made while a queue was empty reads the whole of it once it is full.
   */
  public static void planEachTime(PreparedStatement statement) throws SQLException {
    statement.unwrap(PGStatement.class).setPrepareThreshold(0);
  }

  /**
   * Payloads of the notifications of one channel that have arrived, waiting for the first of them
   * for up to so long; the connection is one that listens, and cannot be used meanwhile.
   */
  public static List<String> notifications(PGConnection driver, String channel, Duration wait)
      throws SQLException {
    PGNotification[] arrived = driver.getNotifications((int) Math.max(1, wait.toMillis()));
    List<String> payloads = new ArrayList<>();
    if (arrived != null) {
      for (PGNotification one : arrived) {
        if (one.getName().equals(channel)) {
          payloads.add(one.getParameter());
        }
      }
    }
    return payloads;
  }

  /** Whether the server said no, in contrast to the driver before it sent anything. */
  public static boolean isFromServer(SQLException failure) {
    Throwable inBatch = failure instanceof BatchUpdateException ? failure.getCause() : failure;
    return inBatch instanceof PSQLException error && error.getServerErrorMessage() != null;
  }

  /** What the server itself said, without detail and hint, which hold values of rows. */
  public static String serverMessage(SQLException failure) {
    if (failure instanceof PSQLException error && error.getServerErrorMessage() != null) {
      String message = error.getServerErrorMessage().getMessage();
      return message == null ? "" : message;
    }
    return String.valueOf(failure.getMessage());
  }

  /**
   * What the server adds to its message: values of rows for a violation, process numbers for a
   * deadlock. Not for logs as it is.
   */
  public static Optional<String> detail(SQLException failure) {
    return failure instanceof PSQLException error && error.getServerErrorMessage() != null
        ? Optional.ofNullable(error.getServerErrorMessage().getDetail())
        : Optional.empty();
  }

  /**
   * What the server was at when it failed: names of tables, the inner statements of functions and
   * of checks. Not for logs as it is.
   */
  public static Optional<String> where(SQLException failure) {
    return failure instanceof PSQLException error && error.getServerErrorMessage() != null
        ? Optional.ofNullable(error.getServerErrorMessage().getWhere())
        : Optional.empty();
  }

  /** The name under which the driver made a savepoint on the server; it names unnamed ones too. */
  public static String name(Savepoint savepoint) throws SQLException {
    try {
      return savepoint.getSavepointName();
    } catch (SQLException unnamed) {
      return "JDBC_SAVEPOINT_" + savepoint.getSavepointId();
    }
  }

  /** The column that the server named in the error, if this is one and it did. */
  public static Optional<String> column(SQLException failure) {
    return failure instanceof PSQLException error && error.getServerErrorMessage() != null
        ? Optional.ofNullable(error.getServerErrorMessage().getColumn())
        : Optional.empty();
  }

  /** The constraint that the server named in the error, if this is one and it did. */
  public static Optional<String> constraint(Throwable failure) {
    if (failure instanceof PSQLException error) {
      ServerErrorMessage message = error.getServerErrorMessage();
      return message == null ? Optional.empty() : Optional.ofNullable(message.getConstraint());
    }
    return Optional.empty();
  }

  /** The major version that the server reported at the start of the session; 0 if it did not. */
  public static int serverMajor(PGConnection driver) {
    String reported = driver.getParameterStatus("server_version");
    if (reported == null) {
      return 0;
    }
    int end = 0;
    while (end < reported.length() && Character.isDigit(reported.charAt(end))) {
      end++;
    }
    return end == 0 ? 0 : Integer.parseInt(reported.substring(0, end));
  }
}
