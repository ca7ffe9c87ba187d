package dev.pgbelay.batch;

import static org.jooq.impl.DSL.arrayAgg;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.val;

import dev.pgbelay.keyset.internal.UntypedText;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Types;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jooq.Condition;
import org.jooq.DSLContext;
import org.jooq.DataType;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Result;
import org.jooq.Select;
import org.jooq.SortField;
import org.jooq.SortOrder;
import org.jooq.Table;
import org.jooq.conf.ParamType;
import org.jooq.conf.Settings;
import org.jooq.conf.SettingsTools;
import org.jooq.conf.StatementType;
import org.jooq.exception.DataAccessException;
import org.jooq.impl.DSL;
import org.jooq.impl.QOM.NullOrdering;
import org.jooq.impl.SQLDataType;
import org.jspecify.annotations.Nullable;

/**
 * The two statements of a {@link KeyedLoader}, each rendered once per jOOQ settings, or, with visit
 * listeners, each time. The last column of a row says which key it answers: the key itself, or the
 * ordinal of the request.
 */
final class KeyedSql {
  private static final String KEYS = "pgbelay_keys";
  private static final String ORDINAL = "pgbelay_ordinal";
  private static final DataType<String> KEY_ARRAY = UntypedText.TYPE;

  /** Callers that think of ever new limits must not fill the memory with texts. */
  private static final int MAX_TEXTS = 64;

  private final Table<?> table;
  private final List<Field<?>> key;
  private final List<Field<?>> columns;
  private final boolean byValue;
  private final Map<Shape, Text> texts = new ConcurrentHashMap<>();
  private final Map<Sighting, Text> sightings = new ConcurrentHashMap<>();

  /**
   * @param byValue whether rows come back with their key's value, for Java to find the request;
   *     else the server pairs them, and they come back with the ordinal of the key that they answer
   */
  KeyedSql(Table<?> table, List<Field<?>> key, List<Field<?>> columns, boolean byValue) {
    this.table = table;
    this.key = key;
    this.columns = columns;
    this.byValue = byValue;
  }

  /** What tells one statement text from another. A limit of 0 means the load of rows by key. */
  private record Shape(Settings settings, int limit, List<? extends SortField<?>> order) {}

  /**
   * A shape by the fields that it was asked with, for jOOQ renders a query part to hash it. Fields
   * are compared as objects: callers mostly have them as constants.
   */
  private record Sighting(Settings settings, int limit, List<Sort> order) {}

  private record Sort(Field<?> field, SortOrder order, @Nullable NullOrdering nulls) {
    @Override
    @SuppressWarnings("ReferenceEquality") // that is the point
    public boolean equals(@Nullable Object other) {
      return other instanceof Sort sort
          && sort.field == field
          && sort.order == order
          && sort.nulls == nulls;
    }

    @Override
    public int hashCode() {
      return 31 * System.identityHashCode(field) + order.hashCode();
    }
  }

  /**
   * @param sql null where the table itself brings parameters, or jOOQ is set to send values as part
   *     of the text: then jOOQ renders and binds each time
   */
  private record Text(@Nullable String sql, List<Field<?>> fields) {}

  /** Rows of the keys, in no order. */
  <T> void read(
      DSLContext dsl, List<String> keyArrays, KeyedRows<T> rows, KeyedRows.Found<T> found) {
    read(dsl, keyArrays, 0, List.of(), rows, found);
  }

  /** At most {@code limit} rows per key, in the order of the keys and then in {@code order}. */
  <T> void read(
      DSLContext dsl,
      List<String> keyArrays,
      int limit,
      List<? extends SortField<?>> order,
      KeyedRows<T> rows,
      KeyedRows.Found<T> found) {
    Shape shape = new Shape(dsl.settings(), limit, order);
    Text text = text(dsl, shape);
    int answer = columns.size();
    if (rows instanceof KeyedRows.OfRecord<T> of) {
      for (Record row : records(dsl, shape, text, keyArrays)) {
        found.row(row.get(answer), KeyedRows.required(of.mapper().map(row)));
      }
    } else if (rows instanceof KeyedRows.OfResultSet<T> of) {
      String sql = text.sql();
      if (sql == null) {
        try (ResultSet result = statement(dsl, shape, keyArrays).fetchResultSet()) {
          readAll(result, text, of, found);
        } catch (SQLException e) {
          throw new DataAccessException("a row could not be read", e);
        }
      } else {
        run(dsl, sql, text, keyArrays, of, found);
      }
    }
  }

  private <T> void run(
      DSLContext dsl,
      String sql,
      Text text,
      List<String> keyArrays,
      KeyedRows.OfResultSet<T> rows,
      KeyedRows.Found<T> found) {
    dsl.connection(
        connection -> {
          try (PreparedStatement statement = connection.prepareStatement(sql)) {
            for (int i = 0; i < keyArrays.size(); i++) {
              statement.setObject(i + 1, keyArrays.get(i), Types.OTHER);
            }
            try (ResultSet result = statement.executeQuery()) {
              readAll(result, text, rows, found);
            }
          }
        });
  }

  private <T> void readAll(
      ResultSet result, Text text, KeyedRows.OfResultSet<T> rows, KeyedRows.Found<T> found)
      throws SQLException {
    int answer = columns.size();
    Field<?> field = text.fields().get(answer);
    while (result.next()) {
      found.row(
          KeyedRows.answer(result, answer + 1, field),
          KeyedRows.required(rows.mapper().map(result)));
    }
  }

  private Result<? extends Record> records(
      DSLContext dsl, Shape shape, Text text, List<String> keyArrays) {
    if (text.sql() == null) {
      return statement(dsl, shape, keyArrays).coerce(text.fields()).fetch();
    }
    Object[] binds = new Object[keyArrays.size()];
    for (int i = 0; i < binds.length; i++) {
      binds[i] = val(keyArrays.get(i), KEY_ARRAY);
    }
    return dsl.resultQuery(text.sql(), binds).coerce(text.fields()).fetch();
  }

  private Select<?> statement(DSLContext dsl, Shape shape, List<String> keyArrays) {
    Select<?> statement = statement(shape, keyArrays);
    statement.attach(dsl.configuration());
    return statement;
  }

  private Text text(DSLContext dsl, Shape shape) {
    if (dsl.configuration().visitListenerProviders().length > 0) {
      return render(dsl, shape); // listeners may make another text for another tenant
    }
    List<Sort> sorts = new ArrayList<>(shape.order().size());
    for (SortField<?> sort : shape.order()) {
      sorts.add(new Sort(sort.$field(), sort.$sortOrder(), sort.$nullOrdering()));
    }
    Text known = sightings.get(new Sighting(shape.settings(), shape.limit(), sorts));
    if (known != null) {
      return known;
    }
    Settings settings = SettingsTools.clone(shape.settings());
    Text text = texts.get(shape);
    if (text == null) {
      text = render(dsl, shape);
      if (texts.size() < MAX_TEXTS) {
        texts.put(new Shape(settings, shape.limit(), List.copyOf(shape.order())), text);
      }
    }
    if (sightings.size() < MAX_TEXTS) {
      sightings.put(new Sighting(settings, shape.limit(), sorts), text);
    }
    return text;
  }

  private Text render(DSLContext dsl, Shape shape) {
    List<String> noKeys = key.stream().map(each -> "{}").toList();
    Select<?> statement = statement(shape, noKeys);
    // What is bound, not what is a parameter: the limit is one too, and stands in the text.
    boolean keysOnly = dsl.extractBindValues(statement).size() == key.size();
    boolean prepared =
        shape.settings().getStatementType() == StatementType.PREPARED_STATEMENT
            && shape.settings().getParamType() == ParamType.INDEXED;
    String sql = keysOnly && prepared ? dsl.render(statement) : null;
    List<Field<?>> fields = new ArrayList<>(columns);
    fields.add(shape.limit() == 0 && byValue ? databaseType(key.get(0)) : ordinal());
    return new Text(sql, List.copyOf(fields));
  }

  private Select<?> statement(Shape shape, List<String> keyArrays) {
    if (shape.limit() > 0) {
      return children(shape, keyArrays);
    }
    return byValue ? anyOf(keyArrays.get(0)) : joined(keyArrays);
  }

  private Select<?> anyOf(String keyArray) {
    List<Field<?>> list = new ArrayList<>(columns);
    list.add(databaseType(key.get(0)));
    Condition asked = DSL.condition("{0} = any ({1})", key.get(0), val(keyArray, KEY_ARRAY));
    return DSL.select(list).from(table).where(asked);
  }

  private Select<?> joined(List<String> keyArrays) {
    List<Field<?>> list = new ArrayList<>(columns);
    list.add(ordinal());
    return DSL.select(list).from(asked(keyArrays)).join(table).on(equalKeys());
  }

  private Select<?> children(Shape shape, List<String> keyArrays) {
    List<Field<?>> inner = new ArrayList<>();
    List<Field<?>> outer = new ArrayList<>();
    for (Field<?> column : columns) {
      String alias = "pgbelay_c" + (inner.size() + 1);
      inner.add(column.as(alias));
      outer.add(field(name("pgbelay_children", alias), column.getDataType()));
    }
    List<SortField<?>> outerOrder = new ArrayList<>();
    outerOrder.add(ordinal().asc());
    for (SortField<?> sort : shape.order()) {
      String alias = "pgbelay_o" + outerOrder.size();
      Field<?> by = sort.$field();
      inner.add(by.as(alias));
      outerOrder.add(sort.$field(untyped(field(name("pgbelay_children", alias), by.getType()))));
    }
    outer.add(ordinal());
    Table<?> lateral =
        DSL.select(inner)
            .from(table)
            .where(equalKeys())
            .orderBy(shape.order())
            .limit(DSL.inline(shape.limit()))
            .asTable("pgbelay_children");
    return DSL.select(outer)
        .from(asked(keyArrays))
        .crossJoin(DSL.lateral(lateral))
        .orderBy(outerOrder);
  }

  /**
   * The keys as rows with their ordinals. {@code coalesce} with an aggregate of the column itself,
   * over no rows, makes the server infer the parameter's type from the column, whatever it is:
   * citext stays citext, a domain its domain. The planner drops the sub-select.
   */
  private Table<?> asked(List<String> keyArrays) {
    List<Field<?>> arrays = new ArrayList<>();
    StringBuilder template = new StringBuilder("unnest(");
    StringBuilder names = new StringBuilder();
    for (int i = 0; i < key.size(); i++) {
      Field<?> ofColumn =
          field(DSL.select(arrayAgg(key.get(i))).from(table).where(DSL.falseCondition()));
      arrays.add(
          field("coalesce({0}, {1})", Object.class, val(keyArrays.get(i), KEY_ARRAY), ofColumn));
      template.append(i == 0 ? "" : ", ").append('{').append(i).append('}');
      names.append("pgbelay_k").append(i + 1).append(", ");
    }
    template
        .append(") with ordinality as ")
        .append(KEYS)
        .append('(')
        .append(names)
        .append(ORDINAL)
        .append(')');
    return DSL.table(template.toString(), arrays.toArray(Field<?>[]::new));
  }

  private Condition equalKeys() {
    Condition equal = DSL.noCondition();
    for (int i = 0; i < key.size(); i++) {
      Field<?> asked = field(name(KEYS, "pgbelay_k" + (i + 1)), key.get(i).getDataType());
      equal = equal.and(untyped(key.get(i)).eq(untyped(asked)));
    }
    return equal;
  }

  private static Field<Long> ordinal() {
    return field(name(KEYS, ORDINAL), SQLDataType.BIGINT);
  }

  /** The key without the caller's converter, whose values need not be comparable. */
  private static Field<?> databaseType(Field<?> key) {
    return key.coerce(key.getConverter().fromType());
  }

  @SuppressWarnings("unchecked")
  private static <T> Field<T> untyped(Field<?> field) {
    return (Field<T>) field;
  }
}
