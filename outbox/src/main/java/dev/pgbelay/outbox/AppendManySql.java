package dev.pgbelay.outbox;

import dev.pgbelay.core.internal.PgDriver;
import dev.pgbelay.core.internal.StoredHeaders;
import java.sql.Array;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.Collection;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.OptionalLong;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The statements that append many messages, or one under an id that its producer gave. Ids are
 * drawn in the order of the arrays.
 */
class AppendManySql {
  /** Binds the topics. */
  private static final String UNKNOWN =
      """
      unknown AS MATERIALIZED (
        SELECT t.topic FROM unnest(CAST(? AS text[])) AS t(topic)
         WHERE NOT EXISTS (SELECT FROM <route> AS r WHERE r.topic = t.topic))\
      """;

  /**
   * Binds what {@link StrictSql#ASKED} does, and the given ids in one order for all producers. One
   * that another transaction has written and not committed is waited for. Nothing is written where
   * something is wrong.
   */
  private static final String GUARDED =
      ",\n"
          + StrictSql.ASKED
          + """
            ,
            proceed AS MATERIALIZED (
              SELECT asked.allowed AND NOT EXISTS (SELECT FROM unknown) AS yes FROM asked),
            taken AS (
              INSERT INTO <message id> (message_id)
              SELECT t.id FROM unnest(CAST(? AS text[])) WITH ORDINALITY AS t(id, n)
               WHERE (SELECT proceed.yes FROM proceed)
               ORDER BY t.n
              ON CONFLICT DO NOTHING
              RETURNING message_id)\
            """
          + StrictSql.LOCKED.replace(
              "<may>", "(SELECT proceed.yes FROM proceed) AND (SELECT count(*) FROM taken) >= 0");

  /** Binds lanes, ids, topics, keys, types, headers, payloads, whether the ids were given. */
  private static final String ADDED =
      """
      ,
      added AS (
        INSERT INTO <message> (destination, lane, message_id, topic, key, type, headers, payload)
        SELECT r.destination, g.lane, g.message_id, g.topic, g.key, g.type,
               CAST(g.headers AS text[]), g.payload
          FROM unnest(CAST(? AS smallint[]), CAST(? AS text[]), CAST(? AS text[]),
                      CAST(? AS text[]), CAST(? AS text[]), CAST(? AS text[]), CAST(? AS bytea[]),
                      CAST(? AS boolean[]))
                 WITH ORDINALITY
                 AS g(lane, message_id, topic, key, type, headers, payload, given, n)
               JOIN <route> AS r ON r.topic = g.topic<locked>
         WHERE <may>
         ORDER BY g.n, r.destination
        RETURNING destination)\
      """;

  private static final String APPEND =
      "WITH "
          + UNKNOWN
          + ADDED.replace("<locked>", "").replace("<may>", "NOT EXISTS (SELECT FROM unknown)")
          + """

            SELECT (SELECT array_agg(unknown.topic) FROM unknown), NULL, NULL,
                   (SELECT array_agg(DISTINCT added.destination) FROM added)\
            """;

  private static final String APPEND_GUARDED =
      "WITH "
          + UNKNOWN
          + GUARDED
          + ADDED
              .replace("<locked>", "\n         CROSS JOIN locked")
              .replace(
                  "<may>",
                  "(SELECT proceed.yes FROM proceed)\n"
                      + "           AND (NOT g.given OR g.message_id IN"
                      + " (SELECT taken.message_id FROM taken))")
          + """

            SELECT (SELECT array_agg(unknown.topic) FROM unknown),
                   (SELECT asked.highest FROM asked WHERE NOT asked.allowed),
                   (SELECT array_agg(taken.message_id) FROM taken),
                   (SELECT array_agg(DISTINCT added.destination) FROM added)\
            """;

  /** For what goes in several statements: nothing of it is written before all is right. */
  private static final String GUARD =
      "WITH "
          + UNKNOWN
          + GUARDED
          + """

            SELECT (SELECT array_agg(unknown.topic) FROM unknown),
                   (SELECT asked.highest FROM asked WHERE NOT asked.allowed),
                   (SELECT array_agg(taken.message_id) FROM taken),
                   NULL
              FROM locked\
            """;

  private final String append;
  private final String appendGuarded;
  private final String guard;

  AppendManySql(String schema) {
    TablesSql tables = new TablesSql(schema);
    this.append = tables.fill(APPEND);
    this.appendGuarded = tables.fill(APPEND_GUARDED);
    this.guard = tables.fill(GUARD);
  }

  /**
   * What is asked before anything is written.
   *
   * @param topics of the messages
   * @param givenIds that the producers gave, sorted
   * @param locks by ascending number
   * @param held whether those locks that are lower than the highest are known to be held
   */
  record Asked(
      Collection<String> topics, List<String> givenIds, Collection<Long> locks, boolean held) {
    Asked whereHeld() {
      return new Asked(topics, givenIds, locks, true);
    }
  }

  /**
   * What came of it. Something was written only if no topic is unknown and no lock was refused.
   *
   * @param unknownTopics that have no destination
   * @param highest the number of the highest lock of the transaction, if one was refused
   * @param taken those of the given ids that are new
   * @param destinations that have something
   */
  record Answer(
      Set<String> unknownTopics,
      OptionalLong highest,
      Set<String> taken,
      Set<Integer> destinations) {}

  /** Without strict order or given ids. */
  Answer append(Connection connection, Collection<String> topics, EncodedMessages messages)
      throws SQLException {
    try (PreparedStatement insert = connection.prepareStatement(append)) {
      PgDriver.planEachTime(insert);
      insert.setArray(1, connection.createArrayOf("text", topics.toArray()));
      bind(connection, insert, 2, messages);
      return answer(insert);
    }
  }

  Answer appendGuarded(Connection connection, Asked asked, EncodedMessages messages)
      throws SQLException {
    try (PreparedStatement insert = connection.prepareStatement(appendGuarded)) {
      PgDriver.planEachTime(insert);
      bind(connection, insert, bind(connection, insert, asked), messages);
      return answer(insert);
    }
  }

  /** Only what is before the messages. */
  Answer guard(Connection connection, Asked asked) throws SQLException {
    try (PreparedStatement insert = connection.prepareStatement(guard)) {
      bind(connection, insert, asked);
      return answer(insert);
    }
  }

  private static int bind(Connection connection, PreparedStatement insert, Asked asked)
      throws SQLException {
    insert.setArray(1, connection.createArrayOf("text", asked.topics().toArray()));
    int next = StrictSql.bind(connection, insert, 2, asked.locks(), asked.held());
    insert.setArray(next++, connection.createArrayOf("text", asked.givenIds().toArray()));
    return next;
  }

  private static void bind(
      Connection connection, PreparedStatement insert, int first, EncodedMessages messages)
      throws SQLException {
    List<EncodedMessages.One> all = messages.all();
    int count = all.size();
    Short[] lanes = new Short[count];
    String[] ids = new String[count];
    String[] topics = new String[count];
    @Nullable String[] keys = new String[count];
    @Nullable String[] types = new String[count];
    @Nullable String[] headers = new String[count];
    byte[][] payloads = new byte[count][];
    Boolean[] given = new Boolean[count];
    for (int i = 0; i < count; i++) {
      EncodedMessages.One one = all.get(i);
      NewMessage message = one.message();
      lanes[i] = (short) one.lane();
      ids[i] = one.messageId();
      topics[i] = message.topic();
      keys[i] = message.key().orElse(null);
      types[i] = message.type().orElse(null);
      headers[i] = StoredHeaders.write(message.headers());
      payloads[i] = message.payload();
      given[i] = message.messageId().isPresent();
    }
    int next = first;
    insert.setArray(next++, connection.createArrayOf("smallint", lanes));
    insert.setArray(next++, connection.createArrayOf("text", ids));
    insert.setArray(next++, connection.createArrayOf("text", topics));
    insert.setArray(next++, connection.createArrayOf("text", keys));
    insert.setArray(next++, connection.createArrayOf("text", types));
    insert.setArray(next++, connection.createArrayOf("text", headers));
    insert.setArray(next++, connection.createArrayOf("bytea", payloads));
    insert.setArray(next, connection.createArrayOf("boolean", given));
  }

  private static Answer answer(PreparedStatement insert) throws SQLException {
    try (ResultSet row = insert.executeQuery()) {
      row.next();
      long highest = row.getLong(2);
      OptionalLong refusedBy = row.wasNull() ? OptionalLong.empty() : OptionalLong.of(highest);
      Set<Integer> destinations = new LinkedHashSet<>();
      for (Object id : elements(row.getArray(4))) {
        destinations.add(((Number) id).intValue());
      }
      return new Answer(texts(row.getArray(1)), refusedBy, texts(row.getArray(3)), destinations);
    }
  }

  private static Set<String> texts(@Nullable Array array) throws SQLException {
    Set<String> texts = new HashSet<>();
    for (Object text : elements(array)) {
      texts.add(String.valueOf(text));
    }
    return texts;
  }

  private static Object[] elements(@Nullable Array array) throws SQLException {
    return array == null ? new Object[0] : (Object[]) array.getArray();
  }
}
