package dev.pgbelay.examples.architecture;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.source.util.TreePath;
import com.tngtech.archunit.core.domain.AccessTarget.CodeUnitAccessTarget;
import com.tngtech.archunit.core.domain.JavaAccess;
import com.tngtech.archunit.core.domain.JavaClasses;
import dev.pgbelay.examples.architecture.fixture.SendsText;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.jooq.PlainSQL;
import org.junit.jupiter.api.Test;

/**
 * Text becomes SQL only where it comes from a class named {@code …Sql} or was rendered by jOOQ.
 * Whatever takes SQL text (JDBC, the driver's COPY, jOOQ's plain SQL) is found in the compiled
 * classes; the argument is then followed in the sources. A method that passes a parameter on takes
 * SQL text itself, and its callers are asked in turn. Held for every module that goes into
 * production; {@code testing} keeps its texts in such classes too ({@link SqlTextsTest}), but may
 * put them together from what a test says; examples and benchmarks show naive code and are left
 * out.
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

  /** Something that takes SQL text at this place of its arguments. */
  private record Sink(String owner, String name, int index, int count) {
    boolean isTargetOf(JavaAccess<?> access) {
      return access.getTarget() instanceof CodeUnitAccessTarget target
          && target.getName().equals(name)
          && target.getOwner().getName().equals(owner)
          && target.getRawParameterTypes().size() == count;
    }
  }

  private static boolean takesSqlText(JavaAccess<?> access) {
    if (!(access.getTarget() instanceof CodeUnitAccessTarget target)
        || target.getRawParameterTypes().isEmpty()
        || !target.getRawParameterTypes().get(0).isEquivalentTo(String.class)) {
      return false;
    }
    return target.isAnnotatedWith(PlainSQL.class)
        || TAKES_SQL.entrySet().stream()
            .anyMatch(
                type ->
                    type.getValue().contains(target.getName())
                        && target.getOwner().isAssignableTo(type.getKey()));
  }

  private static List<String> sqlOfUnknownOrigin(JavaClasses classes, CallSites sources) {
    List<String> unknown = new ArrayList<>();
    Set<Sink> asked = new HashSet<>();
    Deque<Sink> toAsk = new ArrayDeque<>();
    Consumer<JavaAccess<?>> first = access -> follow(access, 0, sources, toAsk, unknown);
    accesses(classes).filter(SqlCallsTest::takesSqlText).forEach(first);
    while (!toAsk.isEmpty()) {
      Sink sink = toAsk.remove();
      if (asked.add(sink)) {
        accesses(classes)
            .filter(sink::isTargetOf)
            .forEach(access -> follow(access, sink.index(), sources, toAsk, unknown));
      }
    }
    return unknown.stream().distinct().sorted().toList();
  }

  private static Stream<JavaAccess<?>> accesses(JavaClasses classes) {
    return classes.stream()
        .filter(type -> !ClockTest.topLevel(type).getSimpleName().endsWith("Sql"))
        .flatMap(type -> type.getAccessesFromSelf().stream());
  }

  private static void follow(
      JavaAccess<?> access, int index, CallSites sources, Deque<Sink> toAsk, List<String> unknown) {
    List<TreePath> sites = sources.of(access);
    List<Optional<Set<SqlOrigin.Parameter>>> origins =
        sites.stream().map(site -> SqlOrigin.ofArgument(site, index)).toList();
    if (origins.isEmpty() || origins.stream().anyMatch(Optional::isEmpty)) {
      unknown.add(access.getDescription());
    }
    String owner = access.getOriginOwner().getName();
    origins.stream()
        .flatMap(Optional::stream)
        .flatMap(Set::stream)
        .map(from -> new Sink(owner, from.method(), from.index(), from.count()))
        .forEach(toAsk::add);
  }

  @Test
  void sqlText_comesFromClassesNamedSqlOrFromJooq() {
    List<Path> sources = new ArrayList<>();
    MainClasses.productionModules().forEach(module -> sources.addAll(module.mainSourceFiles()));
    assertThat(sqlOfUnknownOrigin(MainClasses.forProduction(), new CallSites(sources)))
        .as("calls that take SQL text which neither a class named …Sql nor jOOQ made")
        .isEmpty();
  }

  @Test
  void textOfAnotherOrigin_isRefused() {
    Path fixture =
        MainClasses.REACTOR
            .module("examples")
            .dir()
            .resolve("src/test/java/dev/pgbelay/examples/architecture/fixture/SendsText.java");
    List<String> unknown =
        sqlOfUnknownOrigin(MainClasses.fixture(SendsText.class), new CallSites(List.of(fixture)));
    assertThat(unknown)
        .extracting(call -> call.replaceFirst(".*?SendsText\\.(\\w+)\\(.*", "$1"))
        .containsExactlyInAnyOrder(
            "statement",
            "prepared",
            "variable",
            "condition",
            "field",
            "fetch",
            "where",
            "reference",
            "callerOfPassedOn",
            "lambda");
  }
}
