package dev.pgbelay.benchmarks.export;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.benchmarks.BenchServer;
import dev.pgbelay.benchmarks.ChildJvm;
import dev.pgbelay.benchmarks.Work;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Locale;

/**
 * The JVM of one contestant. It stays up for all rounds, so that it is warm, and does one export
 * for each line on its standard input: {@code speed LAST_ID WHOLE} or {@code heap LAST_ID WHOLE}.
 */
final class ExportProcess {
  private static final int HEAP_SAMPLES = 9;

  private ExportProcess() {}

  public static void main(String[] args) throws Exception {
    Exporter exporter = Exporter.named(args[0]);
    try (HikariDataSource pool = new HikariDataSource(BenchServer.poolConfig(args[1]));
        BufferedReader commands =
            new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
      ChildJvm.answer("ready");
      for (String line = commands.readLine(); line != null; line = commands.readLine()) {
        String[] words = line.split(" ", -1);
        long lastId = Long.parseLong(words[1]);
        boolean whole = Boolean.parseBoolean(words[2]);
        // A divisor that is no multiple of a page: samples fall at different places within pages.
        ExportMeter meter =
            words[0].equals("heap")
                ? ExportMeter.ofHeap(Math.max(1, lastId / HEAP_SAMPLES - 7))
                : ExportMeter.ofSpeed();
        long start = System.nanoTime();
        exporter.way().export(pool, lastId, whole, meter);
        long nanos = System.nanoTime() - start;
        Work work = meter.work();
        ChildJvm.answer(
            String.format(
                Locale.ROOT,
                "%d %d %d %d",
                nanos,
                work.rows(),
                work.checksum(),
                meter.peakLiveBytes()));
      }
    }
  }
}
