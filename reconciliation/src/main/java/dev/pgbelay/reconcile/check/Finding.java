package dev.pgbelay.reconcile.check;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.reconcile.internal.Given;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import org.jooq.Condition;
import org.jooq.DataType;
import org.jooq.Field;
import org.jooq.JSONB;
import org.jooq.impl.DSL;

/**
 * Something that is wrong, once however many runs see it.
 *
 * @param id of it, for people and logs
 * @param rowKey the row's primary key, or the key of a query's row, as an array of texts; see
 *     {@link #rowIs}
 * @param evidence what was wrong when it was last seen: the values that refer, or what the value is
 *     and what was expected; data of the table
 * @param firstSeen when a run saw it first
 * @param confirmedAt when it was confirmed first; empty for a candidate
 * @param closedAt when a run did not find it any more, or it was repaired
 * @param reopened how often it came back after that
 */
public record Finding(
    long id,
    String declaration,
    JSONB rowKey,
    State state,
    JSONB evidence,
    Instant firstSeen,
    Instant lastSeen,
    Optional<Instant> confirmedAt,
    Optional<Instant> closedAt,
    int reopened) {
  /** What became of it. */
  public enum State {
    /** Seen, and perhaps only under way. */
    CANDIDATE,
    /** Seen again after all that could have mended it. */
    CONFIRMED,
    /** Closed by a repair. */
    REPAIRED,
    /** Not there any more. */
    RESOLVED
  }

  /**
   * Says of a statement's rows which one this is about, for repairs that are custom.
   *
   * @param key all columns of the table's primary key, in its order (of a query, the columns that
   *     it was declared with), each with its type; no row is met if some are left out
   * @throws PgBelayException if a column has no type
   */
  public Condition rowIs(Field<?>... key) {
    List<Field<?>> columns = Given.all("finding of '" + declaration + "': the key", key);
    Condition row = DSL.jsonbGetElementAsText(DSL.val(rowKey), columns.size()).isNull();
    for (int n = 0; n < columns.size(); n++) {
      row = row.and(isElement(columns.get(n), n));
    }
    return row;
  }

  private <T> Condition isElement(Field<T> column, int index) {
    DataType<T> type = column.getDataType();
    if (type.getType() == Object.class) {
      throw new PgBelayException(
          "finding of '%s': column %s has no type; name it with one, such as field(name, BIGINT)"
              .formatted(declaration, column.getName()));
    }
    return column.eq(DSL.jsonbGetElementAsText(DSL.val(rowKey), index).cast(type));
  }
}
