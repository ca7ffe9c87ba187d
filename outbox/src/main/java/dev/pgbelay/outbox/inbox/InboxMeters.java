package dev.pgbelay.outbox.inbox;

import dev.pgbelay.core.internal.QuietMetrics;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import java.util.Locale;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What an inbox reports. */
interface InboxMeters {
  InboxMeters NONE = new InboxMeters() {};

  default void ended(String consumer, Inbox.Outcome outcome, int messages) {}

  default void failed(String consumer, int messages) {}

  default void emptied(int slots) {}

  /** Into a registry. */
  final class OfMicrometer implements InboxMeters {
    private static final Logger LOG = LoggerFactory.getLogger(Inbox.class);
    private static final String PREFIX = "pgbelay.outbox.inbox.";

    private final MeterRegistry registry;
    private final QuietMetrics quiet = new QuietMetrics(LOG, "the inbox");

    OfMicrometer(MeterRegistry registry) {
      this.registry = registry;
    }

    @Override
    public void ended(String consumer, Inbox.Outcome outcome, int messages) {
      messages(consumer, outcome.name().toLowerCase(Locale.ROOT), messages);
    }

    @Override
    public void failed(String consumer, int messages) {
      messages(consumer, "failed", messages);
    }

    private void messages(String consumer, String outcome, int messages) {
      if (messages > 0) {
        quiet.count(
            () ->
                Counter.builder(PREFIX + "messages")
                    .description("Messages given to the inbox, by what was done with them")
                    .baseUnit("messages")
                    .tags("consumer", consumer, "outcome", outcome)
                    .register(registry)
                    .increment(messages));
      }
    }

    @Override
    public void emptied(int slots) {
      quiet.count(
          () ->
              Counter.builder(PREFIX + "emptied")
                  .description("Days of marks that were dropped as a whole")
                  .baseUnit("days")
                  .register(registry)
                  .increment(slots));
    }
  }
}
