package dev.pgbelay.benchmarks.paging;

import dev.pgbelay.benchmarks.events.Event;
import dev.pgbelay.benchmarks.events.EventsTable;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/** What a careful (or careless) engineer writes by hand with JDBC. */
final class JdbcPages {
  private static final int ACCOUNT = EventsTable.LARGE_ACCOUNT;
  private static final int SIZE = Target.PAGE_SIZE;

  private final DataSource dataSource;

  JdbcPages(DataSource dataSource) {
    this.dataSource = dataSource;
  }

  /** Index-exact: the row value where all goes one way, ordered branches elsewhere. */
  PageReader rowValueOrBranches(Target target) {
    Event b = target.boundary();
    if (b == null) {
      return first(target.shape());
    }
    return switch (target.shape()) {
      case UNIFORM -> reader(PagingSql.UNIFORM_ROW_VALUE, ACCOUNT, b.createdAt(), b.id());
      case MIXED ->
          reader(PagingSql.MIXED_BRANCHES, ACCOUNT, b.createdAt(), b.id(), ACCOUNT, b.createdAt());
      case LOW_CARDINALITY ->
          reader(
              PagingSql.LOW_CARDINALITY_BRANCHES, ACCOUNT, b.status(), b.id(), ACCOUNT, b.status());
      case NULLABLE ->
          b.resolvedAt() == null
              ? reader(PagingSql.NULLABLE_INSIDE_NULLS, ACCOUNT, b.id())
              : reader(PagingSql.NULLABLE_BRANCHES, ACCOUNT, b.resolvedAt(), b.id(), ACCOUNT);
    };
  }

  /** One condition whose leading part the index can use; everything after it is a filter. */
  PageReader redundantBound(Target target) {
    Event b = target.boundary();
    if (b == null) {
      return first(target.shape());
    }
    return switch (target.shape()) {
      case UNIFORM ->
          reader(PagingSql.UNIFORM_REDUNDANT_BOUND, ACCOUNT, b.createdAt(), b.createdAt(), b.id());
      case MIXED ->
          reader(PagingSql.MIXED_REDUNDANT_BOUND, ACCOUNT, b.createdAt(), b.createdAt(), b.id());
      case LOW_CARDINALITY ->
          reader(
              PagingSql.LOW_CARDINALITY_REDUNDANT_BOUND, ACCOUNT, b.status(), b.status(), b.id());
      case NULLABLE -> or(target);
    };
  }

  /** The condition as one reads it in most tutorials. */
  PageReader or(Target target) {
    Event b = target.boundary();
    if (b == null) {
      return first(target.shape());
    }
    return switch (target.shape()) {
      case UNIFORM -> reader(PagingSql.UNIFORM_OR, ACCOUNT, b.createdAt(), b.createdAt(), b.id());
      case MIXED -> reader(PagingSql.MIXED_OR, ACCOUNT, b.createdAt(), b.createdAt(), b.id());
      case LOW_CARDINALITY ->
          reader(PagingSql.LOW_CARDINALITY_OR, ACCOUNT, b.status(), b.status(), b.id());
      case NULLABLE ->
          b.resolvedAt() == null
              ? reader(PagingSql.NULLABLE_INSIDE_NULLS, ACCOUNT, b.id())
              : reader(PagingSql.NULLABLE_OR, ACCOUNT, b.resolvedAt(), b.resolvedAt(), b.id());
    };
  }

  PageReader offset(Target target) {
    return offset(target.shape(), target.offset(), SIZE);
  }

  /** Rows by position in the one sorted query; also tells what every contestant has to return. */
  PageReader offset(Shape shape, long offset, int size) {
    return reader(
        switch (shape) {
          case UNIFORM -> PagingSql.UNIFORM_OFFSET;
          case MIXED -> PagingSql.MIXED_OFFSET;
          case LOW_CARDINALITY -> PagingSql.LOW_CARDINALITY_OFFSET;
          case NULLABLE -> PagingSql.NULLABLE_OFFSET;
        },
        ACCOUNT,
        size,
        offset);
  }

  private PageReader first(Shape shape) {
    return reader(
        switch (shape) {
          case UNIFORM -> PagingSql.UNIFORM_FIRST;
          case MIXED -> PagingSql.MIXED_FIRST;
          case LOW_CARDINALITY -> PagingSql.LOW_CARDINALITY_FIRST;
          case NULLABLE -> PagingSql.NULLABLE_FIRST;
        },
        ACCOUNT);
  }

  private PageReader reader(String sql, @Nullable Object... binds) {
    return () -> read(sql, binds);
  }

  private List<Event> read(String sql, @Nullable Object... binds) throws SQLException {
    try (Connection connection = dataSource.getConnection();
        PreparedStatement statement = connection.prepareStatement(sql)) {
      for (int i = 0; i < binds.length; i++) {
        statement.setObject(i + 1, binds[i]);
      }
      try (ResultSet rows = statement.executeQuery()) {
        List<Event> page = new ArrayList<>(SIZE);
        while (rows.next()) {
          page.add(Event.of(rows));
        }
        return page;
      }
    }
  }
}
