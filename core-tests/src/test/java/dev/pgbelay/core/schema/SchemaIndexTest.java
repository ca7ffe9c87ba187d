package dev.pgbelay.core.schema;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * A script that is not in its module's index would never be installed, and nobody would be told.
 */
class SchemaIndexTest {

  @Test
  void indexOfEveryModule_listsEveryScriptInItsFolder() throws IOException {
    Path root = Path.of("").toAbsolutePath().getParent();
    List<Path> folders;
    try (Stream<Path> files = Files.walk(root, 9)) {
      folders =
          files
              .filter(file -> file.toString().contains("/src/"))
              .filter(Files::isDirectory)
              .filter(file -> file.toString().matches(".*/resources/dev/pgbelay/[^/]+/schema"))
              .toList();
    }
    // At least the one of these tests: else the walk is wrong.
    assertThat(folders).isNotEmpty();
    for (Path folder : folders) {
      List<String> listed =
          Files.readAllLines(folder.resolve("index")).stream()
              .filter(line -> !line.isBlank() && !line.startsWith("#"))
              .toList();
      try (Stream<Path> scripts = Files.list(folder)) {
        assertThat(listed)
            .as("index of %s", folder)
            .containsExactlyElementsOf(
                scripts
                    .map(script -> script.getFileName().toString())
                    .filter(name -> name.endsWith(".sql"))
                    .sorted()
                    .toList());
      }
    }
  }
}
