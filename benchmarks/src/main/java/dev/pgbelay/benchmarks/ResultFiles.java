package dev.pgbelay.benchmarks;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * Writes {@code <scenario>.json}: an array of {@code {scenario, contestant, metric, value, unit,
 * ratio}}.
 */
final class ResultFiles {
  private static final ObjectMapper JSON =
      new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);

  private final Path folder;

  ResultFiles(Path folder) {
    this.folder = folder;
  }

  Path write(String scenario, List<Result> results) throws IOException {
    Files.createDirectories(folder);
    Path file = folder.resolve(scenario + ".json");
    JSON.writeValue(file.toFile(), results);
    return file;
  }
}
