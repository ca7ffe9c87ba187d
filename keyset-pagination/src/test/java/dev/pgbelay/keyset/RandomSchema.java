package dev.pgbelay.keyset;

import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.jooq.DSLContext;
import org.jooq.DataType;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.SortField;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;

/**
 * A random table: columns of random types, some nullable, filled from few edge values each so that
 * duplicates and NULLs stand everywhere, and {@code id} or {@code (part, seq)} as its key.
 */
final class RandomSchema {
  /** Column types with values on their edges, as SQL literals. */
  @SuppressWarnings("ImmutableEnumChecker")
  enum Kind {
    BOOL("boolean", SQLDataType.BOOLEAN, "true", "false"),
    INT2("smallint", SQLDataType.SMALLINT, "-32768", "0", "1", "32767"),
    INT4("integer", SQLDataType.INTEGER, "-2147483648", "-1", "0", "2147483647"),
    INT8("bigint", SQLDataType.BIGINT, "-9223372036854775808", "0", "7", "9223372036854775807"),
    NUMERIC(
        "numeric",
        SQLDataType.NUMERIC,
        "'NaN'",
        "'Infinity'",
        "'-Infinity'",
        "1.0",
        "1.00",
        "0",
        "12345678901234567890.123456789012345678901234567890",
        "-0.000000000000000000000000000000001"),
    FLOAT4(
        "real",
        SQLDataType.REAL,
        "'NaN'",
        "'-0'",
        "'0'",
        "'Infinity'",
        "'-Infinity'",
        "0.1",
        "1e-45",
        "3.4e38"),
    FLOAT8(
        "double precision",
        SQLDataType.DOUBLE,
        "'NaN'",
        "'-0'",
        "'0'",
        "'Infinity'",
        "'-Infinity'",
        "0.1",
        "0.30000000000000004",
        "4.9e-324",
        "1.7976931348623157e308"),
    TEXT(
        "text",
        SQLDataType.CLOB,
        "''",
        "' '",
        "'a'",
        "'A'",
        "'ä'",
        "'it''s'",
        "'日本'",
        "E'\\\\'",
        "'{}'",
        "'a?b:c'"),
    TEXT_C("text collate \"C\"", SQLDataType.CLOB, "''", "'a'", "'B'", "'b'", "'ä'", "'Z'"),
    TEXT_ICU(
        "text collate pgbelay_ci",
        SQLDataType.CLOB,
        "'a'",
        "'A'",
        "'b'",
        "'B'",
        "'ä'",
        "'Ä'",
        "''"),
    VARCHAR("varchar(20)", SQLDataType.VARCHAR(20), "''", "'x'", "'x '", "'xy'", "'X'"),
    CHAR("char(5)", SQLDataType.CHAR(5), "''", "'a'", "'a  '", "'ab'", "'abcde'"),
    CITEXT("citext", SQLDataType.VARCHAR, "'abc'", "'ABC'", "'aBc'", "'b'", "''"),
    UUID(
        "uuid",
        SQLDataType.UUID,
        "'00000000-0000-0000-0000-000000000000'",
        "'7fffffff-0000-0000-0000-000000000000'",
        "'80000000-0000-0000-0000-000000000000'",
        "'ffffffff-ffff-ffff-ffff-ffffffffffff'",
        "'00000000-0000-0000-8000-000000000000'"),
    BYTEA(
        "bytea",
        SQLDataType.BLOB,
        "'\\x'",
        "'\\x00'",
        "'\\x7f'",
        "'\\x80'",
        "'\\xff'",
        "'\\x00ff'"),
    DATE(
        "date",
        SQLDataType.LOCALDATE,
        "'infinity'",
        "'-infinity'",
        "'0044-03-15 BC'",
        "'2000-01-01'",
        "'1582-10-10'",
        "'5874897-12-31'"),
    TIME(
        "time",
        SQLDataType.LOCALTIME,
        "'00:00'",
        "'24:00'",
        "'12:34:56.123456'",
        "'12:34:56.123457'"),
    TIMESTAMP(
        "timestamp",
        SQLDataType.LOCALDATETIME,
        "'infinity'",
        "'-infinity'",
        "'4713-01-01 00:00:00.000001 BC'",
        "'2026-03-29 02:30:00.123456'",
        "'2026-03-29 02:30:00.123457'",
        "'294276-12-31 23:59:59.999999'"),
    TIMESTAMPTZ(
        "timestamptz",
        SQLDataType.OFFSETDATETIME,
        "'infinity'",
        "'-infinity'",
        "'0044-03-15 12:00:00.000001+00 BC'",
        "'2026-10-25 01:30:00.123456+00'",
        "'2026-10-25 01:30:00.123457+00'",
        "'1800-01-01 00:00:00+00'",
        "'9999-12-31 23:59:59.999999+00'"),
    INSTANT(
        "timestamptz",
        SQLDataType.INSTANT,
        "'2026-01-01 00:00:00.000001+00'",
        "'infinity'",
        "'1969-12-31 23:59:59.999999+00'"),
    ENUM("mood", SQLDataType.VARCHAR, "'sad'", "'ok'", "'happy'", "'angry'"),
    INET("inet", SQLDataType.OTHER, "'10.0.0.1'", "'10.0.0.1/8'", "'::1'", "'192.168.0.0/24'"),
    INTERVAL("interval", SQLDataType.OTHER, "'1 month'", "'30 days'", "'-1 day 00:00:00.000001'");

    final String sqlType;
    final DataType<?> dataType;
    final List<String> literals;

    Kind(String sqlType, DataType<?> dataType, String... literals) {
      this.sqlType = sqlType;
      this.dataType = dataType;
      this.literals = List.of(literals);
    }
  }

  record Column(Field<?> field, boolean nullable, Kind kind) {}

  static final Field<Integer> BUCKET = field(name("bucket"), SQLDataType.INTEGER.notNull());

  final String tableName;
  final Table<Record> table;
  final List<Column> columns = new ArrayList<>();
  final List<Field<?>> uniqueKey;
  final int rows;
  private final Random random;

  RandomSchema(Random random, int number) {
    this.random = random;
    this.tableName = "walk_" + number;
    this.table = DSL.table(name(tableName));
    this.rows = random.nextInt(8) == 0 ? random.nextInt(3) : 10 + random.nextInt(40);
    int count = 2 + random.nextInt(4);
    List<Kind> kinds = new ArrayList<>(Arrays.asList(Kind.values()));
    for (int c = 0; c < count; c++) {
      Kind kind = kinds.remove(random.nextInt(kinds.size()));
      boolean nullable = random.nextInt(3) > 0;
      DataType<?> type = nullable ? kind.dataType : kind.dataType.notNull();
      columns.add(new Column(field(name(tableName, "c" + c), type), nullable, kind));
    }
    uniqueKey =
        random.nextInt(3) > 0
            ? List.of(field(name(tableName, "id"), SQLDataType.BIGINT.notNull()))
            : List.of(
                field(name(tableName, "part"), SQLDataType.INTEGER.notNull()),
                field(name(tableName, "seq"), SQLDataType.VARCHAR.notNull()));
  }

  void create(DSLContext dsl) {
    StringBuilder create =
        new StringBuilder(
            "create table "
                + tableName
                + " (id bigint primary key, part int not null, seq text not null, bucket int not null");
    for (int c = 0; c < columns.size(); c++) {
      Column column = columns.get(c);
      create.append(
          ", c" + c + " " + column.kind().sqlType + (column.nullable() ? "" : " not null"));
    }
    dsl.execute(create + ", unique (part, seq))");
    if (rows == 0) {
      return;
    }
    List<String> values = new ArrayList<>();
    for (int r = 0; r < rows; r++) {
      StringBuilder row =
          new StringBuilder("(" + r + ", " + r % 4 + ", 's" + r / 4 + "', " + random.nextInt(5));
      for (Column column : columns) {
        boolean isNull = column.nullable() && random.nextInt(3) == 0;
        List<String> literals = column.kind().literals;
        row.append(", ").append(isNull ? "null" : literals.get(random.nextInt(literals.size())));
      }
      values.add(row.append(')').toString());
    }
    dsl.execute("insert into " + tableName + " values " + String.join(", ", values));
  }

  /** A random order over some of the columns, and now and then a part of the key itself. */
  List<SortField<?>> order() {
    List<Column> shuffled = new ArrayList<>(columns);
    java.util.Collections.shuffle(shuffled, random);
    List<SortField<?>> order = new ArrayList<>();
    int keys = Math.min(shuffled.size(), random.nextInt(4));
    for (Column column : shuffled.subList(0, keys)) {
      SortField<?> sort = random.nextBoolean() ? column.field().asc() : column.field().desc();
      if (column.nullable() || random.nextInt(6) == 0) {
        sort = random.nextBoolean() ? sort.nullsFirst() : sort.nullsLast();
      }
      order.add(sort);
    }
    if (order.isEmpty() || random.nextBoolean()) {
      Field<?> part = uniqueKey.get(random.nextInt(uniqueKey.size()));
      order.add(random.nextInt(order.size() + 1), random.nextBoolean() ? part.asc() : part.desc());
    }
    return order;
  }
}
