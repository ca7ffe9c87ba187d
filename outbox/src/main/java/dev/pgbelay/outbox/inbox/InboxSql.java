package dev.pgbelay.outbox.inbox;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.OffsetDateTime;
import java.util.BitSet;
import java.util.List;
import org.jooq.Field;
import org.jooq.SQLDialect;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;

/** The statement that marks messages as processed. */
final class InboxSql {
  /**
   * Writes the marks, and says of which messages there was none. Another transaction's mark that is
   * not decided yet is waited for by the INSERTs, in one order: dated marks before others, each in
   * the order of the ids. The scalar subquery sees to the former: it runs the first INSERT to its
   * end before the second one gets a row.
   *
   * <p>Binds days ahead, youngest, oldest dated, fresh, ids, days, and the consumer three times.
   */
  private static final String MARK =
      """
      WITH today AS MATERIALIZED (
        SELECT CAST(floor(extract(epoch FROM clock_timestamp()) / 86400) AS integer)
               + CAST(? AS integer) AS day),
      given AS MATERIALIZED (
        SELECT g.ordinal, g.message_id, g.birth_day,
               coalesce(today.day - g.birth_day BETWEEN ? AND ?, false) AS dated,
               coalesce(today.day - g.birth_day NOT BETWEEN 0 AND ?, true) AS other
          FROM today,
               unnest(CAST(? AS text[]), CAST(? AS integer[]))
                 WITH ORDINALITY AS g(message_id, birth_day, ordinal)),
      dated AS (
        INSERT INTO <mark> (slot, consumer, message_id)
        SELECT g.birth_day % 32, ?, CAST(g.message_id AS uuid)
          FROM given AS g
         WHERE g.dated
         ORDER BY g.message_id COLLATE "C"
            ON CONFLICT DO NOTHING
        RETURNING message_id),
      first AS MATERIALIZED (
        SELECT CAST(dated.message_id AS text) AS message_id FROM dated),
      others AS (
        INSERT INTO <other> (consumer, message_id)
        SELECT ?, g.message_id
          FROM given AS g
         WHERE g.other
           AND (SELECT count(*) FROM first) >= 0
           AND (NOT g.dated OR g.message_id IN (SELECT first.message_id FROM first))
         ORDER BY g.message_id COLLATE "C"
            ON CONFLICT DO NOTHING
        RETURNING message_id)
      SELECT g.ordinal
        FROM given AS g
       WHERE (NOT g.dated OR g.message_id IN (SELECT first.message_id FROM first))
         AND CASE WHEN g.other
                  THEN g.message_id IN (SELECT others.message_id FROM others)
                  ELSE NOT EXISTS (
                    SELECT FROM <other> AS o WHERE o.consumer = ? AND o.message_id = g.message_id)
             END\
      """;

  /** Fails, so that nothing of the transaction can be committed. */
  private static final String SPOIL = "SELECT CAST('the work of an inbox failed' AS integer)";

  static final Field<OffsetDateTime> PROCESSED_AT =
      DSL.field(DSL.name("processed_at"), SQLDataType.TIMESTAMPWITHTIMEZONE);
  static final Field<String> CONSUMER = DSL.field(DSL.name("consumer"), SQLDataType.VARCHAR);
  static final Field<String> MESSAGE_ID = DSL.field(DSL.name("message_id"), SQLDataType.VARCHAR);

  private final String schema;
  private final MarkDays days;
  private final int daysAhead;
  private final String mark;

  /**
   * @param daysAhead of the database's clock; other than 0 in tests only
   */
  InboxSql(String schema, MarkDays days, int daysAhead) {
    this.schema = schema;
    this.days = days;
    this.daysAhead = daysAhead;
    this.mark =
        MARK.replace("<mark>", name(schema, "inbox_mark"))
            .replace("<other>", name(schema, "inbox_other_mark"));
  }

  static String name(String schema, String table) {
    return DSL.using(SQLDialect.POSTGRES).render(DSL.table(DSL.name(schema, table)));
  }

  Table<?> otherTable() {
    return DSL.table(DSL.name(schema, "inbox_other_mark"));
  }

  /**
   * Marks all of them.
   *
   * @param ids each one once
   * @return the places of those that had no mark
   */
  BitSet mark(Connection connection, String consumer, List<String> ids) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(mark)) {
      statement.setInt(1, daysAhead);
      statement.setInt(2, MarkDays.YOUNGEST);
      statement.setInt(3, days.oldestDated());
      statement.setInt(4, MarkDays.FRESH);
      statement.setArray(5, connection.createArrayOf("text", ids.toArray()));
      statement.setArray(
          6, connection.createArrayOf("integer", ids.stream().map(BirthDay::of).toArray()));
      statement.setString(7, consumer);
      statement.setString(8, consumer);
      statement.setString(9, consumer);
      BitSet unmarked = new BitSet(ids.size());
      try (ResultSet row = statement.executeQuery()) {
        while (row.next()) {
          unmarked.set(row.getInt(1) - 1);
        }
      }
      return unmarked;
    }
  }

  static void spoil(Connection connection) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(SPOIL)) {
      statement.execute();
    }
  }
}
