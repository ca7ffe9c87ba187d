package dev.pgbelay.testing;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** A server of ours: a data directory and the process that serves it. */
final class EmbeddedServer implements Server {
  private static final Duration START_LIMIT = Duration.ofSeconds(60);

  private final ServerBinaries binaries;
  private final Path folder;
  private int port;
  private @Nullable Process postmaster;

  EmbeddedServer(ServerBinaries binaries, Path folder) {
    this.binaries = binaries;
    this.folder = folder;
  }

  /** Makes an empty data directory. The system identifier is new each time. */
  static EmbeddedServer initialised(
      ServerBinaries binaries, Path folder, Map<String, String> configuration) throws IOException {
    EmbeddedServer server = new EmbeddedServer(binaries, folder);
    OsUser.letServerEnter(folder);
    server.run(
        "initdb",
        List.of(
            "-D",
            server.dataFolder().toString(),
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
            "--no-instructions"));
    StringBuilder text = new StringBuilder("\n");
    configuration.forEach(
        (name, value) ->
            text.append(name).append(" = '").append(value.replace("'", "''")).append("'\n"));
    Files.writeString(
        server.dataFolder().resolve("postgresql.conf"), text, StandardOpenOption.APPEND);
    return server;
  }

  Path dataFolder() {
    return folder.resolve("data");
  }

  @Override
  public synchronized InetSocketAddress address() {
    return new InetSocketAddress(InetAddress.getLoopbackAddress(), port);
  }

  @Override
  public String jdbcUrl(InetSocketAddress address, String database) {
    return "jdbc:postgresql://127.0.0.1:" + address.getPort() + "/" + database + "?user=postgres";
  }

  @Override
  public String maintenanceDatabase() {
    return "postgres";
  }

  @Override
  public synchronized void start() {
    if (postmaster != null && postmaster.isAlive()) {
      throw new ClusterException("the server on port " + port + " is running already");
    }
    boolean chosen = port != 0;
    long deadline = System.nanoTime() + START_LIMIT.toNanos();
    while (true) {
      if (!chosen) {
        port = Ports.free();
      }
      String logged = logFrom(launchAndAwait(deadline));
      if (logged.isEmpty()) {
        return;
      }
      // Between looking for a free port and binding it somebody else may take it; and the port and
      // the shared memory of a crashed server go with the last of its processes.
      boolean again =
          logged.contains("pre-existing shared memory block") || logged.contains("could not bind");
      if (!again || System.nanoTime() > deadline) {
        throw new ClusterException(
            "PostgreSQL did not start on port " + port + ". Its log says:\n" + logged);
      }
    }
  }

  /** Returns where the log of this attempt begins, or -1 when the server is ready. */
  private long launchAndAwait(long deadline) {
    try {
      long logStart = Files.exists(logFile()) ? Files.size(logFile()) : 0;
      Files.deleteIfExists(dataFolder().resolve("epg-lock"));
      List<String> command = new ArrayList<>(OsUser.current().prefix());
      command.add(binaries.executable("postgres").toString());
      command.addAll(List.of("-D", dataFolder().toString(), "-p", Integer.toString(port)));
      Process process =
          new ProcessBuilder(command)
              .directory(folder.toFile())
              .redirectErrorStream(true)
              .redirectOutput(ProcessBuilder.Redirect.appendTo(logFile().toFile()))
              .start();
      process.getOutputStream().close();
      postmaster = process;
      while (process.isAlive()) {
        if (isReady(process.pid())) {
          return -1;
        }
        if (System.nanoTime() > deadline) {
          ServerProcess.kill(process);
          return logStart;
        }
        TimeUnit.MILLISECONDS.sleep(5);
      }
      return logStart;
    } catch (IOException e) {
      throw new ClusterException("PostgreSQL could not be launched in " + folder, e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new ClusterException("interrupted while PostgreSQL was starting in " + folder, e);
    }
  }

  @Override
  public void requireControl(String control) {
    // a server of ours: everything goes
  }

  @Override
  public synchronized void suspend() {
    ServerProcess.signalAll(running("suspend"), "STOP");
  }

  @Override
  public synchronized void resume() {
    ServerProcess.signalAll(running("resume"), "CONT");
  }

  private String logFrom(long start) {
    if (start < 0) {
      return "";
    }
    try {
      byte[] bytes = Files.readAllBytes(logFile());
      int from = (int) Math.min(start, bytes.length);
      return new String(bytes, from, bytes.length - from, StandardCharsets.UTF_8)
          + "(end of the log)";
    } catch (IOException e) {
      throw new ClusterException("cannot read " + logFile(), e);
    }
  }

  /** The eighth line of postmaster.pid is what pg_ctl waits for, too. */
  private boolean isReady(long pid) throws IOException {
    try {
      List<String> lines = Files.readAllLines(dataFolder().resolve("postmaster.pid"));
      return lines.size() >= 8
          && lines.get(0).trim().equals(Long.toString(pid))
          && lines.get(7).trim().equals("ready");
    } catch (NoSuchFileException e) {
      return false;
    }
  }

  @Override
  public synchronized void crash() {
    ServerProcess.kill(running("crash"));
  }

  @Override
  public synchronized void stop() {
    ServerProcess.shutDownFast(running("stop"));
  }

  /** For the end of a cluster: what is running ends at once, the data is thrown away. */
  synchronized void discard() {
    try {
      if (postmaster != null && postmaster.isAlive()) {
        ServerProcess.shutDownAtOnce(postmaster.toHandle());
      }
      SharedMemory.remove(dataFolder().resolve("postmaster.pid"));
      ServerFolder.delete(folder);
    } catch (IOException e) {
      throw new ClusterException("cannot delete " + folder, e);
    }
  }

  private Process running(String control) {
    Process process = postmaster;
    if (process == null || !process.isAlive()) {
      throw new ClusterException(
          "cannot " + control + " the server on port " + port + ": it is not running");
    }
    return process;
  }

  private Path logFile() {
    return folder.resolve("server.log");
  }

  @Override
  public String logTail(int lines) {
    try {
      List<String> all = Files.readAllLines(logFile(), StandardCharsets.ISO_8859_1);
      return String.join("\n", all.subList(Math.max(0, all.size() - lines), all.size()));
    } catch (NoSuchFileException e) {
      return "";
    } catch (IOException e) {
      throw new ClusterException("cannot read " + logFile(), e);
    }
  }

  private void run(String executable, List<String> arguments) throws IOException {
    List<String> command = new ArrayList<>(OsUser.current().prefix());
    command.add(binaries.executable(executable).toString());
    command.addAll(arguments);
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    process.getOutputStream().close();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    ServerProcess.awaitEnd(process);
    if (process.exitValue() != 0) {
      throw new ClusterException(executable + " failed in " + folder + ":\n" + output);
    }
  }
}
