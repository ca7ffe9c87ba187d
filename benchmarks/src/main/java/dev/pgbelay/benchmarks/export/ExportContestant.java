package dev.pgbelay.benchmarks.export;

import dev.pgbelay.benchmarks.ChildJvm;
import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Measurement;
import dev.pgbelay.benchmarks.Work;
import dev.pgbelay.benchmarks.events.EventsTable;
import java.io.IOException;
import java.sql.SQLException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Talks to the JVM of one contestant, which it starts when its first turn comes. */
final class ExportContestant implements Contestant {
  private static final double MIB = 1024 * 1024;

  /** The heap is looked at over fewer rows: it either stays flat or grows with each of them. */
  private static final long HEAP_ROWS = 1_000_000;

  private record Answer(long nanos, Work work, long liveBytes) {}

  private final Exporter exporter;
  private final String url;
  private final long rows;
  private final Work expectedSpeed;
  private final Work expectedHeap;
  private @Nullable ChildJvm jvm;

  ExportContestant(Exporter exporter, String url, EventsTable events) throws SQLException {
    this.exporter = exporter;
    this.url = url;
    this.rows = events.rows();
    this.expectedSpeed = expected(events, lastIdForSpeed());
    this.expectedHeap = expected(events, lastIdForHeap());
  }

  @Override
  public String name() {
    return exporter.label();
  }

  @Override
  public List<Measurement> measure(String part) throws IOException {
    if (part.equals(ExportScenario.ROWS_PER_SECOND)) {
      Answer answer = ask("speed", lastIdForSpeed());
      double rate = answer.work().rows() / (answer.nanos() / 1e9);
      return List.of(new Measurement(part, rate, "rows/s", answer.work(), expectedSpeed));
    }
    Answer answer = ask("heap", lastIdForHeap());
    double live = answer.liveBytes() / MIB;
    return List.of(new Measurement(part, live, "MiB", answer.work(), expectedHeap));
  }

  private long lastIdForSpeed() {
    return Math.min(rows, exporter.maxRows());
  }

  private long lastIdForHeap() {
    return Math.min(rows, HEAP_ROWS);
  }

  private Work expected(EventsTable events, long lastId) throws SQLException {
    EventsTable.Totals totals = events.totals(lastId);
    return exporter.isCopy() ? totals.ofCopy() : totals.ofRows();
  }

  private Answer ask(String command, long lastId) throws IOException {
    ChildJvm child = jvm;
    if (child == null) {
      child =
          ChildJvm.start(name(), exporter.maxHeapMib(), ExportProcess.class, exporter.label(), url);
      jvm = child;
    }
    String[] words = child.ask(command + " " + lastId + " " + (lastId == rows)).split(" ", -1);
    return new Answer(
        Long.parseLong(words[0]),
        new Work(Long.parseLong(words[1]), Long.parseLong(words[2])),
        Long.parseLong(words[3]));
  }

  @Override
  public void close() {
    if (jvm != null) {
      jvm.close();
    }
  }
}
