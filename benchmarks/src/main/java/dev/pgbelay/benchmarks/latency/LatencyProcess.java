package dev.pgbelay.benchmarks.latency;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.benchmarks.BenchServer;
import dev.pgbelay.benchmarks.ChildJvm;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;

/**
 * The JVM in which handlers begin with what another one sends. It answers with its clock's time at
 * the start of each.
 */
final class LatencyProcess {
  static final String START = "start";
  static final String STOP = "stop";
  static final String CLOCK = "clock";
  static final String STOPPED = "stopped";

  private LatencyProcess() {}

  private static LatencyReceiver receiver(String type, String name) throws ClassNotFoundException {
    for (Object constant : Class.forName(type).getEnumConstants()) {
      if (((Enum<?>) constant).name().equals(name)) {
        return (LatencyReceiver) constant;
      }
    }
    throw new IllegalArgumentException(type + " has no " + name);
  }

  public static void main(String[] args) throws Exception {
    LatencyReceiver receiver = receiver(args[0], args[1]);
    try (HikariDataSource pool = new HikariDataSource(BenchServer.poolConfig(args[2]));
        BufferedReader commands =
            new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
      ChildJvm.answer("ready");
      LatencyWay.Running running = () -> {};
      for (String line = commands.readLine(); line != null; line = commands.readLine()) {
        switch (line) {
          case CLOCK -> ChildJvm.answer(Long.toString(System.nanoTime()));
          case START -> {
            running = receiver.start(pool, args[2], at -> ChildJvm.answer(Long.toString(at)));
            ChildJvm.answer("started");
          }
          case STOP -> {
            running.stop();
            ChildJvm.answer(STOPPED);
          }
          default -> throw new IllegalArgumentException(line);
        }
      }
    }
  }
}
