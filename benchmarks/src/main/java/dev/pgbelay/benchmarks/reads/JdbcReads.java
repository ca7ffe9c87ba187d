package dev.pgbelay.benchmarks.reads;

import dev.pgbelay.benchmarks.reads.ListPage.Customer;
import dev.pgbelay.benchmarks.reads.ListPage.Line;
import java.sql.Array;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.postgresql.PGConnection;

/** By hand: two statements, or one for each row. */
final class JdbcReads {
  static final int LINES_SHOWN = 3;

  private JdbcReads() {}

  static ListPage arrayAndLateral(Connection connection, ListPage.Request request)
      throws SQLException {
    Map<Long, Customer> customers = new HashMap<>();
    try (PreparedStatement statement = connection.prepareStatement(ListSql.CUSTOMERS)) {
      statement.setArray(1, array(connection, request.customers()));
      try (ResultSet rows = statement.executeQuery()) {
        while (rows.next()) {
          Customer customer = customer(rows);
          customers.put(customer.id(), customer);
        }
      }
    }
    Map<Long, List<Line>> lines = new HashMap<>();
    try (PreparedStatement statement = connection.prepareStatement(ListSql.LINES_OF_ALL)) {
      statement.setArray(1, array(connection, request.orders()));
      try (ResultSet rows = statement.executeQuery()) {
        while (rows.next()) {
          lines
              .computeIfAbsent(rows.getLong(1), order -> new ArrayList<>())
              .add(new Line(rows.getInt(2), rows.getString(3), rows.getInt(4)));
        }
      }
    }
    return new ListPage(customers, lines);
  }

  static ListPage rowByRow(Connection connection, ListPage.Request request) throws SQLException {
    Map<Long, Customer> customers = new HashMap<>();
    Map<Long, List<Line>> lines = new HashMap<>();
    try (PreparedStatement one = connection.prepareStatement(ListSql.CUSTOMER);
        PreparedStatement some = connection.prepareStatement(ListSql.LINES)) {
      for (int i = 0; i < request.orders().size(); i++) {
        one.setLong(1, request.customers().get(i));
        try (ResultSet rows = one.executeQuery()) {
          if (rows.next()) {
            Customer customer = customer(rows);
            customers.put(customer.id(), customer);
          }
        }
        List<Line> under = new ArrayList<>();
        some.setLong(1, request.orders().get(i));
        some.setInt(2, LINES_SHOWN);
        try (ResultSet rows = some.executeQuery()) {
          while (rows.next()) {
            under.add(new Line(rows.getInt(1), rows.getString(2), rows.getInt(3)));
          }
        }
        lines.put(request.orders().get(i), under);
      }
    }
    return new ListPage(customers, lines);
  }

  private static Customer customer(ResultSet rows) throws SQLException {
    return new Customer(rows.getLong(1), rows.getString(2), rows.getString(3));
  }

  private static Array array(Connection connection, List<Long> ids) throws SQLException {
    long[] values = ids.stream().mapToLong(Long::longValue).toArray();
    return connection.unwrap(PGConnection.class).createArrayOf("int8", values);
  }
}
