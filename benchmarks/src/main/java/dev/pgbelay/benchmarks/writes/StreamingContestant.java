package dev.pgbelay.benchmarks.writes;

import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Measurement;
import dev.pgbelay.benchmarks.Work;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Inserts as the others do, and once a long stream in a JVM of its own, for its live heap. */
final class StreamingContestant implements Contestant {
  private static final double MIB = 1024 * 1024;
  private static final int MOST_RUNS = 3;

  private final WriteContestant writes;
  private final Items items;
  private final String url;
  private final long streamed;
  private @Nullable Measurement heap;

  StreamingContestant(String name, Items items, WriteWay way, String url, long streamed)
      throws Exception {
    this.writes =
        new WriteContestant(
            name, items, Long.MAX_VALUE, MOST_RUNS, Map.of(WriteStage.ROWS_PER_SECOND, way));
    this.items = items;
    this.url = url;
    this.streamed = streamed;
  }

  @Override
  public String name() {
    return writes.name();
  }

  @Override
  public List<Measurement> measure(String part) throws Exception {
    if (!part.equals(StreamHeap.LIVE_HEAP)) {
      return writes.measure(part);
    }
    Measurement seen = heap;
    if (seen == null) {
      items.reset();
      seen = look();
      heap = seen;
    }
    return List.of(seen);
  }

  private Measurement look() throws IOException {
    Process jvm =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx256m",
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
                "-Dorg.jooq.no-logo=true",
                "-Dorg.jooq.no-tips=true",
                "-cp",
                System.getProperty("java.class.path"),
                StreamHeap.class.getName(),
                name(),
                url,
                Long.toString(streamed))
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    try (BufferedReader answers = jvm.inputReader(StandardCharsets.UTF_8)) {
      for (String line = answers.readLine(); line != null; line = answers.readLine()) {
        String[] words = line.split(" ", -1);
        if (words[0].equals(StreamHeap.ANSWER)) {
          Work did = new Work(Long.parseLong(words[1]), Long.parseLong(words[2]));
          return new Measurement(
              StreamHeap.LIVE_HEAP,
              Long.parseLong(words[3]) / MIB,
              "MiB",
              did,
              StreamHeap.expected(streamed));
        }
      }
    } finally {
      jvm.destroy();
    }
    throw new IOException(
        "the JVM of " + name() + " ended without an answer: its own message is above");
  }
}
