package dev.pgbelay.kafka;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.outbox.NewMessage;
import dev.pgbelay.outbox.Outbox;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * Producers of all kinds. Half of the keys are aggregates, whose row is changed before an append;
 * those of the other half are only ever appended to strictly.
 */
final class StormProducers implements AutoCloseable {
  /** How messages are appended. */
  enum Kind {
    LOCKED,
    LOCKED_REPEATABLE_READ,
    SEVERAL_AGGREGATES,
    STRICT,
    STRICT_SERIALIZABLE,
    UNKEYED,
    ROLLED_BACK,
    SAVEPOINT_ROLLED_BACK,
    BULK,
    GIVEN_ID
  }

  private static final TxOptions REPEATABLE_READ =
      TxOptions.builder().isolation(TxOptions.Isolation.REPEATABLE_READ).build();
  private static final TxOptions SERIALIZABLE =
      TxOptions.builder().isolation(TxOptions.Isolation.SERIALIZABLE).build();

  private static final class OnPurpose extends RuntimeException {
    private static final long serialVersionUID = 1L;
  }

  private final Transactions transactions;
  private final Outbox outbox = Outbox.create();
  private final int keysOfEach;
  private final int most;
  private final AtomicInteger appended = new AtomicInteger();
  private final AtomicInteger failures = new AtomicInteger();
  private final Collection<String> rolledBack = new ConcurrentLinkedQueue<>();
  private final Map<Kind, AtomicInteger> transactionsOf = new EnumMap<>(Kind.class);
  private final AtomicReference<@Nullable Throwable> broken = new AtomicReference<>();
  private final List<Thread> threads = new ArrayList<>();
  private volatile int allowed = Integer.MAX_VALUE;
  private volatile boolean stopped;

  /**
   * @param most producers end when so many messages are known to be committed
   */
  StormProducers(HikariDataSource pool, int keysOfEach, int most) {
    this.transactions = Transactions.of(pool);
    this.keysOfEach = keysOfEach;
    this.most = most;
    for (Kind kind : Kind.values()) {
      transactionsOf.put(kind, new AtomicInteger());
    }
  }

  void start(int count, long seed) {
    for (int i = 0; i < count; i++) {
      Random random = new Random(seed + i);
      String name = "p" + i;
      Thread thread = new Thread(() -> produce(name, random), "storm-producer-" + i);
      threads.add(thread);
      thread.start();
    }
  }

  private void produce(String name, Random random) {
    try {
      for (int i = 0; !stopped && appended.get() < most; i++) {
        while (!stopped && appended.get() >= allowed) {
          TimeUnit.MILLISECONDS.sleep(5);
        }
        Kind kind = Kind.values()[random.nextInt(Kind.values().length)];
        Work work = new Work(random.nextLong(), name + "-" + i);
        try {
          work.run(kind);
          Objects.requireNonNull(transactionsOf.get(kind)).incrementAndGet();
        } catch (RuntimeException e) {
          // The server is away, or nobody knows what became of it: the facts will tell.
          failures.incrementAndGet();
          TimeUnit.MILLISECONDS.sleep(20);
        }
      }
    } catch (Throwable e) {
      broken.compareAndSet(null, e);
    }
  }

  /** Not more than so many for now: so that there is something on its way in every fault. */
  void allow(int messages) {
    allowed = messages;
  }

  void await(Duration most) throws InterruptedException {
    long until = System.nanoTime() + most.toNanos();
    for (Thread thread : threads) {
      TimeUnit.NANOSECONDS.timedJoin(thread, Math.max(1, until - System.nanoTime()));
      if (thread.isAlive()) {
        throw new IllegalStateException(
            thread.getName()
                + " does not end, "
                + report()
                + ", it stands at "
                + List.of(thread.getStackTrace()));
      }
    }
    Throwable failure = broken.get();
    if (failure != null) {
      throw new IllegalStateException("a producer broke", failure);
    }
  }

  Collection<String> rolledBack() {
    return rolledBack;
  }

  String report() {
    return appended + " appended, transactions " + transactionsOf + ", failed ones " + failures;
  }

  @Override
  public void close() {
    stopped = true;
    for (Thread thread : threads) {
      try {
        thread.join(TimeUnit.SECONDS.toMillis(30));
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        return;
      }
    }
  }

  /** One transaction, which may run several times; each time it draws the same. */
  private final class Work {
    private final long seed;
    private final String name;

    /** Of the run that is under way, or was the last. */
    private List<String> ids = new ArrayList<>();

    private Random random;

    Work(long seed, String name) {
      this.seed = seed;
      this.name = name;
      this.random = new Random(seed);
    }

    void run(Kind kind) {
      switch (kind) {
        case LOCKED -> commit(TxOptions.defaults(), this::locked);
        case LOCKED_REPEATABLE_READ -> commit(REPEATABLE_READ, this::locked);
        case SEVERAL_AGGREGATES -> commit(TxOptions.defaults(), this::severalAggregates);
        case STRICT -> commit(TxOptions.defaults(), this::strict);
        case STRICT_SERIALIZABLE -> commit(SERIALIZABLE, this::strict);
        case UNKEYED ->
            commit(TxOptions.defaults(), tx -> append(tx, List.of(message()), null, null));
        case ROLLED_BACK -> rollBack();
        case SAVEPOINT_ROLLED_BACK -> commit(TxOptions.defaults(), this::savepoint);
        case BULK -> commit(TxOptions.defaults(), this::bulk);
        case GIVEN_ID -> givenId();
      }
    }

    private void commit(TxOptions options, dev.pgbelay.core.TxWork.Action<SQLException> work) {
      try {
        transactions.execute(
            options,
            tx -> {
              // A run before this one was rolled back.
              rolledBack.addAll(ids);
              ids = new ArrayList<>();
              random = new Random(seed);
              work.run(tx);
            });
      } catch (SQLException e) {
        throw new IllegalStateException(e);
      }
      appended.addAndGet(ids.size());
    }

    private NewMessage message() {
      return NewMessage.text(StormTables.TOPIC, "{\"of\": \"" + name + "\"}").withType("placed");
    }

    private String aggregate() {
      return "a" + random.nextInt(keysOfEach);
    }

    private String strictKey() {
      return "s" + random.nextInt(keysOfEach);
    }

    private void append(
        Tx tx, List<NewMessage> messages, @Nullable String key, @Nullable Long version) {
      List<String> now = new ArrayList<>();
      if (messages.size() > 1 && random.nextBoolean()) {
        outbox.appendAll(tx, messages).forEach(one -> now.add(one.messageId()));
      } else {
        messages.forEach(one -> now.add(outbox.append(tx, one).messageId()));
      }
      ids.addAll(now);
      StormTables.commits(tx, now, key, version);
    }

    private List<NewMessage> some(String key, boolean strict) {
      List<NewMessage> messages = new ArrayList<>();
      for (int n = random.nextInt(3); n >= 0; n--) {
        NewMessage one = message().withKey(key);
        messages.add(strict ? one.withStrictOrder() : one);
      }
      return messages;
    }

    private void locked(Tx tx) {
      String key = aggregate();
      long version = StormTables.lockAggregate(tx, key);
      append(tx, some(key, false), key, version);
    }

    private void severalAggregates(Tx tx) {
      TreeSet<String> keys = new TreeSet<>();
      for (int i = 0; i < 3; i++) {
        keys.add(aggregate());
      }
      for (String key : keys) {
        long version = StormTables.lockAggregate(tx, key);
        append(tx, some(key, false), key, version);
      }
    }

    private void strict(Tx tx) {
      String key = strictKey();
      append(tx, some(key, true), key, null);
    }

    private void rollBack() {
      try {
        transactions.execute(
            tx -> {
              rolledBack.addAll(ids);
              ids = new ArrayList<>();
              random = new Random(seed);
              locked(tx);
              strict(tx);
              throw new OnPurpose();
            });
      } catch (OnPurpose e) {
        rolledBack.addAll(ids);
      }
    }

    private void savepoint(Tx tx) throws SQLException {
      locked(tx);
      List<String> kept = ids;
      ids = new ArrayList<>();
      Savepoint before = tx.connection().setSavepoint();
      locked(tx);
      strict(tx);
      tx.connection().rollback(before);
      rolledBack.addAll(ids);
      ids = kept;
      if (random.nextBoolean()) {
        strict(tx);
      }
    }

    /** Many keys at once, whose locks are taken in one order whatever theirs is. */
    private void bulk(Tx tx) {
      List<NewMessage> messages = new ArrayList<>();
      List<String> keys = new ArrayList<>();
      for (int i = 0; i < 40; i++) {
        String key = strictKey();
        keys.add(key);
        messages.add(message().withKey(key).withStrictOrder());
      }
      List<Outbox.Appended> all = outbox.appendAll(tx, messages);
      for (int i = 0; i < all.size(); i++) {
        ids.add(all.get(i).messageId());
      }
      for (int i = 0; i < keys.size(); i++) {
        StormTables.commits(tx, List.of(all.get(i).messageId()), keys.get(i), null);
      }
    }

    /** As one does who must not append twice: again until the answer is known. */
    private void givenId() {
      String id = "given-" + name;
      while (!stopped) {
        try {
          transactions.execute(
              tx -> {
                random = new Random(seed);
                String key = strictKey();
                Outbox.Appended one =
                    outbox.append(tx, message().withKey(key).withMessageId(id).withStrictOrder());
                if (one.outcome() == Outbox.Appended.Outcome.APPENDED) {
                  StormTables.commits(tx, List.of(id), key, null);
                }
              });
          appended.incrementAndGet();
          return;
        } catch (RuntimeException e) {
          failures.incrementAndGet();
        }
      }
    }
  }
}
