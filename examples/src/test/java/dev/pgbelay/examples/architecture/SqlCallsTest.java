package dev.pgbelay.examples.architecture;

import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.AccessTarget.CodeUnitAccessTarget;
import com.tngtech.archunit.core.domain.JavaAccess;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import org.jooq.Condition;
import org.jooq.DSLContext;
import org.jooq.PlainSQL;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.Test;

/**
 * Text becomes SQL only in classes named {@code …Sql}: there static statements stand as text
 * blocks, and from there they are sent. Everybody else builds statements with jOOQ, from names and
 * values. Held for every module that goes into production. {@code testing} keeps its texts in such
 * classes too ({@link SqlTextsTest}) but sends them from where it stands; examples and benchmarks
 * show naive code and are left out.
 */
class SqlCallsTest {
  /** Type of the driver, JDBC or jOOQ → methods of it whose first argument is SQL text. */
  private static final Map<String, Set<String>> TAKES_SQL =
      Map.of(
          "java.sql.Connection", Set.of("prepareStatement", "prepareCall", "nativeSQL"),
          "java.sql.Statement",
              Set.of("execute", "executeQuery", "executeUpdate", "executeLargeUpdate", "addBatch"),
          "org.postgresql.copy.CopyManager", Set.of("copyIn", "copyOut"),
          "org.jooq.Context", Set.of("sql"),
          "org.jooq.Parser",
              Set.of(
                  "parse",
                  "parseQuery",
                  "parseSelect",
                  "parseResultQuery",
                  "parseStatement",
                  "parseCondition",
                  "parseField",
                  "parseTable",
                  "parseRow",
                  "parseSequence",
                  "parseName"));

  private static boolean takesSqlText(JavaAccess<?> access) {
    if (!(access.getTarget() instanceof CodeUnitAccessTarget target)) {
      return false;
    }
    if (target.isAnnotatedWith(PlainSQL.class)
        || target.resolveMember().filter(m -> m.isAnnotatedWith(PlainSQL.class)).isPresent()) {
      return true;
    }
    List<JavaClass> parameters = target.getRawParameterTypes();
    return !parameters.isEmpty()
        && parameters.get(0).isEquivalentTo(String.class)
        && TAKES_SQL.entrySet().stream()
            .anyMatch(
                type ->
                    type.getValue().contains(target.getName())
                        && target.getOwner().isAssignableTo(type.getKey()));
  }

  private static List<String> sqlCallsOutsideOfSqlClasses(JavaClasses classes) {
    return classes.stream()
        .filter(type -> !ClockTest.topLevel(type).getSimpleName().endsWith("Sql"))
        .flatMap(type -> type.getAccessesFromSelf().stream())
        .filter(SqlCallsTest::takesSqlText)
        .map(JavaAccess::getDescription)
        .sorted()
        .toList();
  }

  @Test
  void sqlText_isSentByClassesNamedSqlOnly() {
    assertThat(sqlCallsOutsideOfSqlClasses(MainClasses.forProduction()))
        .as("calls that take SQL text, outside of classes named …Sql")
        .isEmpty();
  }

  /** Ways to send text, and two that the rule allows. */
  static class SqlCallsFixture {
    void statement(Connection connection) throws SQLException {
      try (Statement statement = connection.createStatement()) {
        statement.executeUpdate("x");
      }
    }

    void prepared(org.postgresql.jdbc.PgConnection connection) throws SQLException {
      connection.prepareStatement("x").close();
    }

    Condition condition() {
      return DSL.condition("x");
    }

    Object field() {
      return DSL.field("x", Integer.class);
    }

    Object fetch(DSLContext dsl) {
      return dsl.fetch("x");
    }

    Object where(DSLContext dsl) {
      return dsl.selectOne().where("x");
    }

    Function<String, Condition> reference() {
      return DSL::condition;
    }

    void allowedPrepared(java.sql.PreparedStatement statement) throws SQLException {
      statement.executeUpdate();
    }

    Object allowedBuilder(DSLContext dsl) {
      return dsl.selectFrom(DSL.table(DSL.name("t"))).where(DSL.field(DSL.name("c")).isNull());
    }
  }

  @Test
  void everyWayToSendText_isRefused() {
    assertThat(sqlCallsOutsideOfSqlClasses(MainClasses.fixture(SqlCallsFixture.class)))
        .hasSize(7)
        .noneMatch(call -> call.contains(".allowed"));
  }

  /** The same in a class that is named for it. */
  static class FixtureSql {
    Condition condition() {
      return DSL.condition("x");
    }
  }

  @Test
  void nestedClassNamedSql_isNotEnough() {
    assertThat(sqlCallsOutsideOfSqlClasses(MainClasses.fixture(FixtureSql.class))).hasSize(1);
  }
}
