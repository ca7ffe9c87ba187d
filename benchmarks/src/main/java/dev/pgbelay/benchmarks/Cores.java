package dev.pgbelay.benchmarks;

import java.io.IOException;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.LongStream;

/**
 * Keeps client and server apart, each on a core of its own, for operations of a tenth of a
 * millisecond: on a machine of a few cores the scheduler now puts both on one core (a round trip
 * without waking another core up) and now on two, and the difference is as large as what is
 * measured.
 */
final class Cores {
  private static final int SERVER = 0;
  private static final int CLIENT = 1;
  private static final long PATIENCE_SECONDS = 10;

  private Cores() {}

  /** Whether it worked: needs two cores and Linux' {@code taskset}. */
  static boolean separate(ProcessHandle postmaster) {
    if (Runtime.getRuntime().availableProcessors() <= CLIENT) {
      return false;
    }
    boolean server = pids(postmaster).allMatch(pid -> taskset(Integer.toString(SERVER), pid));
    return server && taskset(Integer.toString(CLIENT), ProcessHandle.current().pid());
  }

  /** Any core for everybody again. */
  static void release(ProcessHandle postmaster, int cores) {
    String all = "0-" + (cores - 1);
    pids(postmaster).forEach(pid -> taskset(all, pid));
    taskset(all, ProcessHandle.current().pid());
  }

  /** Later backends inherit it from the postmaster. */
  private static LongStream pids(ProcessHandle postmaster) {
    return LongStream.concat(
        LongStream.of(postmaster.pid()), postmaster.descendants().mapToLong(ProcessHandle::pid));
  }

  private static boolean taskset(String cores, long pid) {
    try {
      Process process =
          new ProcessBuilder(List.of("taskset", "-a", "-c", "-p", cores, Long.toString(pid)))
              .redirectErrorStream(true)
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .start();
      // A background process may have ended meanwhile: its pid is nobody's then.
      return process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS)
          && (process.exitValue() == 0 || ProcessHandle.of(pid).isEmpty());
    } catch (IOException e) {
      return false;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }
}
