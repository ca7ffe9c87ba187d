package dev.pgbelay.examples.architecture;

import static com.tngtech.archunit.base.DescribedPredicate.describe;
import static com.tngtech.archunit.lang.conditions.ArchConditions.onlyDependOnClassesThat;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static java.util.stream.Collectors.toCollection;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.lang.ArchRule;
import dev.pgbelay.examples.architecture.Reactor.Module;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/**
 * Two storeys: {@code core} ← {@code keyset-pagination} ← {@code batching}, above them the six
 * others, which may use the ground floor but never each other; {@code testing} stands on {@code
 * core} alone; an integration uses the patterns it connects. Modules that do not exist yet are
 * written down already, so that they are held from their first class on.
 */
class ModuleArrowsTest {
  private static final Set<String> GROUND_FLOOR = Set.of("core", "keyset-pagination", "batching");

  /** Module as the parent names it → the segment after {@code dev.pgbelay} that is its own. */
  private static final Map<String, String> SEGMENTS =
      Map.ofEntries(
          Map.entry("core", "core"),
          Map.entry("testing", "testing"),
          Map.entry("keyset-pagination", "keyset"),
          Map.entry("batching", "batch"),
          Map.entry("ordered-locking", "lock"),
          Map.entry("job-queue", "jobqueue"),
          Map.entry("idempotency", "idempotency"),
          Map.entry("outbox", "outbox"),
          Map.entry("read-your-writes", "routing"),
          Map.entry("reconciliation", "reconcile"),
          Map.entry("integrations/kafka", "kafka"),
          Map.entry("integrations/servlet", "servlet"),
          Map.entry("integrations/reconcile-cli", "reconcilecli"));

  private static final Map<String, Set<String>> MAY_USE =
      Map.ofEntries(
          Map.entry("core", Set.of()),
          Map.entry("testing", Set.of("core")),
          Map.entry("keyset-pagination", Set.of("core")),
          Map.entry("batching", Set.of("core", "keyset-pagination")),
          Map.entry("ordered-locking", GROUND_FLOOR),
          Map.entry("job-queue", GROUND_FLOOR),
          Map.entry("idempotency", GROUND_FLOOR),
          Map.entry("outbox", GROUND_FLOOR),
          Map.entry("read-your-writes", GROUND_FLOOR),
          Map.entry("reconciliation", GROUND_FLOOR),
          Map.entry("integrations/kafka", Set.of("core", "outbox")),
          Map.entry("integrations/servlet", Set.of("core", "idempotency", "read-your-writes")),
          Map.entry("integrations/reconcile-cli", Set.of("core", "reconciliation")));

  private static ArchRule arrowsOf(String module, String base) {
    Set<String> own = new TreeSet<>(Set.of(SEGMENTS.get(module)));
    MAY_USE.get(module).forEach(used -> own.add(SEGMENTS.get(used)));
    return classes()
        .that(describe("of " + module, type -> segment(type, base).equals(SEGMENTS.get(module))))
        .should(
            onlyDependOnClassesThat(
                describe(
                    "are its own, of " + MAY_USE.get(module) + " or not of pgbelay",
                    type -> segment(type, base).isEmpty() || own.contains(segment(type, base)))))
        .allowEmptyShould(true);
  }

  private static String segment(JavaClass type, String base) {
    String name = type.getBaseComponentType().getPackageName() + ".";
    if (!name.startsWith(base + ".")) {
      return "";
    }
    String below = name.substring(base.length() + 1);
    return below.substring(0, below.indexOf('.'));
  }

  @Test
  void everyPublishedModule_isOnTheClassPathOfExamples() {
    for (Module module : MainClasses.REACTOR.published()) {
      if (!module.mainSourceFiles().isEmpty()) {
        assertThat(MainClasses.of(module))
            .as(
                "classes of %s seen from examples: add it to the dependencies of examples",
                module.name())
            .isNotEmpty();
      }
    }
    assertThat(MainClasses.REACTOR.published())
        .extracting(Module::name)
        .contains("core", "testing");
  }

  @Test
  void everyPublishedModule_hasItsArrowsWrittenDown() {
    assertThat(SEGMENTS.keySet()).isEqualTo(MAY_USE.keySet());
    assertThat(MainClasses.REACTOR.published())
        .extracting(Module::name)
        .isSubsetOf(SEGMENTS.keySet());
  }

  @Test
  void everyModule_keepsToItsOwnPackage() {
    for (Module module : MainClasses.REACTOR.published()) {
      Set<String> segments =
          MainClasses.of(module).stream()
              .map(type -> segment(type, "dev.pgbelay"))
              .collect(toCollection(TreeSet::new));
      assertThat(Set.of(SEGMENTS.get(module.name()))).as(module.name()).containsAll(segments);
    }
  }

  @Test
  void arrowsBetweenModules_pointDownOnly() {
    SEGMENTS.keySet().forEach(module -> arrowsOf(module, "dev.pgbelay").check(MainClasses.all()));
  }

  @Test
  void arrowsBetweenModulesInThePoms_pointDownOnly() {
    Map<String, String> moduleByArtifact = new java.util.HashMap<>();
    MainClasses.REACTOR
        .modules()
        .forEach(module -> moduleByArtifact.put(module.artifactId(), module.name()));
    for (Module module : MainClasses.REACTOR.published()) {
      List<String> used =
          module.dependencies().stream()
              .filter(
                  dependency ->
                      dependency.groupId().equals("dev.pgbelay") && !dependency.isOfTests())
              .map(dependency -> moduleByArtifact.get(dependency.artifactId()))
              .toList();
      assertThat(MAY_USE.get(module.name())).as("pom of " + module.name()).containsAll(used);
    }
  }

  @Test
  void arrowFromOnePatternToAnother_isRefused() {
    String base = "dev.pgbelay.examples.architecture.fixture.arrows";
    JavaClasses fixture = new ClassFileImporter().importPackages(base);
    assertThatThrownBy(() -> arrowsOf("outbox", base).check(fixture))
        .isInstanceOf(AssertionError.class)
        .hasMessageContaining("fixture.arrows.jobqueue");
    assertThatThrownBy(() -> arrowsOf("core", base).check(fixture))
        .isInstanceOf(AssertionError.class)
        .hasMessageContaining("fixture.arrows.keyset");
    arrowsOf("job-queue", base).check(fixture);
  }
}
