package dev.pgbelay.examples.architecture;

import com.sun.source.util.TreePath;
import com.tngtech.archunit.core.domain.AccessTarget.CodeUnitAccessTarget;
import com.tngtech.archunit.core.domain.JavaAccess;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Collection;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.jooq.PlainSQL;

/**
 * Asks every call that takes SQL text where the text comes from, and then those who passed it on.
 */
final class SqlFlow {
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

  private final JavaClasses classes;
  private final CallSites sources;
  private final Deque<Sink> toAsk = new ArrayDeque<>();
  private final Set<String> unknown = new TreeSet<>();

  SqlFlow(JavaClasses classes, Collection<Path> sources) {
    this.classes = classes;
    this.sources = new CallSites(sources);
  }

  /** Calls whose text comes from somewhere else than a class named {@code …Sql} or jOOQ. */
  Collection<String> ofUnknownOrigin() {
    Set<Sink> asked = new HashSet<>();
    accesses().filter(SqlFlow::takesSqlText).forEach(access -> ask(access, 0));
    while (!toAsk.isEmpty()) {
      Sink sink = toAsk.remove();
      if (asked.add(sink)) {
        accesses().filter(sink::isTargetOf).forEach(access -> ask(access, sink.index()));
      }
    }
    return unknown;
  }

  private Stream<JavaAccess<?>> accesses() {
    return classes.stream()
        .filter(type -> !isSqlClass(type))
        .flatMap(type -> type.getAccessesFromSelf().stream());
  }

  private static boolean isSqlClass(JavaClass type) {
    return ClockTest.topLevel(type).getSimpleName().endsWith("Sql");
  }

  private void ask(JavaAccess<?> access, int index) {
    List<TreePath> sites = sources.of(access);
    if (sites.isEmpty()) {
      unknown.add(access.getDescription());
    }
    String owner = access.getOriginOwner().getName();
    for (TreePath site : sites) {
      Optional<SqlOrigin.Conditions> origin = SqlOrigin.ofArgument(site, index);
      if (origin.isEmpty()) {
        unknown.add(access.getDescription());
        continue;
      }
      for (SqlOrigin.Parameter from : origin.get().parameters()) {
        toAsk.add(new Sink(owner, from.method(), from.index(), from.count()));
      }
      for (String carrier : origin.get().carriers()) {
        askMakers(carrier, access);
      }
    }
  }

  /** An object that carries SQL text is as fit as those who make it. */
  private void askMakers(String carrier, JavaAccess<?> access) {
    String name = carrier.replace('.', '$');
    List<JavaClass> types =
        classes.stream()
            .filter(type -> type.getName().matches(".*[.$]\\Q" + name + "\\E"))
            .toList();
    if (types.isEmpty()) {
      unknown.add(access.getDescription());
    }
    types.stream()
        .flatMap(type -> type.getConstructorCallsToSelf().stream())
        .filter(made -> !isSqlClass(made.getOriginOwner()))
        .forEach(made -> unknown.add(made.getDescription()));
  }
}
