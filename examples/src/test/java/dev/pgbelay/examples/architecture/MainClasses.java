package dev.pgbelay.examples.architecture;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import dev.pgbelay.examples.architecture.Reactor.Module;
import java.net.URI;
import java.util.Collection;
import java.util.Optional;
import java.util.Set;

/**
 * The compiled main classes that examples has on its class path, and which module each came from.
 */
final class MainClasses {
  static final Reactor REACTOR = Reactor.read();

  private static final JavaClasses ALL =
      new ClassFileImporter()
          .withImportOption(location -> !location.contains("/test-classes/"))
          .importPackages("dev.pgbelay");

  private MainClasses() {}

  static JavaClasses all() {
    return ALL;
  }

  static JavaClasses of(Module module) {
    return ALL.that(
        com.tngtech.archunit.base.DescribedPredicate.describe(
            "of module " + module.name(),
            type -> moduleOf(type).filter(module::equals).isPresent()));
  }

  static JavaClasses of(Collection<Module> modules) {
    return ALL.that(
        com.tngtech.archunit.base.DescribedPredicate.describe(
            "of modules " + modules.stream().map(Module::name).toList(),
            type -> moduleOf(type).filter(modules::contains).isPresent()));
  }

  /** What users put into production: published, and not made for tests. */
  static JavaClasses forProduction() {
    return of(productionModules());
  }

  static Set<Module> productionModules() {
    return REACTOR.published().stream()
        .filter(module -> !module.name().equals("testing"))
        .collect(java.util.stream.Collectors.toUnmodifiableSet());
  }

  static JavaClasses fixture(Class<?>... types) {
    return new ClassFileImporter().importClasses(types);
  }

  /**
   * A class comes from {@code <module>/target/classes} or, once packaged, from the jar beside it.
   */
  static Optional<Module> moduleOf(JavaClass type) {
    URI source = type.getSource().orElseThrow().getUri();
    return REACTOR.modules().stream()
        .filter(
            module -> source.toString().contains(module.dir().resolve("target").toUri().getPath()))
        .findFirst();
  }
}
