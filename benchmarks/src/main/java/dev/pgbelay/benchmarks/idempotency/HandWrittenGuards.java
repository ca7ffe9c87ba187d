package dev.pgbelay.benchmarks.idempotency;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.Arrays;
import javax.sql.DataSource;

/** What one writes without a library; plain JDBC. */
final class HandWrittenGuards {
  /** In the middle of a call, where somebody else is asked: nothing by default. */
  interface Provider {
    void charge(Request request) throws Exception;
  }

  private HandWrittenGuards() {}

  /** No guard at all. */
  static Guard bare(DataSource pool) {
    return request -> {
      try (Connection connection = pool.getConnection()) {
        charge(connection, request);
      }
      return Guard.Done.EXECUTED;
    };
  }

  static Guard oneStatement(DataSource pool) {
    return request -> {
      byte[] hash = request.hash();
      try (Connection connection = pool.getConnection()) {
        try (PreparedStatement call = connection.prepareStatement(GuardSql.CLAIM_AND_CHARGE)) {
          call.setString(1, request.key());
          call.setBytes(2, hash);
          call.setString(3, request.response());
          call.setLong(4, request.account());
          call.setLong(5, request.amount());
          if (call.executeUpdate() == 1) {
            return Guard.Done.EXECUTED;
          }
        }
        return find(connection, request, hash);
      }
    };
  }

  static Guard twoStatements(DataSource pool) {
    return request -> {
      byte[] hash = request.hash();
      return inTransaction(
          pool,
          connection -> {
            try (PreparedStatement claim =
                connection.prepareStatement(GuardSql.CLAIM_WITH_RESPONSE)) {
              claim.setString(1, request.key());
              claim.setBytes(2, hash);
              claim.setString(3, request.response());
              if (claim.executeUpdate() == 0) {
                return find(connection, request, hash);
              }
            }
            charge(connection, request);
            return Guard.Done.EXECUTED;
          });
    };
  }

  /**
   * @param during the operation, with the transaction open
   */
  static Guard threeStatements(DataSource pool, Provider during) {
    return request -> {
      byte[] hash = request.hash();
      return inTransaction(
          pool,
          connection -> {
            if (!claim(connection, request, hash)) {
              return find(connection, request, hash);
            }
            charge(connection, request);
            during.charge(request);
            complete(connection, request);
            return Guard.Done.EXECUTED;
          });
    };
  }

  /** Looks first. Two at a time both find nothing; the later one fails at the primary key. */
  static Guard naive(DataSource pool) {
    return request -> {
      byte[] hash = request.hash();
      return inTransaction(
          pool,
          connection -> {
            Guard.Done found = find(connection, request, hash);
            if (found != Guard.Done.EXECUTED) {
              return found;
            }
            claim(connection, request, hash);
            charge(connection, request);
            complete(connection, request);
            return Guard.Done.EXECUTED;
          });
    };
  }

  /** The claim is committed before the provider is asked, with no transaction open meanwhile. */
  static Guard twoTransactions(DataSource pool, Provider provider) {
    return request -> {
      byte[] hash = request.hash();
      Guard.Done claimed =
          inTransaction(
              pool,
              connection ->
                  claim(connection, request, hash)
                      ? Guard.Done.EXECUTED
                      : find(connection, request, hash));
      if (claimed != Guard.Done.EXECUTED) {
        return claimed;
      }
      provider.charge(request);
      return inTransaction(
          pool,
          connection -> {
            charge(connection, request);
            complete(connection, request);
            return Guard.Done.EXECUTED;
          });
    };
  }

  /** The least that a replay from the database can be. */
  static Guard keyedRead(DataSource pool) {
    return request -> {
      byte[] hash = request.hash();
      try (Connection connection = pool.getConnection()) {
        return find(connection, request, hash);
      }
    };
  }

  static void charge(Connection connection, Request request) throws SQLException {
    try (PreparedStatement charge = connection.prepareStatement(GuardSql.CHARGE)) {
      charge.setLong(1, request.account());
      charge.setLong(2, request.amount());
      charge.executeUpdate();
    }
  }

  private static boolean claim(Connection connection, Request request, byte[] hash)
      throws SQLException {
    try (PreparedStatement claim = connection.prepareStatement(GuardSql.CLAIM)) {
      claim.setString(1, request.key());
      claim.setBytes(2, hash);
      return claim.executeUpdate() == 1;
    }
  }

  private static void complete(Connection connection, Request request) throws SQLException {
    try (PreparedStatement complete = connection.prepareStatement(GuardSql.COMPLETE)) {
      complete.setString(1, request.response());
      complete.setString(2, request.key());
      complete.executeUpdate();
    }
  }

  /** {@code EXECUTED} where there is no such key. */
  private static Guard.Done find(Connection connection, Request request, byte[] hash)
      throws SQLException {
    try (PreparedStatement find = connection.prepareStatement(GuardSql.FIND)) {
      find.setString(1, request.key());
      try (ResultSet row = find.executeQuery()) {
        if (!row.next()) {
          return Guard.Done.EXECUTED;
        }
        if (!Arrays.equals(row.getBytes(1), hash)) {
          throw new IllegalStateException("the key was used for another request");
        }
        if (!"done".equals(row.getString(2))) {
          return Guard.Done.RUNNING;
        }
        if (!request.response().equals(row.getString(3))) {
          throw new IllegalStateException("the response is another one: " + row.getString(3));
        }
        return Guard.Done.REPLAYED;
      }
    }
  }

  /** What a transaction does with its connection. */
  private interface Body {
    Guard.Done run(Connection connection) throws Exception;
  }

  private static Guard.Done inTransaction(DataSource pool, Body body) throws Exception {
    try (Connection connection = pool.getConnection()) {
      connection.setAutoCommit(false);
      try {
        Guard.Done done = body.run(connection);
        connection.commit();
        return done;
      } catch (Exception e) {
        connection.rollback();
        throw e;
      }
    }
  }
}
