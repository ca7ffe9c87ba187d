package dev.pgbelay.keyset;

import static dev.pgbelay.keyset.InvalidKeysetQueryException.Reason.SELECT;
import static org.jooq.impl.DSL.name;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;
import org.jooq.Field;
import org.jooq.Select;
import org.jooq.SelectFieldOrAsterisk;
import org.jooq.Table;
import org.jooq.TableField;
import org.jooq.impl.DSL;
import org.jooq.impl.QOM;

/**
 * The caller's select in a form to which a condition, an order and a limit may be added without
 * changing what its rows are. A select of plain FROM and WHERE is that already; one with DISTINCT,
 * GROUP BY, UNION, window functions or a limit of its own becomes a derived table.
 *
 * @param select with exactly {@code columns} as its select list
 * @param outputs the caller's fields, as the mapper is to see them
 * @param columns the same fields where conditions can name them
 * @param keys the order's keys, where conditions can name them
 * @param isDerived whether the caller's select became a derived table
 */
record BaseSelect(
    Select<?> select,
    List<Field<?>> outputs,
    List<Field<?>> columns,
    List<SortKey> keys,
    boolean isDerived) {
  private static final Pattern LOCKING =
      Pattern.compile(
          "\\bfor\\s+(no\\s+key\\s+)?(update|key\\s+share|share)\\b[^()']*$",
          Pattern.CASE_INSENSITIVE);

  static BaseSelect of(String queryName, Select<?> given, List<SortKey> keys, Renderer renderer) {
    List<Field<?>> outputs = new ArrayList<>();
    for (Field<?> field : given.getSelect()) {
      outputs.add(field);
    }
    requirePageable(queryName, given, outputs, renderer);
    boolean foldsRows =
        given.$distinct()
            || !given.$distinctOn().isEmpty()
            || !given.$groupBy().isEmpty()
            || given.$having() != null
            || renderer.isSetOperation(given);
    boolean looksAround =
        given.$limit() != null
            || given.$offset() != null
            || given.$qualify() != null
            || !given.$window().isEmpty()
            || outputs.stream().anyMatch(renderer::looksAtOtherRows)
            || keys.stream().map(SortKey::field).anyMatch(renderer::looksAtOtherRows);
    if (foldsRows || looksAround) {
      return derived(queryName, given, outputs, keys, foldsRows);
    }
    List<SortKey> unaliased = new ArrayList<>();
    for (SortKey key : keys) {
      unaliased.add(key.on(underlying(key.field(), outputs)));
    }
    return new BaseSelect(given, outputs, outputs, List.copyOf(unaliased), false);
  }

  private static void requirePageable(
      String queryName, Select<?> given, List<Field<?>> outputs, Renderer renderer) {
    if (outputs.isEmpty() || outputs.stream().anyMatch(field -> field.getName().equals("*"))) {
      throw new InvalidKeysetQueryException(
          SELECT,
          "query '%s' selects columns that jOOQ does not know (select *); list the fields"
              .formatted(queryName));
    }
    if (!given.$orderBy().isEmpty() && given.$limit() == null) {
      throw new InvalidKeysetQueryException(
          SELECT,
          "query '%s': the select has an ORDER BY of its own; give the order with orderBy(...)"
              .formatted(queryName));
    }
    if (LOCKING.matcher(renderer.context().render(given)).find()) {
      throw new InvalidKeysetQueryException(
          SELECT,
          "query '%s' locks rows (FOR UPDATE or SHARE); a page is a read: lock the rows you choose by their key"
              .formatted(queryName));
    }
  }

  /** A key may name a selected expression by its alias, which SQL forbids in WHERE. */
  private static Field<?> underlying(Field<?> key, List<Field<?>> outputs) {
    Optional<Field<?>> own = aliased(key);
    if (own.isPresent()) {
      return own.get();
    }
    Field<?> named = key;
    if (!isUnqualifiedReference(key)) {
      return key;
    }
    for (Field<?> output : outputs) {
      if (output.getName().equals(key.getName())) {
        named = aliased(output).orElse(isColumn(output) ? named : output);
      }
    }
    return named;
  }

  /** What an alias stands for, also where jOOQ has put a coercion or a converter around it. */
  private static Optional<Field<?>> aliased(Field<?> field) {
    if (field instanceof QOM.FieldAlias<?> alias) {
      return Optional.of(alias.$aliased());
    }
    if (field instanceof QOM.Coerce<?> coerced) {
      return aliased(coerced.$field()).map(inner -> inner.coerce(field.getDataType()));
    }
    return Optional.empty();
  }

  /** Whether WHERE and ORDER BY mean the same by its name. */
  private static boolean isColumn(Field<?> output) {
    return output instanceof QOM.Coerce<?> coerced
        ? isColumn(coerced.$field())
        : output instanceof TableField<?, ?>
            || output.toString().equals(DSL.field(output.getQualifiedName()).toString());
  }

  /**
   * Whether a key is nothing but a name, which a selected column may answer to. Functions have
   * names for jOOQ as well, and columns of two tables may have the same.
   */
  private static boolean isUnqualifiedReference(Field<?> key) {
    String text = key.toString();
    return !key.getQualifiedName().qualified()
        && (text.equals(key.getName())
            || text.equals(DSL.field(key.getUnqualifiedName()).toString()));
  }

  private static BaseSelect derived(
      String queryName,
      Select<?> given,
      List<Field<?>> outputs,
      List<SortKey> keys,
      boolean foldsRows) {
    List<SelectFieldOrAsterisk> selected = new ArrayList<>(outputs);
    List<String> names = new ArrayList<>();
    for (int i = 0; i < outputs.size(); i++) {
      names.add("pgbelay_c" + (i + 1));
    }
    int[] position = new int[keys.size()];
    for (int k = 0; k < position.length; k++) {
      Optional<Integer> found = position(keys.get(k).field(), outputs);
      if (found.isPresent()) {
        position[k] = found.get();
      } else if (foldsRows) {
        throw new InvalidKeysetQueryException(
            InvalidKeysetQueryException.Reason.ORDER,
            "query '%s' orders by %s, which is not in its select list; behind DISTINCT, GROUP BY and UNION only selected columns can be keys"
                .formatted(queryName, keys.get(k).label()));
      } else {
        position[k] = selected.size();
        selected.add(keys.get(k).field());
        names.add("pgbelay_o" + (k + 1));
      }
    }
    Select<?> inner = selected.size() == outputs.size() ? given : given.$select(selected);
    Table<?> table = inner.asTable("pgbelay_base", names.toArray(String[]::new));
    List<Field<?>> columns = new ArrayList<>();
    for (int i = 0; i < outputs.size(); i++) {
      columns.add(column(table, names.get(i), outputs.get(i)));
    }
    List<SortKey> rebased = new ArrayList<>();
    for (int k = 0; k < position.length; k++) {
      SortKey key = keys.get(k);
      rebased.add(key.on(column(table, names.get(position[k]), key.field())));
    }
    return new BaseSelect(
        DSL.select(columns).from(table), outputs, List.copyOf(columns), List.copyOf(rebased), true);
  }

  private static Field<?> column(Table<?> table, String column, Field<?> like) {
    return DSL.field(name(table.getName(), column), like.getDataType());
  }

  private static Optional<Integer> position(Field<?> key, List<Field<?>> outputs) {
    for (int i = 0; i < outputs.size(); i++) {
      if (outputs.get(i).equals(key)) {
        return Optional.of(i);
      }
    }
    for (int i = 0; i < outputs.size(); i++) {
      if (aliased(outputs.get(i)).filter(key::equals).isPresent()) {
        return Optional.of(i);
      }
    }
    Optional<Integer> found = Optional.empty();
    if (!isUnqualifiedReference(key)) {
      return found;
    }
    for (int i = 0; i < outputs.size(); i++) {
      if (outputs.get(i).getName().equals(key.getName())) {
        if (found.isPresent()) {
          return Optional.empty();
        }
        found = Optional.of(i);
      }
    }
    return found;
  }
}
