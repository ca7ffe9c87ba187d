package dev.pgbelay.examples.architecture;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.examples.architecture.fixture.CarriesSql;
import dev.pgbelay.examples.architecture.fixture.CarriesText;
import dev.pgbelay.examples.architecture.fixture.SendsText;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
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
  @Test
  void sqlText_comesFromClassesNamedSqlOrFromJooq() {
    List<Path> sources = new ArrayList<>();
    MainClasses.productionModules().forEach(module -> sources.addAll(module.mainSourceFiles()));
    assertThat(new SqlFlow(MainClasses.forProduction(), sources).ofUnknownOrigin())
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
    Collection<String> unknown =
        new SqlFlow(
                MainClasses.fixture(
                    SendsText.class,
                    CarriesText.class,
                    CarriesSql.class,
                    CarriesSql.Statement.class),
                List.of(fixture))
            .ofUnknownOrigin();
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
            "maker",
            "foreignCarrier",
            "lambda");
  }
}
