package dev.pgbelay.idempotency;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.observe.StatementEvent;
import dev.pgbelay.core.observe.StatementObserver;
import dev.pgbelay.core.observe.TransactionEvent;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.sql.DataSource;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;

/**
 * How the server carries out the statements that went by, in a database that has no statistics; as
 * a driver's prepared statements are planned in the end: without their values.
 */
public final class Plans implements StatementObserver {
  private final Set<String> seen = Collections.synchronizedSet(new LinkedHashSet<>());

  @Override
  public void executed(StatementEvent event) {
    for (String statement : event.sql().split(";\n", -1)) {
      seen.add(statement);
    }
  }

  @Override
  public void ended(TransactionEvent event) {}

  /** Nothing that went by is known any more. */
  public void forget() {
    seen.clear();
  }

  /** What went by that reads a table or writes rows that are there. */
  public List<String> about(String table) {
    synchronized (seen) {
      return seen.stream()
          .filter(sql -> sql.contains("\"" + table + "\""))
          .filter(
              sql -> Stream.of("select", "update", "delete", "with").anyMatch(first(sql)::equals))
          .toList();
    }
  }

  private static String first(String sql) {
    return sql.strip().split("\\s", 2)[0].toLowerCase(java.util.Locale.ROOT);
  }

  /** No autovacuum comes between; what the planner knows is the size of the file. */
  public static void withoutStatistics(DataSource dataSource, String table) {
    DSLContext dsl = DSL.using(dataSource, SQLDialect.POSTGRES);
    dsl.execute("alter table pgbelay." + table + " set (autovacuum_enabled = false)");
    assertNone(dsl, table);
  }

  /** There still are none. */
  public static void assertNone(DSLContext dsl, String table) {
    assertThat(
            dsl.fetchSingle("select count(*) from pg_stats where tablename = ?", table)
                .get(0, Long.class))
        .as("columns with statistics")
        .isZero();
  }

  /** The lines about a table and its indexes. */
  public static List<String> of(DataSource dataSource, String table, String statement)
      throws SQLException {
    AtomicInteger values = new AtomicInteger();
    String numbered =
        Pattern.compile("\\?")
            .matcher(statement)
            .replaceAll(any -> Matcher.quoteReplacement("$" + values.incrementAndGet()));
    String nulls =
        values.get() == 0
            ? ""
            : "(" + String.join(", ", Collections.nCopies(values.get(), "NULL")) + ")";
    StringBuilder plan = new StringBuilder();
    try (Connection connection = dataSource.getConnection();
        Statement session = connection.createStatement()) {
      connection.setAutoCommit(false);
      session.execute("set local plan_cache_mode = force_generic_plan");
      session.execute("prepare explained as " + numbered);
      try (ResultSet lines = session.executeQuery("explain execute explained" + nulls)) {
        while (lines.next()) {
          plan.append(lines.getString(1)).append('\n');
        }
      }
      session.execute("deallocate explained");
      connection.rollback();
    }
    return plan.toString()
        .lines()
        .filter(line -> line.contains(" on " + table) || line.contains(table + "_"))
        .map(String::strip)
        .toList();
  }
}
