package dev.pgbelay.outbox;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.internal.Refusal;
import dev.pgbelay.core.internal.StatementStart;
import dev.pgbelay.outbox.AppendManySql.Answer;
import dev.pgbelay.outbox.AppendManySql.Asked;
import dev.pgbelay.outbox.AppendSql.Added;
import dev.pgbelay.outbox.Outbox.Appended;
import dev.pgbelay.outbox.Outbox.Appended.Outcome;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.ThreadLocalRandom;
import org.jspecify.annotations.Nullable;

/** Appends messages by the statement that suits them. Safe for several threads. */
final class Appender {
  private static final Refusal REFUSED =
      Refusal.ofModule("outbox", "outbox")
          .with(
              "40P01",
              "it waited for another transaction that waited for it; append in one call what has"
                  + " strict order or ids of its own, and retry the transaction");

  private final String schema;
  private final int payloadLimit;
  private final MessageIds ids;
  private final AppendSql sql;
  private final AppendManySql manySql;
  private final LastRoutes routes = new LastRoutes();
  private final CommitAlarm alarm;
  private final @Nullable Counter appended;
  private final @Nullable Counter duplicates;

  Appender(
      String schema,
      int payloadLimit,
      MessageIds ids,
      CommitAlarm alarm,
      @Nullable MeterRegistry registry) {
    this.schema = schema;
    this.payloadLimit = payloadLimit;
    this.ids = ids;
    this.sql = new AppendSql(schema);
    this.manySql = new AppendManySql(schema);
    this.alarm = alarm;
    this.appended =
        counter(registry, "appended", "Messages appended, by transactions that may roll back");
    this.duplicates =
        counter(registry, "duplicates", "Messages not appended, because their id was known");
  }

  private static @Nullable Counter counter(
      @Nullable MeterRegistry registry, String name, String description) {
    return registry == null
        ? null
        : Counter.builder("pgbelay.outbox." + name).description(description).register(registry);
  }

  Appended append(Tx tx, NewMessage message) {
    if (message.messageId().isPresent()) {
      return appendAll(tx, List.of(message)).get(0);
    }
    MessageRules.requireFit(message, payloadLimit);
    String messageId = ids.next();
    int lane = lane(message);
    StatementStart.announce(tx);
    try {
      if (message.key().isEmpty()
          && message.payload().length <= HandOver.MOST_BYTES
          && alarm.mayHandOver(tx)) {
        List<WrittenRow> rows = sql.appendTold(tx.connection(), message, messageId, lane);
        if (rows.isEmpty()) {
          throw unknown(Set.of(message.topic()));
        }
        count(appended, 1);
        alarm.afterCommit(tx, rows, lane, message, messageId);
        return new Appended(messageId, Outcome.APPENDED);
      }
      Set<Integer> destinations =
          message.strictOrder()
              ? appendStrictly(tx.connection(), message, messageId, lane).destinations()
              : appendFreely(tx.connection(), message, messageId, lane);
      if (destinations.isEmpty()) {
        throw unknown(Set.of(message.topic()));
      }
      count(appended, 1);
      alarm.afterCommit(tx, destinations);
      return new Appended(messageId, Outcome.APPENDED);
    } catch (SQLException e) {
      throw refused(e);
    }
  }

  /** Who is woken; none if the message goes nowhere. */
  private Set<Integer> appendFreely(
      Connection connection, NewMessage message, String messageId, int lane) throws SQLException {
    // Destinations have other numbers in another database.
    String topic = connection.getMetaData().getURL() + ' ' + message.topic();
    Set<Integer> last = routes.of(topic);
    if (last == null) {
      Set<Integer> told = sql.append(connection, message, messageId, lane);
      if (!told.isEmpty()) {
        routes.saw(topic, told);
      }
      return told;
    }
    int rows = sql.appendUntold(connection, message, messageId, lane);
    if (rows != last.size()) {
      routes.forget(topic);
    }
    return rows == 0 ? Set.of() : last;
  }

  private Added appendStrictly(
      Connection connection, NewMessage message, String messageId, int lane) throws SQLException {
    String key = message.key().orElseThrow();
    long lock = KeyPlace.lock(schema, key);
    Added added = sql.appendStrictly(connection, message, messageId, lane, lock, false);
    if (added.highest().isEmpty()) {
      return added;
    }
    requireHeld(connection, new TreeMap<>(Map.of(lock, key)), added.highest());
    return sql.appendStrictly(connection, message, messageId, lane, lock, true);
  }

  List<Appended> appendAll(Tx tx, List<NewMessage> messages) {
    if (messages.isEmpty()) {
      return List.of();
    }
    List<Appended> results = new ArrayList<>(messages.size());
    List<EncodedMessages.One> once = new ArrayList<>(messages.size());
    SortedMap<Long, String> locks = new TreeMap<>();
    Set<String> givenIds = new HashSet<>();
    Set<String> topics = new LinkedHashSet<>();
    for (NewMessage message : messages) {
      MessageRules.requireFit(message, payloadLimit);
      topics.add(message.topic());
      String messageId = message.messageId().orElseGet(ids::next);
      boolean again = message.messageId().isPresent() && !givenIds.add(messageId);
      results.add(new Appended(messageId, again ? Outcome.DUPLICATE : Outcome.APPENDED));
      if (!again) {
        once.add(new EncodedMessages.One(message, messageId, lane(message)));
      }
      if (message.strictOrder()) {
        message.key().ifPresent(key -> locks.put(KeyPlace.lock(schema, key), key));
      }
    }
    StatementStart.announce(tx);
    try {
      Set<String> unused = new HashSet<>(givenIds);
      unused.removeAll(send(tx, topics, givenIds, locks, new EncodedMessages(once)));
      return judged(results, unused);
    } catch (SQLException e) {
      throw refused(e);
    }
  }

  /** Those of the given ids that were new. */
  private Set<String> send(
      Tx tx,
      Set<String> topics,
      Set<String> givenIds,
      SortedMap<Long, String> locks,
      EncodedMessages messages)
      throws SQLException {
    Connection connection = tx.connection();
    boolean guarded = !givenIds.isEmpty() || !locks.isEmpty();
    Asked asked = new Asked(topics, givenIds.stream().sorted().toList(), locks.keySet(), false);
    List<EncodedMessages> parts = messages.inParts();
    if (parts.size() == 1) {
      Answer answer =
          guarded
              ? guarded(
                  connection, locks, asked, now -> manySql.appendGuarded(connection, now, messages))
              : known(manySql.append(connection, topics, messages));
      tell(tx, answer.destinations());
      return answer.taken();
    }
    Answer answer = guarded(connection, locks, asked, now -> manySql.guard(connection, now));
    Set<String> taken = answer.taken();
    for (EncodedMessages part : parts) {
      EncodedMessages fresh =
          new EncodedMessages(
              part.all().stream()
                  .filter(
                      one -> one.message().messageId().isEmpty() || taken.contains(one.messageId()))
                  .toList());
      if (!fresh.all().isEmpty()) {
        tell(tx, known(manySql.append(connection, topics, fresh)).destinations());
      }
    }
    return taken;
  }

  /** A statement that may be refused for its locks. */
  private interface Guarded {
    Answer send(Asked asked) throws SQLException;
  }

  private static Answer guarded(
      Connection connection, SortedMap<Long, String> locks, Asked asked, Guarded statement)
      throws SQLException {
    Answer answer = known(statement.send(asked));
    if (answer.highest().isEmpty()) {
      return answer;
    }
    requireHeld(connection, locks, answer.highest());
    return known(statement.send(asked.whereHeld()));
  }

  private static Answer known(Answer answer) {
    if (!answer.unknownTopics().isEmpty()) {
      throw unknown(answer.unknownTopics());
    }
    return answer;
  }

  /** Whoever takes a lower lock while it holds a higher one can be waited for by its holder. */
  private static void requireHeld(
      Connection connection, SortedMap<Long, String> locks, OptionalLong highest)
      throws SQLException {
    Set<Long> held = StrictSql.held(connection, locks.keySet());
    for (Map.Entry<Long, String> lock : locks.headMap(highest.orElseThrow()).entrySet()) {
      if (!held.contains(lock.getKey())) {
        throw new PgBelayException(
            "a message was not appended to key '"
                + lock.getValue()
                + "' in strict order: this transaction has appended strictly to another key, whose"
                + " lock stands behind that of this one, and could deadlock. Append both in one"
                + " call of appendAll, which sorts them");
      }
    }
  }

  private List<Appended> judged(List<Appended> results, Set<String> used) {
    List<Appended> judged =
        used.isEmpty()
            ? results
            : results.stream()
                .map(
                    one ->
                        used.contains(one.messageId())
                            ? new Appended(one.messageId(), Outcome.DUPLICATE)
                            : one)
                .toList();
    int repeats = 0;
    for (Appended one : judged) {
      repeats += one.outcome() == Outcome.DUPLICATE ? 1 : 0;
    }
    count(appended, judged.size() - repeats);
    count(duplicates, repeats);
    return List.copyOf(judged);
  }

  private void tell(Tx tx, Set<Integer> destinations) {
    if (!destinations.isEmpty() && alarm.isHeard()) {
      alarm.afterCommit(tx, destinations);
    }
  }

  private int lane(NewMessage message) {
    return message
        .key()
        .map(KeyPlace::lane)
        .orElseGet(
            () ->
                alarm
                    .ownedLane()
                    .orElseGet(() -> ThreadLocalRandom.current().nextInt(KeyPlace.LANES)));
  }

  private static void count(@Nullable Counter counter, int messages) {
    if (counter != null) {
      counter.increment(messages);
    }
  }

  private static PgBelayException unknown(Set<String> topics) {
    String names = String.join("', '", topics.stream().sorted().toList());
    return new PgBelayException(
        "nothing was appended: topic '"
            + names
            + "' is routed to no destination; add it with Routes.add(tx, topic, destination) in a"
            + " transaction that is committed before");
  }

  private static org.jooq.exception.DataAccessException refused(SQLException e) {
    return REFUSED.of("messages were not appended", e);
  }
}
