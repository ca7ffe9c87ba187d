package dev.pgbelay.idempotency.testing;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.idempotency.webhook.HmacSignatures;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Queue;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A payment provider on the loopback address, over real sockets, that misbehaves as asked and knows
 * afterwards what really happened. For tests; from other processes too.
 *
 * <ul>
 *   <li>{@code POST /charges} with {@code Idempotency-Key} and the form {@code
 *       reference=…&amount=…&currency=…}: 201, or 402 when declined; 409 while the key runs, 422
 *       for another request under the key, and a replay for the same one, until the key is
 *       forgotten: then it charges again.
 *   <li>{@code POST /charges/ch-1/refund} with a key.
 *   <li>{@code GET /charges?key=…}: 200 or 404, also long after the key was forgotten.
 *   <li>{@code GET /charges?since=…&after=…&limit=…}: a page, a charge in each line.
 *   <li>{@code GET /charge-list?since=…&page=…&limit=…}: the newest first, in pages that shift
 *       while new charges come in; {@code Next-Page} stands for the one behind.
 * </ul>
 *
 * {@link FakeProviderClient} speaks it. Safe for several threads.
 */
public final class FakeProvider implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(FakeProvider.class);
  private static final Duration DELIVERY = Duration.ofSeconds(30);

  /** When events are told by themselves. */
  public enum Webhooks {
    /** Only by {@link #deliver}. */
    HELD,
    /** Before the request that caused them is answered. */
    BEFORE_THE_ANSWER,
    /** As soon as the request that caused them was answered, or dropped. */
    AFTER_THE_ANSWER
  }

  private record Target(URI uri, HmacSignatures signatures, Webhooks when) {}

  private final ChargeBook book;
  private final ChargeList list;
  private final HeldRequests held;
  private final ChargeHandler handler;
  private final HttpServer server;
  private final ExecutorService threads;
  private final HttpClient sender = HttpClient.newHttpClient();
  private final Queue<ProviderFault> next = new ConcurrentLinkedQueue<>();
  private final AtomicInteger requests = new AtomicInteger();
  private volatile Supplier<ProviderFault> otherwise = () -> ProviderFault.NONE;
  private volatile @Nullable Target target;

  private FakeProvider(Builder builder) {
    this.book = new ChargeBook(builder.clock, builder.keyWindow, builder.keys);
    this.list = new ChargeList(book);
    this.held = new HeldRequests(builder.holdFor);
    this.handler = new ChargeHandler(book, list, held, this::nextFault, this::tellBefore);
    AtomicInteger number = new AtomicInteger();
    this.threads =
        Executors.newCachedThreadPool(
            task -> {
              Thread thread = new Thread(task, "fake-provider-" + number.incrementAndGet());
              thread.setDaemon(true);
              return thread;
            });
    try {
      this.server =
          HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    server.setExecutor(threads);
    server.createContext("/", this::handle);
    server.start();
  }

  /**
   * Begins with keys that are kept for a day, and requests that are held for an hour.
   *
   * @param clock the provider's, by which keys are forgotten and charges dated
   */
  public static Builder builder(InstantSource clock) {
    return new Builder(clock);
  }

  /** Starts one with those options. */
  public static FakeProvider start(InstantSource clock) {
    return builder(clock).start();
  }

  /** Where it listens, without a path. */
  public URI uri() {
    return URI.create("http://localhost:" + server.getAddress().getPort());
  }

  /** What happens to the next requests that would change something, in this order. */
  public void next(ProviderFault... faults) {
    next.addAll(List.of(faults));
  }

  /** What happens to requests that {@link #next} says nothing about; NONE unless said. */
  public void otherwise(Supplier<ProviderFault> faults) {
    this.otherwise = faults;
  }

  private ProviderFault nextFault() {
    ProviderFault fault = next.poll();
    return fault == null ? otherwise.get() : fault;
  }

  /** What happens to the next requests for a page of {@code /charge-list}, in this order. */
  public void nextPages(ListFault... faults) {
    list.next(faults);
  }

  /** How many requests are being held. */
  public int held() {
    return held.count();
  }

  /** Lets go of all that are held now. */
  public void release() {
    held.release();
  }

  /** Its window is over for every key: what comes again is new to it. */
  public void forgetKeys() {
    book.forgetKeys();
  }

  /** All charges, declined ones too, in the order they were made. */
  public List<FakeCharge> charges() {
    return book.charges();
  }

  /** How often money was taken for a reference: more than once is what nobody wants. */
  public int effects(String reference) {
    return (int)
        charges().stream()
            .filter(charge -> charge.reference().equals(reference) && charge.hasTakenEffect())
            .count();
  }

  /** How many requests came, of every kind. */
  public int requests() {
    return requests.get();
  }

  /** All events so far, delivered or not, as they happened. */
  public List<FakeEvent> events() {
    return book.events();
  }

  /** Where events go from now on, who signs them, and when they go by themselves. */
  public void webhooks(URI to, HmacSignatures signatures, Webhooks when) {
    this.target = new Target(to, signatures, when);
  }

  /**
   * Delivers an event, for the first time or again, and waits for the answer.
   *
   * @return the status of the answer
   * @throws PgBelayException if nobody said where to
   */
  public int deliver(FakeEvent event) throws IOException, InterruptedException {
    Target to = target;
    if (to == null) {
      throw new PgBelayException("nobody said where events go: call webhooks(...)");
    }
    return deliver(event, to);
  }

  /** Delivers every event there is once or twice, in any order, as the random numbers have it. */
  public void deliverInAnyOrder(Random random) throws IOException, InterruptedException {
    List<FakeEvent> deliveries = new ArrayList<>();
    for (FakeEvent event : events()) {
      deliveries.add(event);
      if (random.nextBoolean()) {
        deliveries.add(event);
      }
    }
    Collections.shuffle(deliveries, random);
    for (FakeEvent event : deliveries) {
      deliver(event);
    }
  }

  private int deliver(FakeEvent event, Target to) throws IOException, InterruptedException {
    byte[] body = event.format().getBytes(java.nio.charset.StandardCharsets.UTF_8);
    HttpRequest request =
        HttpRequest.newBuilder(to.uri())
            .timeout(DELIVERY)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .header(to.signatures().header(), to.signatures().sign(body))
            .POST(HttpRequest.BodyPublishers.ofByteArray(body))
            .build();
    return sender.send(request, HttpResponse.BodyHandlers.discarding()).statusCode();
  }

  private void tellBefore(FakeEvent event) {
    tell(event, Webhooks.BEFORE_THE_ANSWER);
  }

  private void tell(FakeEvent event, Webhooks when) {
    Target to = target;
    if (to == null || to.when() != when) {
      return;
    }
    try {
      deliver(event, to);
    } catch (IOException e) {
      LOG.info("event {} was not delivered: {}", event.id(), e.toString());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void handle(HttpExchange exchange) throws IOException {
    requests.incrementAndGet();
    FakeEvent event;
    try {
      event = handler.handle(exchange);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return;
    }
    if (event != null) {
      tell(event, Webhooks.AFTER_THE_ANSWER);
    }
  }

  /**
   * Stops listening; requests that are held are dropped, and those held before acting never act.
   */
  @Override
  public void close() {
    held.close();
    server.stop(0);
    threads.shutdownNow();
  }

  /** Not safe for several threads. */
  public static final class Builder {
    private final InstantSource clock;
    private Duration keyWindow = Duration.ofDays(1);
    private Duration holdFor = Duration.ofHours(1);
    private boolean keys = true;

    private Builder(InstantSource clock) {
      this.clock = clock;
    }

    /** For how long a key is known, 1 ms to 3,650 days. */
    public Builder keyWindow(Duration window) {
      this.keyWindow = window;
      return this;
    }

    /**
     * As a provider that has no idempotency keys: each request acts, whatever its key. The status
     * query still finds the first charge that was asked for with a key, as by a reference.
     */
    public Builder withoutKeys() {
      this.keys = false;
      return this;
    }

    /** For how long a request is held that nobody lets go, 1 ms to a day. */
    public Builder holdFor(Duration time) {
      this.holdFor = time;
      return this;
    }

    /**
     * Starts it on a free port of the loopback address.
     *
     * @throws PgBelayException naming the option, its value and its range
     */
    public FakeProvider start() {
      OptionRange.require("keyWindow", keyWindow, Duration.ofMillis(1), Duration.ofDays(3650));
      OptionRange.require("holdFor", holdFor, Duration.ofMillis(1), Duration.ofDays(1));
      return new FakeProvider(this);
    }
  }
}
