package dev.pgbelay.outbox;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.internal.DayRing;
import dev.pgbelay.core.internal.GuardedPermit;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.core.permit.ClaimPermit;
import dev.pgbelay.outbox.internal.Names;
import java.time.Duration;
import java.util.Optional;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Where a relay delivers, through what, and what is done about messages that cannot be delivered.
 *
 * <p>Immutable; as safe for several threads as its publisher.
 */
public final class Destination {
  private static final ClaimPermit EVERYTHING =
      new ClaimPermit() {
        @Override
        public int reserve(int wanted) {
          return wanted;
        }

        @Override
        public void release(int unused) {}

        @Override
        public void end(Duration took, Optional<Throwable> failure) {}
      };

  private final String name;
  private final MessagePublisher publisher;
  private final int concurrency;
  private final PoisonPolicy poisonPolicy;
  private final int maxAttempts;
  private final RetryPauses pauses;
  private final int mostHeldKeys;
  private final int retentionDays;
  private final @Nullable ClaimPermit permit;

  private Destination(Draft draft) {
    this.name = draft.name;
    this.publisher = draft.publisher;
    this.concurrency = draft.concurrency;
    this.poisonPolicy = draft.poisonPolicy;
    this.maxAttempts = draft.maxAttempts;
    this.pauses = draft.pauses;
    this.mostHeldKeys = draft.mostHeldKeys;
    this.retentionDays = draft.retentionDays;
    this.permit = draft.permit;
  }

  /** One that is not like another yet. */
  private static final class Draft {
    private final String name;
    private final MessagePublisher publisher;
    private int concurrency = 4;
    private PoisonPolicy poisonPolicy = PoisonPolicy.BLOCK_KEY;
    private int maxAttempts = 10;
    private RetryPauses pauses = RetryPauses.defaults();
    private int mostHeldKeys = 1_000;
    private int retentionDays;
    private @Nullable ClaimPermit permit;

    private Draft(String name, MessagePublisher publisher) {
      this.name = name;
      this.publisher = publisher;
    }
  }

  private Destination but(Consumer<Draft> change) {
    Draft draft = new Draft(name, publisher);
    draft.concurrency = concurrency;
    draft.poisonPolicy = poisonPolicy;
    draft.maxAttempts = maxAttempts;
    draft.pauses = pauses;
    draft.mostHeldKeys = mostHeldKeys;
    draft.retentionDays = retentionDays;
    draft.permit = permit;
    change.accept(draft);
    return new Destination(draft);
  }

  /**
   * A destination with 4 calls at once that blocks a key after 10 attempts.
   *
   * @param name as in the routes of the outbox
   * @param publisher stays the caller's, who closes it after the relay
   * @throws PgBelayException if no route can have that name, or the publisher's batch size is not 1
   *     to 10,000
   */
  public static Destination of(String name, MessagePublisher publisher) {
    Names.requireDestination(name);
    OptionRange.require(
        "batchSize of the publisher for '" + name + "'", publisher.batchSize(), 1, 10_000);
    return new Destination(new Draft(name, publisher));
  }

  /** How many calls of its publisher a relay makes at once, 1 to 1,000. */
  public Destination withConcurrency(int calls) {
    OptionRange.require("concurrency of '" + name + "'", calls, 1, 1_000);
    return but(draft -> draft.concurrency = calls);
  }

  /** What is done about a message that was rejected, or failed as often as it may. */
  public Destination withPoisonPolicy(PoisonPolicy policy) {
    return but(draft -> draft.poisonPolicy = policy);
  }

  /**
   * How often a message may fail before the policy decides, and how long it waits in between.
   *
   * @param attempts 1 to 1,000
   */
  public Destination withRetries(int attempts, RetryPauses between) {
    OptionRange.require("attempts of '" + name + "'", attempts, 1, 1_000);
    return but(
        draft -> {
          draft.maxAttempts = attempts;
          draft.pauses = between;
        });
  }

  /**
   * After so many keys in a row that fail, none delivered in between, a relay takes the destination
   * as a whole to be down: it delivers nothing more but one message now and then to see whether it
   * is back. 1 to 100,000, 1,000 unless said.
   */
  public Destination withMostFailingKeys(int keys) {
    OptionRange.require("mostFailingKeys of '" + name + "'", keys, 1, 100_000);
    return but(draft -> draft.mostHeldKeys = keys);
  }

  /**
   * Messages are looked for and delivered only while {@code admitting} lets them begin, each of
   * them one of its places; what it refuses stays where it is, in its order, and no attempt is
   * counted. A message that is rejected counts as a success there: the other side has answered.
   */
  public Destination withPermit(ClaimPermit admitting) {
    ClaimPermit guarded = new GuardedPermit("destination '" + name + "'", admitting);
    return but(draft -> draft.permit = guarded);
  }

  /**
   * What was delivered is kept for at least so long, for {@link dev.pgbelay.outbox.replay.Replay};
   * it is deleted when it is acknowledged unless this is said. Whole days, 1 to 28, from the
   * delivery, by the database's clock. Days are emptied whole, for all destinations at once, so
   * what is kept for less than the longest retention of the schema stays as long as that. All
   * relays of a destination are given the same: the last that has said so counts.
   *
   * @throws PgBelayException if it is not so many whole days
   */
  public Destination withRetention(Duration time) {
    OptionRange.requireWholeDays(
        "retention of '" + name + "'",
        time,
        Duration.ofDays(1),
        Duration.ofDays(DayRing.MOST_DAYS),
        "messages");
    return but(draft -> draft.retentionDays = (int) time.toDays());
  }

  String name() {
    return name;
  }

  MessagePublisher publisher() {
    return publisher;
  }

  int concurrency() {
    return concurrency;
  }

  PoisonPolicy poisonPolicy() {
    return poisonPolicy;
  }

  int maxAttempts() {
    return maxAttempts;
  }

  RetryPauses pauses() {
    return pauses;
  }

  int mostHeldKeys() {
    return mostHeldKeys;
  }

  /** 0 if what was delivered is not kept. */
  int retentionDays() {
    return retentionDays;
  }

  /** Whether the permit had no place the last time it was asked. */
  boolean isRefused() {
    return permit instanceof GuardedPermit guarded && guarded.isRefusing();
  }

  ClaimPermit permit() {
    return permit == null ? EVERYTHING : permit;
  }
}
