package dev.pgbelay.keyset;

import dev.pgbelay.core.internal.StatementStart;
import dev.pgbelay.keyset.PageStatement.FilterSlot;
import dev.pgbelay.keyset.PageStatement.KeySlot;
import dev.pgbelay.keyset.PageStatement.LeadArraySlot;
import dev.pgbelay.keyset.PageStatement.Limits;
import dev.pgbelay.keyset.PageStatement.Slot;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Types;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jooq.ConnectionProvider;
import org.jooq.DSLContext;
import org.jooq.exception.DataAccessException;
import org.jspecify.annotations.Nullable;

/**
 * Runs a page's statement by JDBC on the connection of a {@code DSLContext}, and reads its rows.
 */
final class PageReader<T> {
  /** SQLSTATE classes of statements that do not fit the types they meet. */
  private static final Set<String> TYPE_FAILURES = Set.of("22", "42");

  private static final Limits NO_LIMITS = new Limits(0, 0, 0);

  private final String queryName;
  private final List<SortKey> keys;
  private final int[] keyColumns;
  private final int firstExtraColumn;
  private final RowSource<T> source;
  private final KeyTypesOnServer types;
  private final PageSql sql;

  PageReader(
      String queryName, BaseSelect base, PageSql sql, RowSource<T> source, KeyTypesOnServer types) {
    this.queryName = queryName;
    this.types = types;
    this.sql = sql;
    this.keys = base.keys();
    this.keyColumns = sql.keyColumns();
    this.source = source;
    int last = base.outputs().size();
    for (int column : keyColumns) {
      last = Math.max(last, column);
    }
    firstExtraColumn = last + 1;
  }

  PageRows<T> read(
      DSLContext dsl,
      PageStatement statement,
      Limits limits,
      Boundary boundary,
      FilterValues filters,
      PageShape shape) {
    return run(
        dsl,
        statement,
        limits,
        boundary,
        filters,
        rows -> shape.hasExtras() ? readWithExtras(dsl, rows) : readPlain(dsl, rows));
  }

  /** Reads one result to its end. */
  private interface ResultReader<R> {
    R read(ResultSet rows) throws SQLException;
  }

  private <R> R run(
      DSLContext dsl,
      PageStatement statement,
      Limits limits,
      Boundary boundary,
      FilterValues filters,
      ResultReader<R> reader) {
    ConnectionProvider provider = dsl.configuration().connectionProvider();
    Connection connection = provider.acquire();
    if (connection == null) {
      throw new DataAccessException(
          "query '" + queryName + "': the DSLContext has no connection to read a page with");
    }
    try {
      StatementStart.announce(dsl.configuration());
      return execute(dsl, connection, statement, limits, boundary, filters, reader);
    } catch (SQLException e) {
      if (statement.isTyped()) {
        explainByTypes(dsl, connection, filters, e);
      }
      throw new DataAccessException("page of query '" + queryName + "' failed", e);
    } finally {
      provider.release(connection);
    }
  }

  private <R> R execute(
      DSLContext dsl,
      Connection connection,
      PageStatement statement,
      Limits limits,
      Boundary boundary,
      FilterValues filters,
      ResultReader<R> reader)
      throws SQLException {
    try (PreparedStatement prepared = connection.prepareStatement(statement.text(limits))) {
      Integer timeout = dsl.settings().getQueryTimeout();
      if (timeout != null && timeout > 0) {
        prepared.setQueryTimeout(timeout);
      }
      bind(prepared, statement.bound(), boundary, filters);
      try (ResultSet rows = prepared.executeQuery()) {
        if (statement.isTyped()) {
          types.requireAgreed(rows);
        }
        return reader.read(rows);
      }
    }
  }

  /**
   * A statement that is written for other types than the server has may fail before it says which
   * it has. Within a transaction nothing more can be asked then.
   */
  private void explainByTypes(
      DSLContext dsl, Connection connection, FilterValues filters, SQLException failure) {
    String state = failure.getSQLState();
    try {
      if (state != null
          && TYPE_FAILURES.contains(state.substring(0, 2))
          && connection.getAutoCommit()) {
        PageStatement alone = sql.keyTypes();
        execute(dsl, connection, alone, NO_LIMITS, Boundary.NONE, filters, ResultSet::next);
      }
    } catch (InvalidKeysetQueryException e) {
      e.addSuppressed(failure);
      throw e;
    } catch (SQLException e) {
      failure.addSuppressed(e);
    }
  }

  /** What about the keys' types is not as jOOQ has it; asks the server. */
  List<String> typeDifferences(DSLContext dsl, FilterValues filters) {
    PageStatement alone = sql.keyTypes();
    return dsl.connectionResult(
        connection -> {
          try (PreparedStatement prepared = connection.prepareStatement(alone.text(NO_LIMITS))) {
            bind(prepared, alone.bound(), Boundary.NONE, filters);
            try (ResultSet rows = prepared.executeQuery()) {
              return types.differences(rows);
            }
          }
        });
  }

  void bind(PreparedStatement prepared, List<Slot> slots, Boundary boundary, FilterValues filters)
      throws SQLException {
    for (int i = 0; i < slots.size(); i++) {
      if (slots.get(i) instanceof KeySlot key) {
        prepared.setObject(i + 1, keyText(boundary, key.key()), Types.OTHER);
      } else if (slots.get(i) instanceof LeadArraySlot) {
        prepared.setObject(i + 1, arrayOf(keyText(boundary, 0)), Types.OTHER);
      } else if (slots.get(i) instanceof FilterSlot filter) {
        filters.bind(prepared, i + 1, filter.param());
      }
    }
  }

  static @Nullable String arrayOf(@Nullable String text) {
    return text == null ? null : "{\"" + text.replace("\\", "\\\\").replace("\"", "\\\"") + "\"}";
  }

  private @Nullable String keyText(Boundary boundary, int key) {
    byte[] wire = boundary.key(key);
    return wire == null ? null : keys.get(key).type().text(wire);
  }

  /**
   * Rows of an export: no row more than asked for, and only the last one's position.
   *
   * @param last the position of the last row, or null if there are no rows behind it
   */
  record Chunk<T>(List<T> items, @Nullable Boundary last) {}

  Chunk<T> readChunk(
      DSLContext dsl,
      PageStatement statement,
      Limits limits,
      Boundary boundary,
      FilterValues filters) {
    return run(
        dsl,
        statement,
        limits,
        boundary,
        filters,
        rows -> {
          List<T> items = new ArrayList<>(Math.min(limits.rows(), 10_000));
          Boundary last = null;
          RowSource.Rows<T> walk = source.open(dsl, rows);
          while (walk.next()) {
            if (items.size() == limits.rows() - 1) {
              last = position(rows, keyColumns);
            }
            items.add(walk.item());
          }
          return new Chunk<>(items, last);
        });
  }

  /** The position that a step lands on, or null if it goes beyond the last row. */
  @Nullable Boundary readStep(
      DSLContext dsl,
      PageStatement statement,
      Limits limits,
      Boundary boundary,
      FilterValues filters) {
    int[] columns = new int[keys.size()];
    Arrays.setAll(columns, k -> k + 1);
    return run(
            dsl,
            statement,
            limits,
            boundary,
            filters,
            rows -> rows.next() ? Optional.of(position(rows, columns)) : Optional.<Boundary>empty())
        .orElse(null);
  }

  private PageRows<T> readPlain(DSLContext dsl, ResultSet rows) throws SQLException {
    PageRows<T> page = new PageRows<>();
    RowSource.Rows<T> walk = source.open(dsl, rows);
    while (walk.next()) {
      page.positions.add(position(rows, page.positions));
      page.items.add(walk.item());
    }
    return page;
  }

  private PageRows<T> readWithExtras(DSLContext dsl, ResultSet rows) throws SQLException {
    PageRows<T> page = new PageRows<>();
    RowSource.Rows<T> walk = source.open(dsl, rows);
    while (walk.next()) {
      page.otherEnd = rows.getBoolean(firstExtraColumn + 1);
      page.counted = rows.getLong(firstExtraColumn + 2);
      if (rows.getBoolean(firstExtraColumn + 3)) {
        page.before += rows.getBoolean(firstExtraColumn) ? 1 : 0;
        page.positions.add(position(rows, page.positions));
        page.items.add(walk.item());
      }
    }
    return page;
  }

  private Boundary position(ResultSet row, int[] columns) throws SQLException {
    byte[][] values = new byte[columns.length][];
    for (int k = 0; k < values.length; k++) {
      values[k] = read(keys.get(k), row, columns[k]);
      if (values[k] == null && !keys.get(k).nullable()) {
        throw new InvalidKeysetQueryException(
            InvalidKeysetQueryException.Reason.NULLS_POSITION,
            "query '%s' read NULL in key %s, which is declared never to be NULL (an outer join?); say nullsFirst(), nullsLast() or nullable(...)"
                .formatted(queryName, keys.get(k).label()));
      }
    }
    return new Boundary(values, false);
  }

  private byte @Nullable [] read(SortKey key, ResultSet row, int column) throws SQLException {
    try {
      return key.type().read(row, column);
    } catch (NumberFormatException e) {
      throw new InvalidKeysetQueryException(
          InvalidKeysetQueryException.Reason.KEY_TYPE,
          "query '%s' read a number that is not whole in key %s, which jOOQ has as %s; tell jOOQ the server's type, or cast the key"
              .formatted(queryName, key.label(), key.field().getDataType().getTypeName()));
    }
  }

  private Boundary position(ResultSet row, List<Boundary> earlier) throws SQLException {
    Boundary position = position(row, keyColumns);
    if (!earlier.isEmpty() && position.sameKeys(earlier.get(earlier.size() - 1))) {
      throw new InvalidKeysetQueryException(
          InvalidKeysetQueryException.Reason.DUPLICATE_KEYS,
          "query '%s' read two rows with the same keys (%s): the declared unique(...) is not unique in these rows (a join that multiplies them?); add what tells them apart to the order"
              .formatted(queryName, String.join(", ", keys.stream().map(SortKey::label).toList())));
    }
    return position;
  }
}
