package dev.pgbelay.keyset;

import dev.pgbelay.keyset.PageStatement.Limits;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jooq.ConnectionProvider;
import org.jooq.DSLContext;
import org.jooq.exception.DataAccessException;

/** Asks the planner about a query's statements with the values they would run with. */
final class Explain {
  private static final Pattern PLAN_ROWS = Pattern.compile("\"Plan Rows\": *(\\d+)");

  private final PreparedQuery<?> query;
  private final FilterValues filters;

  Explain(PreparedQuery<?> query, FilterValues filters) {
    this.query = query;
    this.filters = filters;
  }

  /** How many rows the planner expects of the whole query. */
  long rows(DSLContext dsl) {
    String plan = plan(dsl, query.baseStatement(), new Limits(0, 0, 0), Boundary.NONE);
    Matcher rows = PLAN_ROWS.matcher(plan);
    if (!rows.find()) {
      throw new DataAccessException(
          "EXPLAIN of query '" + query.name() + "' did not say how many rows it expects");
    }
    return Long.parseLong(rows.group(1));
  }

  /** The plan as JSON. */
  String plan(DSLContext dsl, PageStatement statement, Limits limits, Boundary boundary) {
    ConnectionProvider provider = dsl.configuration().connectionProvider();
    Connection connection = provider.acquire();
    if (connection == null) {
      throw new DataAccessException(
          "query '" + query.name() + "': the DSLContext has no connection to explain with");
    }
    try (PreparedStatement explain =
        connection.prepareStatement(ExplainSql.explain(statement.text(limits)))) {
      query.reader().bind(explain, statement.bound(), boundary, filters);
      try (ResultSet plan = explain.executeQuery()) {
        StringBuilder json = new StringBuilder();
        while (plan.next()) {
          json.append(plan.getString(1));
        }
        return json.toString();
      }
    } catch (SQLException e) {
      throw new DataAccessException("EXPLAIN of query '" + query.name() + "' failed", e);
    } finally {
      provider.release(connection);
    }
  }
}
