package dev.pgbelay.outbox;

/** What keeps messages that were delivered. */
final class PublishedSql {
  /** What a part {@code gone} of a statement must return for {@link #KEEP}. */
  static final String GONE =
      "<from>.id, <from>.appended_at, <from>.destination, <from>.lane, <from>.replay,"
          + " <from>.message_id, <from>.topic, <from>.key, <from>.type, <from>.headers,"
          + " <from>.payload";

  /** A part of a statement, behind one that deletes the messages as {@code gone}. */
  static final String KEEP =
      """
      ,
      kept AS (
        INSERT INTO <published> (id, appended_at, published_at, published_day, destination, lane,
                                 replay, message_id, topic, key, type, headers, payload)
        SELECT gone.id, gone.appended_at, now.at,
               CAST(floor(extract(epoch FROM now.at) / 86400) AS integer), gone.destination,
               gone.lane, gone.replay, gone.message_id, gone.topic, gone.key, gone.type,
               gone.headers, gone.payload
          FROM gone CROSS JOIN (SELECT clock_timestamp() AS at) AS now)\
      """;

  private PublishedSql() {}

  /** Columns of {@link #GONE} of a table that goes by that name. */
  static String gone(String from) {
    return GONE.replace("<from>", from);
  }
}
