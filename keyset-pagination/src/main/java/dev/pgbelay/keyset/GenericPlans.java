package dev.pgbelay.keyset;

import dev.pgbelay.core.Tx;
import dev.pgbelay.keyset.PageStatement.Limits;
import dev.pgbelay.keyset.PageStatement.Slot;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import org.jooq.exception.DataAccessException;

/**
 * Plans of a query's statements that hold for any position: prepared by name, explained with NULL
 * for every key. The query's own filters are written out, because a partial index serves only a
 * value that the planner sees.
 */
final class GenericPlans {
  private static final String NAME = "pgbelay_keyset_check";
  private static final Limits PAGE = new Limits(21, 11, 1_000);

  private final Tx tx;
  private final KeysetQuery<?> query;

  GenericPlans(Tx tx, KeysetQuery<?> query) {
    this.tx = tx;
    this.query = query;
  }

  PlanNode base() {
    return explain(query.prepared().baseStatement());
  }

  PlanNode shape(PageShape shape) {
    return explain(query.prepared().statement(shape));
  }

  private PlanNode explain(PageStatement statement) {
    int[] parameters = new int[1];
    String text = statement.text(PAGE, slot -> literal(slot, parameters));
    try (Statement session = tx.connection().createStatement()) {
      session.execute(CheckSql.prepare(NAME, text));
      try (ResultSet plan = session.executeQuery(CheckSql.explainExecute(NAME, parameters[0]))) {
        StringBuilder json = new StringBuilder();
        while (plan.next()) {
          json.append(plan.getString(1));
        }
        return PlanNode.parse(json.toString());
      } finally {
        session.execute(CheckSql.deallocate(NAME));
      }
    } catch (SQLException e) {
      throw new DataAccessException(
          "the database cannot plan query '" + query.name() + "': " + e.getMessage(), e);
    }
  }

  private String literal(Slot slot, int[] parameters) {
    if (slot instanceof PageStatement.KeySlot || slot instanceof PageStatement.LeadArraySlot) {
      parameters[0]++;
      return "$" + parameters[0];
    } else if (slot instanceof PageStatement.FilterSlot filter) {
      return query.filters().literal(filter.param());
    }
    throw new IllegalArgumentException("limits are numbers already");
  }
}
