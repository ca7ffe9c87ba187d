package dev.pgbelay.reconcile.guard;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.internal.ArrayLiteral;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.internal.CatalogSql;
import dev.pgbelay.reconcile.internal.RenderedQuery;
import dev.pgbelay.reconcile.internal.TableShape;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import org.jooq.exception.DataAccessException;
import org.jspecify.annotations.Nullable;

/** Asks the database for the parents of a reference, in one statement. Thread-safe. */
final class ParentLookup {
  private final Reference reference;
  private volatile @Nullable GuardSql sql;
  private volatile @Nullable GuardMeters meters;

  ParentLookup(Reference reference) {
    this.reference = reference;
  }

  /**
   * What is known of one key.
   *
   * @param isCommitted whether everybody sees it so, since this transaction wrote nothing
   * @param isCurrent whether it was so just now, and not when the transaction began
   * @param isSpelledAlike whether the key was asked for as PostgreSQL writes it
   */
  record Answer(
      List<String> key,
      boolean isThere,
      boolean isCommitted,
      boolean isCurrent,
      boolean isSpelledAlike) {}

  void count(GuardMeters with) {
    meters = with;
  }

  /** Those that are not there. */
  List<List<String>> missing(Tx tx, List<List<String>> keys) {
    GuardSql asking = sql(tx);
    return missing(tx, asking.findOne, asking.findAll, keys);
  }

  /** Locks those that are there; the others are returned. */
  List<List<String>> lock(Tx tx, List<List<String>> keys) {
    GuardSql asking = sql(tx);
    return missing(tx, asking.lockOne, asking.lockAll, keys);
  }

  private List<List<String>> missing(
      Tx tx, RenderedQuery one, RenderedQuery all, List<List<String>> keys) {
    if (keys.size() == 1) {
      return ask(tx, one, keys, rows -> rows.next() ? List.of() : keys);
    }
    BitSet missing =
        ask(
            tx,
            all,
            keys,
            rows -> {
              BitSet ordinals = new BitSet(keys.size());
              while (rows.next()) {
                ordinals.set(rows.getInt(1));
              }
              return ordinals;
            });
    return missing.stream().mapToObj(n -> keys.get(n - 1)).toList();
  }

  /** One for each key. */
  List<Answer> look(Tx tx, List<List<String>> keys) {
    GuardSql asking = sql(tx);
    return keys.size() == 1
        ? ask(tx, asking.lookAtOne, keys, rows -> List.of(answer(rows, keys.get(0))))
        : ask(tx, asking.lookAtAll, keys, rows -> answers(rows, keys));
  }

  private static Answer answer(ResultSet row, List<String> key) throws SQLException {
    row.next();
    boolean isCurrent = row.getBoolean(2);
    java.sql.Array found = row.getArray(3);
    boolean isThere = found != null;
    return new Answer(
        key,
        isThere,
        isCurrent && row.getBoolean(1),
        isCurrent,
        !isThere || List.of((Object[]) found.getArray()).equals(key));
  }

  private static List<Answer> answers(ResultSet rows, List<List<String>> keys) throws SQLException {
    boolean hasWrittenNothing = false;
    boolean isCurrent = false;
    BitSet missing = new BitSet(keys.size());
    BitSet respelled = new BitSet(keys.size());
    while (rows.next()) {
      int n = rows.getInt(1);
      if (n == 0) {
        hasWrittenNothing = rows.getBoolean(2);
        isCurrent = rows.getBoolean(3);
      } else if (rows.getBoolean(2)) {
        respelled.set(n);
      } else {
        missing.set(n);
      }
    }
    List<Answer> answers = new ArrayList<>(keys.size());
    for (int n = 1; n <= keys.size(); n++) {
      answers.add(
          new Answer(
              keys.get(n - 1),
              !missing.get(n),
              isCurrent && hasWrittenNothing,
              isCurrent,
              !respelled.get(n)));
    }
    return answers;
  }

  private <R> R ask(
      Tx tx, RenderedQuery query, List<List<String>> keys, RenderedQuery.Reader<R> reader) {
    GuardMeters counting = meters;
    if (counting != null) {
      counting.missed(keys.size());
    }
    try {
      return query.ask(tx, keys.size() == 1 ? keys.get(0) : arrays(keys), reader);
    } catch (SQLException e) {
      // The columns may have got other types since.
      sql = null;
      throw new DataAccessException(
          "reference '%s': parents in %s could not be asked for"
              .formatted(reference.name(), reference.parent().getName()),
          e);
    }
  }

  /** The keys, one array of each column. */
  private List<String> arrays(List<List<String>> keys) {
    List<String> arrays = new ArrayList<>();
    for (int k = 0; k < reference.parentColumns().size(); k++) {
      ArrayLiteral array = ArrayLiteral.of(keys.size(), this::refused);
      for (List<String> key : keys) {
        array.add(key.get(k));
      }
      arrays.add(array.toString());
    }
    return arrays;
  }

  private PgBelayException refused(String what) {
    return new PgBelayException("reference '%s': a key %s".formatted(reference.name(), what));
  }

  private GuardSql sql(Tx tx) {
    GuardSql known = sql;
    if (known == null) {
      TableShape parent = CatalogSql.get(tx.dsl(), reference, reference.parent());
      known =
          new GuardSql(
              reference,
              reference.parentColumns().stream()
                  .map(column -> type(parent, column.getName()))
                  .toList());
      sql = known;
    }
    return known;
  }

  private String type(TableShape parent, String column) {
    return parent
        .column(column)
        .orElseThrow(
            () ->
                new PgBelayException(
                    "reference '%s': %s has no column %s"
                        .formatted(reference.name(), parent.name(), column)))
        .unboundedType();
  }
}
