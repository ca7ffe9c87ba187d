package dev.pgbelay.examples.architecture;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.tngtech.archunit.lang.ArchRule;
import dev.pgbelay.examples.architecture.Reactor.Dependency;
import dev.pgbelay.examples.architecture.Reactor.Module;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/**
 * What users run in production does not carry libraries that are for tests. {@code testing} is for
 * tests: it may use JUnit's API, the embedded server and Testcontainers, but not the assertion
 * libraries, which are its users' choice.
 */
class TestLibrariesTest {
  private static final String[] ASSERTIONS = {
    "org.assertj..", "org.awaitility..", "org.hamcrest..", "org.mockito..", "com.tngtech.archunit.."
  };
  private static final String[] SERVERS_AND_JUNIT = {
    "org.junit..",
    "org.opentest4j..",
    "io.zonky..",
    "org.testcontainers..",
    "net.ttddyy..",
    "dev.pgbelay.testing.."
  };
  private static final Set<String> GROUPS =
      Set.of(
          "org.junit.jupiter",
          "org.junit.platform",
          "org.assertj",
          "org.awaitility",
          "org.mockito",
          "com.tngtech.archunit",
          "io.zonky.test",
          "org.testcontainers",
          "net.ttddyy");

  private static final ArchRule NO_ASSERTIONS =
      noClasses()
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage(ASSERTIONS)
          .because("main code of a published module does not assert with a test library");

  private static final ArchRule NO_TEST_LIBRARIES =
      noClasses()
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage(SERVERS_AND_JUNIT)
          .because("only testing brings a server and JUnit, and only tests bring testing");

  @Test
  void publishedModules_doNotDependOnAssertionLibraries() {
    NO_ASSERTIONS.check(MainClasses.of(MainClasses.REACTOR.published()));
  }

  @Test
  void productionModules_doNotDependOnTestLibraries() {
    NO_TEST_LIBRARIES.check(MainClasses.forProduction());
  }

  @Test
  void productionModules_doNotNameTestLibrariesInTheirPoms() {
    for (Module module : MainClasses.productionModules()) {
      assertThat(module.dependencies())
          .as("pom of " + module.name())
          .filteredOn(dependency -> !dependency.isOfTests())
          .filteredOn(
              dependency ->
                  GROUPS.contains(dependency.groupId())
                      || dependency.artifactId().equals("pgbelay-testing"))
          .extracting(Dependency::artifactId)
          .isEmpty();
    }
  }

  /** An assertion in main code. */
  static class AssertingFixture {
    void assertsSomething() {
      assertThat(List.of()).isEmpty();
    }
  }

  /** JUnit in main code. */
  static class JUnitFixture {
    Class<?> annotation() {
      return org.junit.jupiter.api.extension.Extension.class;
    }
  }

  @Test
  void testLibraryInMainCode_isRefused() {
    assertThatThrownBy(() -> NO_ASSERTIONS.check(MainClasses.fixture(AssertingFixture.class)))
        .isInstanceOf(AssertionError.class)
        .hasMessageContaining("AssertingFixture.assertsSomething()");
    assertThatThrownBy(() -> NO_TEST_LIBRARIES.check(MainClasses.fixture(JUnitFixture.class)))
        .isInstanceOf(AssertionError.class)
        .hasMessageContaining("JUnitFixture.annotation()");
  }
}
