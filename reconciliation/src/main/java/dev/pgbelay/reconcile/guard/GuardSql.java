package dev.pgbelay.reconcile.guard;

import static org.jooq.impl.DSL.val;

import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.internal.CatalogSql;
import dev.pgbelay.reconcile.internal.ProbeSql;
import dev.pgbelay.reconcile.internal.TableShape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.jooq.Condition;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.impl.DSL;
import org.jspecify.annotations.Nullable;

/** Asks for many parents in one statement. */
final class GuardSql {
  /**
   * {0}: arrays of the columns, {1}: their names, {2}: the parent, {3}: same key and counts, {4}:
   * its columns as texts. A transaction that has no identity yet has written nothing that it sees.
   */
  private static final String FIND =
      """
      SELECT asked.pgbelay_n, ({4}) AS texts,
             pg_current_xact_id_if_assigned() IS NULL AS has_written_nothing,
             current_setting('transaction_isolation') = 'read committed' AS is_current
        FROM unnest({0}) WITH ORDINALITY AS asked({1}, pgbelay_n) LEFT JOIN {2} ON {3}\
      """;

  /** {4}: the parent without its schema */
  private static final String FIND_AND_LOCK =
      """
      SELECT asked.pgbelay_n
        FROM unnest({0}) WITH ORDINALITY AS asked({1}, pgbelay_n) JOIN {2} ON {3}\
      """;

  /** In the order of the key, so that two who lock the same parents do not wait for each other. */
  private static final String LOCK = " ORDER BY {1} FOR KEY SHARE OF {4}";

  /** An update that makes a parent count no more changes no key, and would pass a KEY SHARE. */
  private static final String LOCK_AS_IT_IS = " ORDER BY {1} FOR SHARE OF {4}";

  private final Reference reference;
  private final String lock;
  private final List<Field<?>> names = new ArrayList<>();
  private final Condition same;
  private final Field<?> texts;
  private volatile @Nullable GuardMeters meters;

  GuardSql(Reference reference) {
    this.reference = reference;
    boolean asItIs = !reference.parentWhere().equals(DSL.noCondition());
    this.lock = FIND_AND_LOCK + (asItIs ? LOCK_AS_IT_IS : LOCK);
    Condition all = DSL.noCondition();
    List<Field<?>> found = new ArrayList<>();
    for (Field<?> each : reference.parentColumns()) {
      Field<?> column = ProbeSql.column(reference.parent(), each.getName());
      Field<?> asked = DSL.field(DSL.name("pgbelay_k" + (names.size() + 1)));
      names.add(asked);
      all = all.and(DSL.condition("{0} = asked.{1}", column, asked));
      found.add(DSL.field("cast({0} AS text)", column));
    }
    this.same = all.and(reference.parentWhere());
    this.texts = DSL.field("ARRAY[{0}]", DSL.list(found));
  }

  /**
   * The parent's columns' types, as SQL writes them, without lengths and scales: a cast to those
   * would shorten a key to that of another parent.
   */
  List<String> types(DSLContext dsl) {
    TableShape parent = CatalogSql.get(dsl, reference, reference.parent());
    return reference.parentColumns().stream()
        .map(column -> parent.column(column.getName()).orElseThrow().unboundedType())
        .toList();
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

  private void missed(int keys) {
    GuardMeters counting = meters;
    if (counting != null) {
      counting.missed(keys);
    }
  }

  /** One for each key. */
  List<Answer> find(DSLContext dsl, List<String> types, List<List<String>> keys) {
    missed(keys.size());
    Answer[] answers = new Answer[keys.size()];
    for (Record row :
        dsl.resultQuery(
                FIND,
                DSL.list(arrays(types, keys)),
                DSL.list(names),
                reference.parent(),
                same,
                texts)
            .fetch()) {
      int n = Objects.requireNonNull(row.get(0, Integer.class)) - 1;
      List<@Nullable String> found = Arrays.asList(row.get(1, String[].class));
      boolean isThere = found.get(0) != null;
      boolean isCurrent = is(row, 3);
      answers[n] =
          new Answer(
              keys.get(n),
              isThere,
              isCurrent && is(row, 2),
              isCurrent,
              !isThere || found.equals(keys.get(n)));
    }
    return List.of(answers);
  }

  private static boolean is(Record row, int column) {
    return Boolean.TRUE.equals(row.get(column, Boolean.class));
  }

  /** Locks those that are there; the others are returned. */
  List<List<String>> lock(DSLContext dsl, List<String> types, List<List<String>> keys) {
    missed(keys.size());
    Set<Long> found =
        new HashSet<>(
            dsl.resultQuery(
                    lock,
                    DSL.list(arrays(types, keys)),
                    DSL.list(names),
                    reference.parent(),
                    same,
                    reference.parent().getUnqualifiedName())
                .fetch(row -> Objects.requireNonNull(row.get(0, Long.class))));
    List<List<String>> missing = new ArrayList<>();
    for (int n = 0; n < keys.size(); n++) {
      if (!found.contains(n + 1L)) {
        missing.add(keys.get(n));
      }
    }
    return missing;
  }

  /** The keys, one array of each column. */
  private static List<Field<?>> arrays(List<String> types, List<List<String>> keys) {
    List<Field<?>> arrays = new ArrayList<>();
    for (int k = 0; k < types.size(); k++) {
      int column = k;
      String[] texts = keys.stream().map(key -> key.get(column)).toArray(String[]::new);
      arrays.add(
          DSL.field("cast(cast({0} AS text[]) AS {1}[])", val(texts), DSL.raw(types.get(k))));
    }
    return arrays;
  }
}
