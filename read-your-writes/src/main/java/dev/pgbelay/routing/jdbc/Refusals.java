package dev.pgbelay.routing.jdbc;

import java.sql.SQLException;
import java.sql.SQLFeatureNotSupportedException;

/** What users of a connection are told, and what to do next. */
final class Refusals {
  static final String READ_ONLY = "25006";
  private static final String NOT_SUPPORTED = "0A000";
  private static final String NO_TRANSACTION = "25P01";
  private static final String ACTIVE_TRANSACTION = "25001";

  private Refusals() {}

  /** As a conflict that changed nothing, and that is over when all is run again. */
  static SQLException elsewhere(OpenRoute route, String why) {
    return new SQLException(
        "the statement was made for node '"
            + route.lent().decision().node()
            + "', but "
            + why
            + ": nothing was run. Make it again, and it is routed anew",
        "40001");
  }

  static SQLException ofAnotherSession(OpenRoute route) {
    return new SQLException(
        "a transaction on replica '"
            + route.lent().decision().node()
            + "' was begun for another session than the one in scope now, and may not have what"
            + " that one wrote: open the scope before the transaction, or begin a transaction in"
            + " it",
        ACTIVE_TRANSACTION);
  }

  static SQLException readOnlyIsFixed(boolean inTransaction) {
    return new SQLException(
        inTransaction
            ? "read-only cannot be changed inside a transaction: end it first"
            : "read-only cannot be changed once the driver's connection was unwrapped, which leads"
                + " to one node: declare it before",
        ACTIVE_TRANSACTION);
  }

  static SQLException noTransaction(String operation) {
    return new SQLException(
        operation + "() while autocommit is on: there is no transaction", NO_TRANSACTION);
  }

  static SQLException doesNotStay(OpenRoute route, String setting) {
    return new SQLFeatureNotSupportedException(
        setting
            + " cannot be set on a connection to node '"
            + route.lent().decision().node()
            + "', which goes through a pooler: it would stay on a session of the server that others"
            + " get next. "
            + (setting.equals("schema")
                ? "Name the schema in statements, or in the role's search_path"
                : "Use ReadYourWrites with that isolation, or a pool that leads to the server"
                    + " itself"),
        NOT_SUPPORTED);
  }

  /** Where it was declared that nothing is written. */
  static SQLException writeWhereReadOnly(
      SQLException refused, OpenRoute route, DeclaredAt declaredAt) {
    return new SQLException(
        "node '"
            + route.lent().decision().node()
            + "' refused a write: the connection was declared read-only at "
            + declaredAt
            + ". Declare that work read-write, or keep the write out of it ("
            + refused.getMessage()
            + ")",
        READ_ONLY,
        refused);
  }
}
