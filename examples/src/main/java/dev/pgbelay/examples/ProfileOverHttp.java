package dev.pgbelay.examples;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.token.KeyRing;
import dev.pgbelay.routing.ConsistencyTokens;
import dev.pgbelay.routing.DatabaseNode;
import dev.pgbelay.routing.ReadYourWrites;
import dev.pgbelay.routing.Session;
import dev.pgbelay.routing.carrier.TokenCarrier;
import dev.pgbelay.servlet.ReadYourWritesFilter;
import dev.pgbelay.servlet.TokenCookie;
import dev.pgbelay.testing.PostgresCluster;
import dev.pgbelay.testing.PostgresNode;
import jakarta.servlet.DispatcherType;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.EnumSet;
import org.eclipse.jetty.ee10.servlet.FilterHolder;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.postgresql.ds.PGSimpleDataSource;

/**
 * A node of a service behind a load balancer: a profile saved on one node is seen on any other, on
 * replicas too, because the browser's cookie says how far they have to be.
 */
public final class ProfileOverHttp implements AutoCloseable {
  private final HikariDataSource primaryPool;
  private final HikariDataSource replicaPool;
  private final ReadYourWrites db;
  private final Server server;

  /**
   * @param keys the same in all nodes
   */
  ProfileOverHttp(PostgresCluster cluster, KeyRing keys, int port) throws Exception {
    this.primaryPool = pool(cluster.primary());
    this.replicaPool = pool(cluster.replica());
    // tag::wire[]
    this.db =
        ReadYourWrites.builder(node(cluster.primary(), primaryPool))
            .replica(node(cluster.replica(), replicaPool))
            .start();
    ConsistencyTokens tokens = ConsistencyTokens.of(keys, Duration.ofHours(1));
    ReadYourWritesFilter filter =
        ReadYourWritesFilter.builder(TokenCarrier.of(db, tokens))
            .cookie(TokenCookie.of("consistency").insecure()) // no TLS in this example
            .build();
    // end::wire[]
    this.server = new Server(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
    ServletContextHandler context = new ServletContextHandler();
    context.addFilter(
        new FilterHolder(filter),
        "/*",
        EnumSet.of(DispatcherType.REQUEST, DispatcherType.ERROR, DispatcherType.ASYNC));
    context.addServlet(new ServletHolder(new Profile(db)), "/profile");
    server.setHandler(context);
    server.start();
  }

  /** {@code PUT} saves a name, {@code GET} shows it. */
  private static final class Profile extends HttpServlet {
    private static final long serialVersionUID = 1L;

    private final transient ReadYourWrites db;

    Profile(ReadYourWrites db) {
      this.db = db;
    }

    // tag::servlet[]
    @Override
    protected void doPut(HttpServletRequest request, HttpServletResponse response) {
      Session session = ReadYourWritesFilter.session(request);
      String name = request.getParameter("name");
      db.write(session, tx -> tx.dsl().execute("UPDATE profile SET name = ? WHERE id = 1", name));
    }

    @Override
    protected void doGet(HttpServletRequest request, HttpServletResponse response)
        throws IOException {
      Session session = ReadYourWritesFilter.session(request);
      Object name =
          db.read(session, tx -> tx.dsl().fetchValue("SELECT name FROM profile WHERE id = 1"));
      response.getWriter().print(name);
    }
    // end::servlet[]
  }

  URI profile() {
    int port = ((ServerConnector) server.getConnectors()[0]).getLocalPort();
    return URI.create("http://localhost:" + port + "/profile");
  }

  public static void main(String[] args) throws Exception {
    try (PostgresCluster cluster = PostgresCluster.builder().replicas(1).start()) {
      run(cluster, System.out);
    }
  }

  static void run(PostgresCluster cluster, PrintStream out) throws Exception {
    byte[] secret = new byte[32];
    new SecureRandom().nextBytes(secret);
    KeyRing keys = KeyRing.of("k1", secret);
    HttpClient browser = HttpClient.newHttpClient();
    try (ProfileOverHttp a = new ProfileOverHttp(cluster, keys, 0);
        ProfileOverHttp b = new ProfileOverHttp(cluster, keys, 0)) {
      int ignored =
          a.db.write(
              a.db.session(),
              tx -> tx.dsl().execute("CREATE TABLE profile AS SELECT 1 AS id, 'old' AS name"));
      cluster.replica().awaitCaughtUp();
      cluster.replica().pauseReplay();
      try {
        HttpResponse<String> saved =
            browser.send(
                HttpRequest.newBuilder(URI.create(a.profile() + "?name=Ada"))
                    .PUT(HttpRequest.BodyPublishers.noBody())
                    .build(),
                HttpResponse.BodyHandlers.ofString());
        String line = saved.headers().firstValue("Set-Cookie").orElseThrow();
        String cookie = line.substring(0, line.indexOf(';'));
        out.println("saved Ada on node a");
        out.println("node b without the cookie shows " + show(browser, b, ""));
        out.println("node b with the cookie shows " + show(browser, b, cookie));
      } finally {
        cluster.replica().resumeReplay();
      }
    }
  }

  private static String show(HttpClient browser, ProfileOverHttp node, String cookie)
      throws IOException, InterruptedException {
    HttpRequest.Builder request = HttpRequest.newBuilder(node.profile());
    if (!cookie.isEmpty()) {
      request.header("Cookie", cookie);
    }
    return browser.send(request.build(), HttpResponse.BodyHandlers.ofString()).body();
  }

  private static DatabaseNode node(PostgresNode server, HikariDataSource pool) {
    PGSimpleDataSource probes = new PGSimpleDataSource();
    probes.setUrl(server.jdbcUrl());
    return DatabaseNode.of(server.name(), pool, probes);
  }

  private static HikariDataSource pool(PostgresNode server) {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(server.jdbcUrl());
    config.setMaximumPoolSize(4);
    return new HikariDataSource(config);
  }

  @Override
  public void close() {
    try {
      server.stop();
    } catch (Exception e) {
      throw new IllegalStateException("the server does not stop", e);
    } finally {
      db.close();
      replicaPool.close();
      primaryPool.close();
    }
  }
}
