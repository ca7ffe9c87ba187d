package dev.pgbelay.routing;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.routing.StormSessions.Hand;
import dev.pgbelay.routing.StormSessions.Position;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.postgresql.ds.PGSimpleDataSource;

/**
 * A JVM of its own with the sessions of a storm. Tokens come and go as lines over a socket to the
 * other one; the history is in a file at the end.
 */
final class StormProcess {
  private StormProcess() {}

  /**
   * @param nodes name, URL of the work and URL of the probes for each, the primary first
   */
  static Process start(int number, long operations, long seed, Path history, List<String> nodes)
      throws IOException {
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                "-Xmx512m",
                "-Dorg.jooq.no-logo=true",
                "-Dorg.jooq.no-tips=true",
                "-cp",
                System.getProperty("java.class.path"),
                StormProcess.class.getName(),
                Integer.toString(number),
                Long.toString(operations),
                Long.toString(seed),
                history.toString()));
    command.addAll(nodes);
    return new ProcessBuilder(command)
        .redirectError(history.resolveSibling("log" + number).toFile())
        .start();
  }

  public static void main(String[] args) throws Exception {
    ReadYourWritesBuilder builder = ReadYourWrites.builder(node(args, 4));
    for (int at = 7; at < args.length; at += 3) {
      builder.replica(node(args, at));
    }
    try (ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
        StormSessions sessions =
            new StormSessions(Integer.parseInt(args[0]), builder, Position.RIGHT)) {
      Thread receiving = new Thread(() -> receive(server, sessions));
      receiving.setDaemon(true);
      receiving.start();
      System.out.println(server.getLocalPort());
      int other = Integer.parseInt(reader(System.in).readLine());
      try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), other);
          PrintWriter out =
              new PrintWriter(socket.getOutputStream(), true, StandardCharsets.UTF_8)) {
        sessions.handTo(
            hand -> {
              synchronized (out) {
                out.println(hand.from() + " " + hand.token() + " " + hand.at());
              }
            });
        sessions.run(Long.parseLong(args[1]), Long.parseLong(args[2]));
      }
      sessions.history.write(Path.of(args[3]));
      System.out.printf(
          "%d unknown, %d refused, %d lost%n",
          sessions.unknown.get(), sessions.refused.get(), sessions.lost.get());
    }
    // Connection attempts to servers that are gone may still be under way.
    Runtime.getRuntime().halt(0);
  }

  private static BufferedReader reader(java.io.InputStream in) {
    return new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8));
  }

  private static void receive(ServerSocket server, StormSessions sessions) {
    try (Socket socket = server.accept();
        BufferedReader in = reader(socket.getInputStream())) {
      for (String line = in.readLine(); line != null; line = in.readLine()) {
        String[] at = line.split(" ", -1);
        sessions.receive(new Hand(Long.parseLong(at[0]), at[1], Long.parseLong(at[2])));
      }
    } catch (IOException e) {
      // The other one has ended.
      return;
    }
  }

  private static DatabaseNode node(String[] args, int at) {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(args[at + 1]);
    config.setMaximumPoolSize(8);
    config.setMinimumIdle(0);
    config.setConnectionTimeout(2_000);
    config.setInitializationFailTimeout(-1);
    PGSimpleDataSource probes = new PGSimpleDataSource();
    probes.setUrl(args[at + 2]);
    return DatabaseNode.of(args[at], new HikariDataSource(config), probes);
  }
}
