package dev.pgbelay.idempotency.webhook;

import dev.pgbelay.core.background.BackgroundLoop;
import dev.pgbelay.core.background.Pass;
import dev.pgbelay.core.internal.OptionRange;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Processes the events of an inbox, the one that has been due for longest first. Run one in each
 * process that should; they do not meet in an event.
 *
 * <p><b>Guarantee.</b> The handler's writes and the mark "processed" are one transaction, so what
 * it writes to this database happens once for each event, whatever crashes and however often. A
 * worker that stops within it is ended by the server after the inbox's lease, and changes nothing
 * when it wakes. What fails is tried again with growing pauses, and parked in the end; meanwhile
 * the other events go on.
 *
 * <p>Owns its threads, one unless said. Safe for several threads.
 */
public final class WebhookWorker implements AutoCloseable {
  private static final Duration WATCH = Duration.ofSeconds(5);

  private final WebhookInbox inbox;
  private final Processing processing;
  private final int perPass;
  private final List<BackgroundLoop> loops = new ArrayList<>();
  private final AtomicLong watchedAt = new AtomicLong(System.nanoTime() - WATCH.toNanos());

  private WebhookWorker(Builder builder) {
    this.inbox = builder.inbox;
    this.processing = new Processing(inbox.options(), builder.handler);
    this.perPass = builder.perPass;
    for (int i = 1; i <= builder.threads; i++) {
      String name = "webhook-" + inbox.provider() + (builder.threads == 1 ? "" : "-" + i);
      BackgroundLoop[] self = new BackgroundLoop[1];
      self[0] =
          BackgroundLoop.builder(name, () -> pass(self[0]))
              .idlePause(builder.firstPause, builder.longestPause)
              .meterRegistry(inbox.options().registry())
              .build();
      loops.add(self[0]);
    }
    inbox.onStored(this::wakeUp);
  }

  public static Builder builder(WebhookInbox inbox, EventHandler handler) {
    return new Builder(inbox, handler);
  }

  /** Starts the threads. */
  public void start() {
    loops.forEach(BackgroundLoop::start);
  }

  /** Looks for events now; the inbox of this process does so by itself for what it stores. */
  public void wakeUp() {
    loops.forEach(BackgroundLoop::wakeUp);
  }

  /** The loops, for their health: {@link BackgroundLoop#sinceLastSuccess}. */
  public List<BackgroundLoop> loops() {
    return List.copyOf(loops);
  }

  /**
   * One pass on the calling thread, for tests and for services with a schedule of their own.
   *
   * @return how many events it handled, whatever became of them
   * @throws Exception if the database could not be asked
   */
  public int runOnce() throws Exception {
    return loops.get(0).runOnce().work();
  }

  private Pass pass(BackgroundLoop loop) throws InterruptedException {
    int handled = 0;
    while (handled < perPass && !loop.isStopping() && processing.one()) {
      handled++;
    }
    watch(handled == 0);
    return Pass.worked(handled);
  }

  /** Counts what is open; not in each pass of those that follow each other at once. */
  private void watch(boolean idle) {
    long now = System.nanoTime();
    long last = watchedAt.get();
    if ((idle || now - last >= WATCH.toNanos()) && watchedAt.compareAndSet(last, now)) {
      InboxOptions options = inbox.options();
      options
          .meters()
          .stands(
              () ->
                  options.transactions().run(options.own(), tx -> inbox.list().standing(tx.dsl())));
    }
  }

  Processing processing() {
    return processing;
  }

  /** Lets the running handlers end, and starts no other. */
  @Override
  public void close() {
    loops.forEach(BackgroundLoop::close);
  }

  /** Not safe for several threads. */
  public static final class Builder {
    private final WebhookInbox inbox;
    private final EventHandler handler;
    private int threads = 1;
    private int perPass = 100;
    private Duration firstPause = Duration.ofMillis(200);
    private Duration longestPause = Duration.ofSeconds(2);

    private Builder(WebhookInbox inbox, EventHandler handler) {
      this.inbox = inbox;
      this.handler = handler;
    }

    /** How many events are handled at once, each with a connection: 1 to 64; 1 unless said. */
    public Builder threads(int count) {
      this.threads = count;
      return this;
    }

    /** The most events in a pass of one thread, 1 to 10,000; 100 unless said. */
    public Builder perPass(int most) {
      this.perPass = most;
      return this;
    }

    /** Pauses while nothing is due, doubling: 200 ms to 2 s unless said. */
    public Builder idlePause(Duration first, Duration longest) {
      this.firstPause = first;
      this.longestPause = longest;
      return this;
    }

    /**
     * Checks the options.
     *
     * @throws dev.pgbelay.core.PgBelayException naming the option, its value and its range
     */
    public WebhookWorker build() {
      OptionRange.require("threads", threads, 1, 64);
      OptionRange.require("perPass", perPass, 1, 10_000);
      return new WebhookWorker(this);
    }
  }
}
