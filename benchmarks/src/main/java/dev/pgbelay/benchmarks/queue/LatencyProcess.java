package dev.pgbelay.benchmarks.queue;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.benchmarks.BenchServer;
import dev.pgbelay.benchmarks.ChildJvm;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;

/**
 * The JVM in which jobs begin that another one enqueues. It answers with its clock's time at the
 * start of each job.
 */
final class LatencyProcess {
  static final String START = "start";
  static final String STOP = "stop";
  static final String CLOCK = "clock";
  static final String STOPPED = "stopped";

  private LatencyProcess() {}

  public static void main(String[] args) throws Exception {
    LatencyReceiver receiver = LatencyReceiver.valueOf(args[0]);
    try (HikariDataSource pool = new HikariDataSource(BenchServer.poolConfig(args[1]));
        BufferedReader commands =
            new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
      ChildJvm.answer("ready");
      QueueWay.Workers workers = () -> {};
      for (String line = commands.readLine(); line != null; line = commands.readLine()) {
        switch (line) {
          case CLOCK -> ChildJvm.answer(Long.toString(System.nanoTime()));
          case START -> {
            workers = receiver.start(pool, args[1], at -> ChildJvm.answer(Long.toString(at)));
            ChildJvm.answer("started");
          }
          case STOP -> {
            workers.stop();
            ChildJvm.answer(STOPPED);
          }
          default -> throw new IllegalArgumentException(line);
        }
      }
    }
  }
}
