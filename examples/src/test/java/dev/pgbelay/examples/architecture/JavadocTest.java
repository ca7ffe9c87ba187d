package dev.pgbelay.examples.architecture;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.examples.architecture.Reactor.Module;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/**
 * Every public type of a published module is described, and every package of main code is
 * null-marked. That what is written is well-formed is the business of the javadoc run.
 */
class JavadocTest {

  private static List<String> undocumented(List<SourceFile> files) {
    List<String> found = new ArrayList<>();
    for (SourceFile file : files) {
      if (!file.packageName().matches(".*\\.internal(\\..*)?")) {
        file.types().stream()
            .filter(type -> type.api() && !type.documented())
            .map(type -> file.path() + ":" + type.line() + " " + type.simpleName())
            .forEach(found::add);
      }
    }
    return found;
  }

  @Test
  void publicTypes_haveJavadoc() {
    for (Module module : MainClasses.REACTOR.published()) {
      assertThat(undocumented(SourceFile.parse(module.mainSourceFiles()))).isEmpty();
    }
  }

  @Test
  void publicTypeWithoutJavadoc_isRefused() {
    Path fixture =
        MainClasses.REACTOR
            .module("examples")
            .dir()
            .resolve("src/test/java/dev/pgbelay/examples/architecture/fixture/Undocumented.java");
    assertThat(undocumented(SourceFile.parse(List.of(fixture))))
        .hasSize(3)
        .anyMatch(found -> found.endsWith(" Undocumented"))
        .anyMatch(found -> found.endsWith(" NestedUndocumented"))
        .anyMatch(found -> found.endsWith(" InInterface"));
  }

  @Test
  void everyPackageOfMainCode_isNullMarked() throws IOException {
    for (Module module : MainClasses.REACTOR.modules()) {
      Set<Path> packages = new TreeSet<>();
      module
          .mainSourceFiles()
          .forEach(file -> packages.add(file.resolveSibling("package-info.java")));
      for (Path info : packages) {
        assertThat(info).isRegularFile();
        assertThat(Files.readString(info)).as(info.toString()).contains("@NullMarked");
      }
    }
  }
}
