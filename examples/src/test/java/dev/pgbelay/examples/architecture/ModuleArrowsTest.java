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
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
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

  /**
   * The segment after {@code dev.pgbelay} that is a module's own, and the modules that it may use.
   */
  private record Place(String segment, Set<String> mayUse) {}

  /** By the module's name in the parent's pom. */
  private static final Map<String, Place> PLACES =
      Map.ofEntries(
          Map.entry("core", new Place("core", Set.of())),
          Map.entry("testing", new Place("testing", Set.of("core"))),
          Map.entry("keyset-pagination", new Place("keyset", Set.of("core"))),
          Map.entry("batching", new Place("batch", Set.of("core", "keyset-pagination"))),
          Map.entry("ordered-locking", new Place("lock", GROUND_FLOOR)),
          Map.entry("job-queue", new Place("jobqueue", GROUND_FLOOR)),
          Map.entry("idempotency", new Place("idempotency", GROUND_FLOOR)),
          Map.entry("outbox", new Place("outbox", GROUND_FLOOR)),
          Map.entry("read-your-writes", new Place("routing", GROUND_FLOOR)),
          Map.entry("reconciliation", new Place("reconcile", GROUND_FLOOR)),
          Map.entry("integrations/kafka", new Place("kafka", Set.of("core", "outbox"))),
          Map.entry(
              "integrations/servlet",
              new Place("servlet", Set.of("core", "idempotency", "read-your-writes"))),
          Map.entry(
              "integrations/reconcile-cli",
              new Place("reconcilecli", Set.of("core", "reconciliation"))));

  private static Place place(String module) {
    return Optional.ofNullable(PLACES.get(module))
        .orElseThrow(() -> new AssertionError("no arrows are written down for module " + module));
  }

  private static ArchRule arrowsOf(String module, String base) {
    Place place = place(module);
    Set<String> within = new TreeSet<>(Set.of(place.segment()));
    place.mayUse().forEach(used -> within.add(place(used).segment()));
    return classes()
        .that(describe("of " + module, type -> segment(type, base).equals(place.segment())))
        .should(
            onlyDependOnClassesThat(
                describe(
                    "are its own, of " + place.mayUse() + " or not of pgbelay",
                    type -> segment(type, base).isEmpty() || within.contains(segment(type, base)))))
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
    assertThat(MainClasses.REACTOR.published())
        .extracting(Module::name)
        .isSubsetOf(PLACES.keySet());
  }

  @Test
  void everyModule_keepsToItsOwnPackage() {
    for (Module module : MainClasses.REACTOR.published()) {
      Set<String> segments =
          MainClasses.of(module).stream()
              .map(type -> segment(type, "dev.pgbelay"))
              .collect(toCollection(TreeSet::new));
      assertThat(Set.of(place(module.name()).segment())).as(module.name()).containsAll(segments);
    }
  }

  @Test
  void everyJar_namesItsModuleAfterItsPackage() {
    for (Module module : MainClasses.REACTOR.published()) {
      assertThat(module.automaticModuleName())
          .as("automatic.module.name of " + module.name())
          .isEqualTo("dev.pgbelay." + place(module.name()).segment());
    }
  }

  @Test
  void bom_alignsEveryPublishedModule() {
    assertThat(MainClasses.REACTOR.artifactsInBom())
        .containsExactlyInAnyOrderElementsOf(
            MainClasses.REACTOR.published().stream().map(Module::artifactId).toList());
  }

  @Test
  void arrowsBetweenModules_pointDownOnly() {
    PLACES.keySet().forEach(module -> arrowsOf(module, "dev.pgbelay").check(MainClasses.all()));
  }

  @Test
  void arrowsBetweenModulesInThePoms_pointDownOnly() {
    Map<String, String> moduleByArtifact = new HashMap<>();
    MainClasses.REACTOR
        .modules()
        .forEach(module -> moduleByArtifact.put(module.artifactId(), module.name()));
    for (Module module : MainClasses.REACTOR.published()) {
      List<String> used =
          module.dependencies().stream()
              .filter(
                  dependency ->
                      dependency.groupId().equals("dev.pgbelay") && !dependency.isOfTests())
              .map(
                  dependency ->
                      moduleByArtifact.getOrDefault(
                          dependency.artifactId(), "nothing in the reactor"))
              .toList();
      assertThat(place(module.name()).mayUse()).as("pom of " + module.name()).containsAll(used);
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
