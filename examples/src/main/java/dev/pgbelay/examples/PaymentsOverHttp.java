package dev.pgbelay.examples;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.examples.cards.CardCharge;
import dev.pgbelay.idempotency.Codec;
import dev.pgbelay.idempotency.Fingerprint;
import dev.pgbelay.idempotency.Idempotency;
import dev.pgbelay.idempotency.fingerprint.FingerprintRule;
import dev.pgbelay.idempotency.jackson.JacksonCodec;
import dev.pgbelay.idempotency.payment.Completer;
import dev.pgbelay.idempotency.payment.PaymentOperation;
import dev.pgbelay.idempotency.payment.Payments;
import dev.pgbelay.idempotency.payment.ProviderLimits;
import dev.pgbelay.idempotency.payment.StepKey;
import dev.pgbelay.idempotency.testing.FakeProvider;
import dev.pgbelay.idempotency.testing.FakeProviderClient;
import dev.pgbelay.idempotency.testing.ProviderFault;
import dev.pgbelay.servlet.IdempotencyFilter;
import dev.pgbelay.servlet.PaymentServlet;
import dev.pgbelay.testing.PostgresCluster;
import jakarta.servlet.DispatcherType;
import jakarta.servlet.Filter;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletRequestWrapper;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.security.Principal;
import java.time.Duration;
import java.time.InstantSource;
import java.util.EnumSet;
import java.util.Map;
import javax.sql.DataSource;
import org.eclipse.jetty.ee10.servlet.FilterHolder;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.SQLDialect;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.jspecify.annotations.Nullable;

/**
 * A shop that takes keys from its clients: {@code POST /orders} writes a row and stands behind the
 * filter; {@code POST /payments} charges a card and is a payment operation. Each may be sent as
 * often as the client likes.
 */
public final class PaymentsOverHttp implements AutoCloseable {
  /** What a client asks for, as JSON. */
  record Payment(String order, long cents) {
    Payment {
      if (cents <= 0) {
        throw new IllegalArgumentException("cents must be positive");
      }
    }
  }

  /** What it gets. */
  record Receipt(String order, String charge, String refusal) {}

  private static final Table<Record> ORDERS = table(name("orders"));
  private static final Field<String> OF = field(name("customer"), SQLDataType.VARCHAR(40));
  private static final StepKey<String> CHARGED = StepKey.of("charge", Codec.text());
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Payments payments;
  private final Completer completer;
  private final Server server;

  PaymentsOverHttp(DataSource dataSource, DataSource keepAlive, FakeProviderClient cards, int port)
      throws Exception {
    SchemaInstaller.builder(dataSource).modules("idempotency").build().install();
    DSL.using(dataSource, SQLDialect.POSTGRES).createTable(ORDERS).columns(OF).execute();
    Transactions transactions = Transactions.of(dataSource);
    // tag::wire[]
    FingerprintRule rule = FingerprintRule.builder().method().path().jsonBody().build();
    IdempotencyFilter filter =
        IdempotencyFilter.builder(
                Idempotency.builder(transactions, dataSource).build(), "orders", rule)
            .build();

    this.payments = Payments.builder(transactions, keepAlive).build();
    PaymentServlet<Payment, Receipt> paying =
        PaymentServlet.builder(
                operation(payments, cards),
                request -> JSON.readValue(request.body(), Payment.class),
                PaymentsOverHttp::write)
            .build();
    // end::wire[]
    this.completer = Completer.builder(payments).build();
    this.server = new Server(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
    ServletContextHandler context = new ServletContextHandler();
    context.addFilter(new FilterHolder(authentication()), "/*", EnumSet.of(DispatcherType.REQUEST));
    context.addFilter(new FilterHolder(filter), "/orders", EnumSet.of(DispatcherType.REQUEST));
    context.addServlet(new ServletHolder(new Orders()), "/orders");
    context.addServlet(new ServletHolder(paying), "/payments");
    server.setHandler(context);
    server.start();
    completer.start();
  }

  // tag::operation[]
  private static PaymentOperation<Payment, Receipt> operation(
      Payments payments, FakeProviderClient cards) {
    ProviderLimits limits =
        ProviderLimits.builder("cards", Duration.ofHours(24), Duration.ofSeconds(10))
            .attempts(1, Duration.ofMillis(100))
            .build();
    return payments
        .operation(
            "payments",
            payment ->
                Fingerprint.of(1, (payment.order() + '\0' + payment.cents()).getBytes(UTF_8)),
            JacksonCodec.of(Payment.class),
            JacksonCodec.of(Receipt.class))
        .provider(CHARGED, new CardCharge<>(cards, Payment::order, Payment::cents), limits)
        .respond(
            (tx, execution) ->
                new Receipt(
                    execution.request().order(),
                    execution.find(CHARGED).orElse("none"),
                    execution.refusal().orElse("")))
        .build();
  }

  private static void write(Receipt receipt, HttpServletResponse http) throws IOException {
    http.setStatus(receipt.refusal().isEmpty() ? 201 : 402);
    http.setContentType("application/json");
    http.getOutputStream().write(JSON.writeValueAsBytes(receipt));
  }

  // end::operation[]

  /** Database work alone. */
  private static final class Orders extends HttpServlet {
    private static final long serialVersionUID = 1L;

    // tag::servlet[]
    @Override
    protected void doPost(HttpServletRequest request, HttpServletResponse response)
        throws IOException {
      IdempotencyFilter.tx(request)
          .dsl()
          .insertInto(ORDERS, OF)
          .values(request.getUserPrincipal().getName())
          .execute();
      response.setStatus(201);
      response.setContentType("application/json");
      response.getWriter().print("{\"state\":\"placed\"}");
    }
    // end::servlet[]
  }

  /** Whatever yours is; it says on whose behalf a request comes. */
  private static Filter authentication() {
    Map<String, String> tokens = Map.of("Bearer demo-token", "shop-7");
    return (request, response, chain) -> {
      HttpServletRequest http = (HttpServletRequest) request;
      String customer = tokens.get(String.valueOf(http.getHeader("Authorization")));
      chain.doFilter(
          new HttpServletRequestWrapper(http) {
            @Override
            public @Nullable Principal getUserPrincipal() {
              return customer == null ? null : () -> customer;
            }
          },
          response);
    };
  }

  URI uri() {
    int port = ((ServerConnector) server.getConnectors()[0]).getLocalPort();
    return URI.create("http://localhost:" + port);
  }

  @Override
  public void close() {
    try {
      server.stop();
    } catch (Exception e) {
      throw new IllegalStateException("the server does not stop", e);
    } finally {
      completer.close();
      payments.close();
    }
  }

  /** Serves until it is stopped; the provider loses its first answer. */
  public static void main(String[] args) throws Exception {
    try (PostgresCluster cluster = PostgresCluster.builder().start();
        HikariDataSource pool = pool(cluster.primary().jdbcUrl(), 8);
        HikariDataSource leases = pool(cluster.primary().jdbcUrl(), 1);
        FakeProvider provider = FakeProvider.start(InstantSource.system())) {
      provider.next(ProviderFault.DROP_AFTER_ACTING);
      FakeProviderClient cards =
          new FakeProviderClient(HttpClient.newHttpClient(), provider.uri(), Duration.ofSeconds(5));
      try (PaymentsOverHttp shop = new PaymentsOverHttp(pool, leases, cards, 8080)) {
        System.out.println(
            "curl -i "
                + shop.uri()
                + "/payments -H 'Authorization: Bearer demo-token' -H 'Idempotency-Key: \"a1\"'"
                + " -d '{\"order\":\"order-1\",\"cents\":1990}'");
        Thread.currentThread().join();
      }
    }
  }

  private static HikariDataSource pool(String url, int size) {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(url);
    config.setMaximumPoolSize(size);
    return new HikariDataSource(config);
  }
}
