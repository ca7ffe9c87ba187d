package dev.pgbelay.servlet;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.idempotency.Idempotency;
import dev.pgbelay.testing.TemplateInitializer;
import jakarta.servlet.DispatcherType;
import jakarta.servlet.Filter;
import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletRequestWrapper;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.security.Principal;
import java.time.Duration;
import java.util.EnumSet;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import javax.sql.DataSource;
import org.eclipse.jetty.ee10.servlet.ErrorPageErrorHandler;
import org.eclipse.jetty.ee10.servlet.FilterHolder;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.jspecify.annotations.Nullable;

/** A server with a filter, and a servlet behind it that a test gives. */
final class Shop {
  static final TemplateInitializer SCHEMA =
      dataSource -> {
        SchemaInstaller.builder(dataSource).modules("batch", "idempotency").build().install();
        DSL.using(dataSource, SQLDialect.POSTGRES).execute("create table placed (note text)");
      };

  private static final Duration LONG = Duration.ofMinutes(1);

  /** What stands behind the filter. */
  interface Counter {
    void serve(HttpServletRequest request, HttpServletResponse response)
        throws IOException, ServletException;
  }

  private final Server server;
  private final DataSource dataSource;
  private final AtomicInteger ended = new AtomicInteger();
  private final List<Exception> thrown = new CopyOnWriteArrayList<>();
  volatile Counter counter = (request, response) -> place(request, response, "anything");

  Shop(DataSource dataSource, Filter filter) throws Exception {
    this.dataSource = dataSource;
    this.server = new Server(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
    ServletContextHandler context = new ServletContextHandler();
    Filter authentication =
        (request, response, chain) -> {
          String user = ((HttpServletRequest) request).getHeader("X-User");
          try {
            chain.doFilter(
                new HttpServletRequestWrapper((HttpServletRequest) request) {
                  @Override
                  public @Nullable Principal getUserPrincipal() {
                    return user == null ? null : () -> user;
                  }
                },
                response);
          } catch (IOException | ServletException | RuntimeException e) {
            thrown.add(e);
            throw e;
          } finally {
            ended.incrementAndGet();
          }
        };
    for (Filter each : new Filter[] {authentication, filter}) {
      FilterHolder holder = new FilterHolder(each);
      holder.setAsyncSupported(true);
      context.addFilter(
          holder,
          "/*",
          EnumSet.of(DispatcherType.REQUEST, DispatcherType.ERROR, DispatcherType.FORWARD));
    }
    ServletHolder servlet =
        new ServletHolder(
            new HttpServlet() {
              private static final long serialVersionUID = 1L;

              @Override
              protected void service(HttpServletRequest request, HttpServletResponse response)
                  throws ServletException, IOException {
                counter.serve(request, response);
              }
            });
    servlet.setAsyncSupported(true);
    context.addServlet(servlet, "/*");
    ErrorPageErrorHandler pages = new ErrorPageErrorHandler();
    pages.addErrorPage(ServletException.class, "/page-of-errors");
    context.setErrorHandler(pages);
    server.setHandler(context);
    server.start();
  }

  static Idempotency idempotency(DataSource dataSource) {
    return Idempotency.builder(Transactions.of(dataSource), dataSource).build();
  }

  /** Writes a row and answers 201. */
  static void place(HttpServletRequest request, HttpServletResponse response, String note)
      throws IOException {
    IdempotencyFilter.tx(request).dsl().execute("insert into placed values (?)", note);
    response.setStatus(201);
    response.setHeader("Location", "/orders/1");
    response.setHeader("X-Trace", "abc");
    response.setContentType("text/plain;charset=UTF-8");
    response.getWriter().print("placed: " + note);
  }

  int placed() {
    return DSL.using(dataSource, SQLDialect.POSTGRES)
        .fetchSingle("select count(*) from placed")
        .get(0, Integer.class);
  }

  int stored() {
    return DSL.using(dataSource, SQLDialect.POSTGRES)
        .fetchSingle("select count(*) from pgbelay.idempotency_key")
        .get(0, Integer.class);
  }

  HttpRequest.Builder request(String path) {
    return HttpRequest.newBuilder(URI.create("http://localhost:" + port()).resolve(path))
        .timeout(LONG)
        .header("X-User", "ann")
        .header("Content-Type", "application/json");
  }

  /** How many requests the server is done with, one way or the other. */
  int ended() {
    return ended.get();
  }

  /** What came out of the filter, in its order. */
  List<Exception> thrown() {
    return thrown;
  }

  int port() {
    return ((org.eclipse.jetty.server.ServerConnector) server.getConnectors()[0]).getLocalPort();
  }

  /**
   * On a connection of its own: the server closes one whose request it has not read to the end, and
   * a client that has not heard of that yet cannot repeat a POST.
   */
  HttpResponse<String> send(HttpRequest request) throws IOException, InterruptedException {
    return HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
  }

  /** A POST under a key, in quotes. */
  HttpResponse<String> post(String key, String body) throws IOException, InterruptedException {
    return send(keyed("\"" + key + "\"", body).build());
  }

  CompletableFuture<HttpResponse<String>> postAsync(String key, String body) {
    return HttpClient.newHttpClient()
        .sendAsync(keyed("\"" + key + "\"", body).build(), HttpResponse.BodyHandlers.ofString());
  }

  HttpRequest.Builder keyed(String header, String body) {
    return request("/orders")
        .header("Idempotency-Key", header)
        .POST(HttpRequest.BodyPublishers.ofString(body));
  }

  void stop() throws Exception {
    server.stop();
  }
}
