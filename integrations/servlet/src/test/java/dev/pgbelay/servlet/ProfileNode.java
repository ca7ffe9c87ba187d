package dev.pgbelay.servlet;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.token.KeyRing;
import dev.pgbelay.routing.ConsistencyTokens;
import dev.pgbelay.routing.DatabaseNode;
import dev.pgbelay.routing.ReadYourWrites;
import dev.pgbelay.routing.Session;
import dev.pgbelay.routing.carrier.TokenCarrier;
import dev.pgbelay.testing.PostgresCluster;
import dev.pgbelay.testing.PostgresNode;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import jakarta.servlet.DispatcherType;
import jakarta.servlet.Filter;
import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import org.eclipse.jetty.ee10.servlet.ErrorPageErrorHandler;
import org.eclipse.jetty.ee10.servlet.FilterHolder;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.postgresql.ds.PGSimpleDataSource;

/** A service of one process with its own router, and a servlet that a test gives. */
final class ProfileNode implements AutoCloseable {
  static final Duration TOKENS_LIVE = Duration.ofHours(1);

  /** What stands behind the filter. */
  interface Page {
    void serve(HttpServletRequest request, HttpServletResponse response)
        throws IOException, ServletException;
  }

  private final List<HikariDataSource> pools = new ArrayList<>();
  private final ErrorPageErrorHandler pages = new ErrorPageErrorHandler();
  private final Server server;
  final ReadYourWrites db;
  final SimpleMeterRegistry registry = new SimpleMeterRegistry();
  volatile Page page = (request, response) -> {};

  ProfileNode(PostgresCluster cluster, Consumer<ReadYourWritesFilter.Builder> options)
      throws Exception {
    this(cluster, options, EnumSet.allOf(DispatcherType.class), 1);
  }

  ProfileNode(
      PostgresCluster cluster,
      Consumer<ReadYourWritesFilter.Builder> options,
      Set<DispatcherType> dispatches,
      int filters)
      throws Exception {
    this(cluster, options, dispatches, filters, List.of());
  }

  /**
   * @param more filters behind its own
   */
  ProfileNode(
      PostgresCluster cluster,
      Consumer<ReadYourWritesFilter.Builder> options,
      Set<DispatcherType> dispatches,
      int filters,
      List<Filter> more)
      throws Exception {
    this.db =
        ReadYourWrites.builder(node(cluster.primary()))
            .replica(node(cluster.replica()))
            .probeInterval(Duration.ofMillis(20))
            .maxWait(Duration.ofMillis(20))
            .maxAge(Duration.ofMillis(500))
            .maxLag(1L << 40, Duration.ofHours(1))
            .failoverWait(Duration.ofSeconds(20))
            .start();
    ReadYourWritesFilter.Builder builder =
        ReadYourWritesFilter.builder(
                TokenCarrier.builder(db, tokens(1, TOKENS_LIVE)).meterRegistry(registry).build())
            .meterRegistry(registry);
    options.accept(builder);
    ReadYourWritesFilter filter = builder.build();
    this.server = new Server(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
    ServletContextHandler context = new ServletContextHandler();
    List<Filter> all = new ArrayList<>(Collections.nCopies(filters, filter));
    all.addAll(more);
    for (Filter each : all) {
      FilterHolder holder = new FilterHolder(each);
      holder.setAsyncSupported(true);
      context.addFilter(holder, "/*", EnumSet.copyOf(dispatches));
    }
    ServletHolder servlet =
        new ServletHolder(
            new HttpServlet() {
              private static final long serialVersionUID = 1L;

              @Override
              protected void service(HttpServletRequest request, HttpServletResponse response)
                  throws ServletException, IOException {
                page.serve(request, response);
              }
            });
    servlet.setAsyncSupported(true);
    context.addServlet(servlet, "/*");
    context.setErrorHandler(pages);
    server.setHandler(context);
    server.start();
  }

  static ConsistencyTokens tokens(int seed, Duration live) {
    byte[] secret = new byte[32];
    secret[0] = (byte) seed;
    return ConsistencyTokens.of(KeyRing.of("k", secret), live);
  }

  private DatabaseNode node(PostgresNode node) {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(node.jdbcUrl());
    config.setMaximumPoolSize(4);
    config.setMinimumIdle(0);
    config.setConnectionTimeout(2_000);
    HikariDataSource pool = new HikariDataSource(config);
    pools.add(pool);
    PGSimpleDataSource probes = new PGSimpleDataSource();
    probes.setUrl(node.jdbcUrl());
    return DatabaseNode.of(node.name(), pool, probes);
  }

  /** Sets the name of row 1. */
  void write(HttpServletRequest request, String name) {
    Session session = ReadYourWritesFilter.session(request);
    db.write(session, tx -> tx.dsl().execute("UPDATE profile SET name = ? WHERE id = 1", name));
  }

  /** Gets it. */
  String read(HttpServletRequest request) {
    return db.read(
        ReadYourWritesFilter.session(request),
        tx -> String.valueOf(tx.dsl().fetchValue("SELECT name FROM profile WHERE id = 1")));
  }

  /** Answers with it, and with where it was read. */
  void show(HttpServletRequest request, HttpServletResponse response) throws IOException {
    String name = read(request);
    response.setHeader(
        "X-Reason",
        ReadYourWritesFilter.session(request).lastDecision().orElseThrow().reason().name());
    response.getWriter().print(name);
  }

  /** From now on the page also serves as the page of errors. */
  void mapErrors() {
    pages.addErrorPage(400, 599, "/errors");
  }

  HttpRequest.Builder request(String path) {
    return HttpRequest.newBuilder(
            URI.create(
                "http://localhost:"
                    + ((ServerConnector) server.getConnectors()[0]).getLocalPort()
                    + path))
        .timeout(Duration.ofMinutes(1));
  }

  HttpResponse<String> send(HttpRequest request) throws IOException, InterruptedException {
    return HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
  }

  /** A request with these cookies, as {@code name=value}. */
  HttpResponse<String> get(String... cookies) throws IOException, InterruptedException {
    HttpRequest.Builder request = request("/");
    if (cookies.length > 0) {
      request.header("Cookie", String.join("; ", cookies));
    }
    return send(request.build());
  }

  /** One request that this page serves. */
  HttpResponse<String> get(Page once, String... cookies) throws IOException, InterruptedException {
    page = once;
    return get(cookies);
  }

  static List<String> setCookies(HttpResponse<?> response) {
    return response.headers().allValues("Set-Cookie").stream()
        .filter(line -> line.startsWith(ReadYourWritesFilter.COOKIE + "="))
        .toList();
  }

  /** As a browser would send it. */
  static String cookie(HttpResponse<?> response) {
    List<String> lines = setCookies(response);
    if (lines.size() != 1) {
      throw new AssertionError("expected one cookie, got " + response.headers().map());
    }
    return lines.get(0).substring(0, lines.get(0).indexOf(';'));
  }

  double count(String meter, String tag, String value) {
    return registry.get(meter).tag(tag, value).counter().count();
  }

  @Override
  public void close() {
    try {
      server.stop();
    } catch (Exception e) {
      throw new IllegalStateException("a node's service did not stop", e);
    }
    db.close();
    pools.forEach(HikariDataSource::close);
  }
}
