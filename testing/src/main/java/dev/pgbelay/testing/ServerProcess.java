package dev.pgbelay.testing;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Signals to a postmaster and its children, and the wait for their end. */
final class ServerProcess {
  private static final Duration STOP_LIMIT = Duration.ofSeconds(30);

  /** Of kernels that show them so. */
  private static final Path PROCESSES = Path.of("/proc");

  /** As the kernel writes them behind the name of the process. */
  private static final String STOPPED = ") T ";

  private static final String ZOMBIE = ") Z ";

  private ServerProcess() {}

  /** The postmaster first, so that it starts no further process in between. */
  static void signalAll(Process postmaster, String signal) {
    signal(postmaster.pid(), signal);
    postmaster.descendants().forEach(child -> signal(child.pid(), signal));
  }

  /** An orderly end that waits for no session. */
  static void shutDownFast(Process postmaster) {
    signal(postmaster.pid(), "INT");
    awaitEnd(postmaster);
  }

  /**
   * Without a checkpoint, but not without a word: a postmaster that is killed leaves its segment of
   * shared memory behind until the machine starts again, and there may be 4,096 of these in all.
   */
  static void shutDownAtOnce(ProcessHandle postmaster) {
    List<ProcessHandle> all = new ArrayList<>(postmaster.descendants().toList());
    all.add(postmaster);
    all.forEach(each -> signal(each.pid(), "CONT"));
    signal(postmaster.pid(), "QUIT");
    awaitEnd(postmaster);
    all.forEach(ProcessHandle::destroyForcibly);
  }

  /** All of them at once, without a word. One that is stopped has no child that is not listed. */
  static void kill(Process process) {
    signal(process.pid(), "STOP");
    if (Files.exists(PROCESSES)) {
      await(process.toHandle(), STOPPED);
    }
    List<ProcessHandle> children = process.descendants().toList();
    process.destroyForcibly();
    children.forEach(ProcessHandle::destroyForcibly);
    awaitEnd(process);
    children.forEach(ServerProcess::awaitEnd);
  }

  private static void signal(long pid, String signal) {
    shell("kill -" + signal + " " + pid);
  }

  /** Whether it worked does not matter: what it is about may be gone already. */
  static void shell(String command) {
    try {
      new ProcessBuilder("/bin/sh", "-c", command)
          .redirectErrorStream(true)
          .redirectOutput(ProcessBuilder.Redirect.DISCARD)
          .start()
          .waitFor();
    } catch (IOException e) {
      throw new ClusterException("cannot run: " + command, e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new ClusterException("interrupted while running: " + command, e);
    }
  }

  /**
   * Dead it may be, and nobody there to collect it: a container whose first process is careless.
   */
  private static void awaitEnd(ProcessHandle child) {
    await(child, ZOMBIE);
  }

  /** The JDK watches a process that is not its child only now and then. */
  private static void await(ProcessHandle process, String state) {
    long deadline = System.nanoTime() + STOP_LIMIT.toNanos();
    try {
      while (process.isAlive() && System.nanoTime() < deadline && !isIn(process, state)) {
        TimeUnit.MILLISECONDS.sleep(1);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new ClusterException("interrupted while a server was to stop", e);
    }
  }

  private static boolean isIn(ProcessHandle process, String state) {
    try {
      return Files.readString(PROCESSES.resolve(process.pid() + "/stat")).contains(state);
    } catch (IOException e) {
      return false;
    }
  }

  /** Waits, and complains when it takes too long. */
  static void awaitEnd(Process process) {
    try {
      if (!process.waitFor(STOP_LIMIT.toMillis(), TimeUnit.MILLISECONDS)) {
        throw new ClusterException(
            "server process " + process.pid() + " did not end within " + STOP_LIMIT);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new ClusterException("interrupted while server process " + process.pid() + " ended", e);
    }
  }
}
