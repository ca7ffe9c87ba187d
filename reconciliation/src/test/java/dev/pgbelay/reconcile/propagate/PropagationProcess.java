package dev.pgbelay.reconcile.propagate;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.reconcile.ChildJvm;
import java.io.IOException;
import java.io.OutputStream;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;

/** A JVM with a worker, until its standard input ends; a test kills it, or makes it stand still. */
final class PropagationProcess implements AutoCloseable {
  private final Process process;

  private PropagationProcess(Process process) {
    this.process = process;
  }

  /**
   * @param chunkTimeout after which the server ends what a stopped worker had begun
   */
  static PropagationProcess start(String url, Duration chunkTimeout) throws IOException {
    return new PropagationProcess(
        ChildJvm.of(PropagationProcess.class, url, chunkTimeout.toString()).start());
  }

  public static void main(String[] args) throws InterruptedException {
    AtomicBoolean over = new AtomicBoolean();
    Thread reader = new Thread(() -> awaitEndOfInput(over));
    reader.setDaemon(true);
    reader.start();
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(args[0]);
    config.setMaximumPoolSize(2);
    try (HikariDataSource database = new HikariDataSource(config)) {
      Propagation worker =
          PropagationStorm.worker(Transactions.of(database))
              .chunkTimeout(Duration.parse(args[1]))
              .build();
      while (!over.get()) {
        if (workOf(worker) == 0) {
          TimeUnit.MILLISECONDS.sleep(5);
        }
      }
    }
  }

  /** As the background loop does: what failed is tried again. */
  private static int workOf(Propagation worker) {
    try {
      return worker.runOnce().work();
    } catch (RuntimeException e) {
      return 0;
    }
  }

  private static void awaitEndOfInput(AtomicBoolean over) {
    try {
      System.in.transferTo(OutputStream.nullOutputStream());
    } catch (IOException e) {
      // Whoever started it is gone, which is the same.
    }
    over.set(true);
  }

  /** SIGKILL, which needs no shell. */
  void kill() throws Exception {
    process.destroyForcibly();
    awaitEnd();
  }

  void stop() throws Exception {
    signal("STOP");
  }

  void goOn() throws Exception {
    signal("CONT");
  }

  private void signal(String name) throws Exception {
    int failed =
        new ProcessBuilder("/bin/sh", "-c", "kill -" + name + " " + process.pid())
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .start()
            .waitFor();
    if (failed != 0) {
      throw new IllegalStateException("process " + process.pid() + " is not there any more");
    }
  }

  /**
   * Lets it end what it does just now.
   *
   * @return its exit code; 0 if nothing was thrown
   */
  int finish() throws Exception {
    process.getOutputStream().close();
    return awaitEnd();
  }

  private int awaitEnd() throws InterruptedException {
    if (!process.waitFor(2, TimeUnit.MINUTES)) {
      throw new AssertionError("the worker's process does not end");
    }
    return process.exitValue();
  }

  @Override
  public void close() {
    process.destroyForcibly();
  }
}
