package dev.pgbelay.batch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;

import dev.pgbelay.batch.BatchResult.Outcome;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.testing.PostgresExtension;
import java.math.BigDecimal;
import java.net.InetAddress;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.UUID;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jooq.Field;
import org.jooq.JSON;
import org.jooq.JSONB;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.types.DayToSecond;
import org.jooq.types.YearToMonth;
import org.jooq.types.YearToSecond;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class BatchTypesTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withPoolSize(3);

  private static final Table<?> T = DSL.table(name("public", "t"));
  private static final Field<Integer> ID = field(name("id"), Integer.class);

  private final Transactions transactions = Transactions.of(postgres.dataSource());

  record Row(int id, @Nullable Object value) {}

  @BeforeEach
  void createTypes() {
    transactions.execute(
        tx ->
            tx.dsl()
                .execute(
                    """
                    create extension if not exists citext;
                    create type mood as enum ('sad', 'ok', 'it''s "fine"\\');
                    create domain positive as int check (value > 0);
                    create domain short_name as varchar(5);
                    """));
  }

  @AfterEach
  void dropTypes() {
    transactions.execute(
        tx ->
            tx.dsl()
                .execute(
                    "drop table if exists t; drop domain positive, short_name; drop type mood"));
  }

  static Stream<Arguments> values() {
    String awkward = "{},\"quoted\",'single',\\back\\slash\\,NULL,\ttab\nline, ünïcödé 𝄞";
    return Stream.of(
        type("boolean", "{t,f}", true, false),
        type("smallint", "{-32768,32767}", (short) -32768, 32767),
        type("integer", "{-2147483648,7}", Integer.MIN_VALUE, 7L),
        type("bigint", "{9223372036854775807,-1}", Long.MAX_VALUE, new BigDecimal("-1.0")),
        type("real", "{1.5,NaN,-Infinity}", 1.5f, Float.NaN, Double.NEGATIVE_INFINITY),
        type("double precision", "{0.1,-0,NaN}", 0.1, -0.0, Double.NaN),
        type(
            "numeric",
            "{0,1.00,-12345678901234567890.123456789,0.00001,NaN,10000,99999999999999999999999}",
            BigDecimal.ZERO,
            new BigDecimal("1.00"),
            new BigDecimal("-12345678901234567890.123456789"),
            new BigDecimal("1E-5"),
            Double.NaN,
            new BigDecimal("1E+4"),
            new java.math.BigInteger("99999999999999999999999")),
        type("numeric(6,2)", "{1234.57,-0.01}", new BigDecimal("1234.565"), -0.01),
        type("text", null, awkward, "", "NULL", "{}"),
        type("varchar(10)", "{0123456789}", "0123456789"),
        type("char(4)", "{\"ab  \"}", "ab"),
        type("citext", "{AbC}", "AbC"),
        type("mood", null, "sad", "it's \"fine\"\\"),
        type("positive", "{1}", 1),
        type("short_name", "{abcde}", "abcde"),
        type("uuid", null, UUID.fromString("00000000-0000-0001-8000-0000000000ff")),
        type("bytea", "{\"\\\\x\",\"\\\\x00ff5c\"}", new byte[0], new byte[] {0, -1, 92}),
        type(
            "date",
            "{2026-02-28,infinity,\"4713-01-01 BC\",-infinity}",
            LocalDate.of(2026, 2, 28),
            LocalDate.MAX,
            LocalDate.of(-4712, 1, 1),
            LocalDate.MIN),
        type("time", "{23:59:59.123457}", LocalTime.of(23, 59, 59, 123_456_789)),
        type(
            "timestamp",
            "{\"2026-11-20 01:02:03.000004\",infinity,\"0044-03-15 12:00:00 BC\"}",
            LocalDateTime.of(2026, 11, 20, 1, 2, 3, 4000),
            LocalDateTime.MAX,
            LocalDateTime.of(-43, 3, 15, 12, 0)),
        type(
            "timestamptz",
            "{\"2026-11-20 01:02:03.000001+00\",\"1969-12-31 23:59:59.999999+00\",infinity}",
            OffsetDateTime.of(2026, 11, 20, 6, 47, 3, 1000, ZoneOffset.ofHoursMinutes(5, 45)),
            Instant.EPOCH.minusNanos(1000),
            OffsetDateTime.MAX),
        type("json", null, JSON.json("{\"a\": [1, null, \"\\u00e9 \\\"q\\\"\"]}")),
        type("jsonb", "{\"{\\\"a\\\": null}\"}", JSONB.jsonb("{\"a\":null}")),
        type(
            "int[]",
            null,
            new Integer[] {1, null, 3},
            new Integer[] {},
            new Integer[][] {{1, 2}, {3, null}}),
        type("text[]", null, (Object) new String[] {"{", "}", "\"", "\\", null, "NULL", ", "}),
        type("text[][]", "{{{a,b},{c,d}}}", List.of(List.of("a", "b"), List.of("c", "d"))),
        type("text[][]", null, (Object) new String[][] {{"a", "b"}, {"c", "{d}"}}),
        type("inet", "{10.0.0.1,::1}", loopback("10.0.0.1"), "::1/128"),
        type(
            "interval",
            "{\"1 year 2 mons 3 days 04:05:06.007\",-01:30:00,\"2 days\"}",
            new YearToSecond(new YearToMonth(1, 2), new DayToSecond(3, 4, 5, 6, 7_000_000)),
            Duration.ofMinutes(-90),
            "2 days"),
        type("int4range", "{\"[1,5)\",empty}", "[1,4]", "empty"),
        type("tstzrange[]", null, "{\"[2026-01-01 00:00+00,2026-02-01 00:00+00)\"}"));
  }

  private static Arguments type(String type, @Nullable String expected, Object... values) {
    return Arguments.of(type, expected, Arrays.asList(values));
  }

  private static InetAddress loopback(String address) {
    try {
      return InetAddress.getByName(address);
    } catch (java.net.UnknownHostException e) {
      throw new IllegalArgumentException(e);
    }
  }

  /** Made of its number, so that it can be made again. */
  record Blob(int id) {
    int length() {
      return id < 100 ? 97 * id : (id - 99) * 9_973;
    }

    String text() {
      return "ü" + "é".repeat(length() / 2);
    }

    byte[] bytes() {
      byte[] bytes = new byte[length()];
      new Random(id).nextBytes(bytes);
      return bytes;
    }
  }

  /** Values that do not fit into what is left of a buffer, in steps around its sizes. */
  @ParameterizedTest
  @EnumSource(WritePlan.Path.class)
  void valuesLongerThanTheBuffer_arriveWhole(WritePlan.Path path) {
    List<Blob> rows = IntStream.range(0, 120).mapToObj(Blob::new).toList();
    BatchWriter.Builder<Blob> builder =
        BatchWriter.into(T, Blob.class)
            .column(ID, Blob::id)
            .column(field(name("s"), String.class), Blob::text)
            .column(field(name("b"), byte[].class), Blob::bytes);
    transactions.execute(
        tx -> {
          tx.dsl().execute("create table t (id int primary key, s text, b bytea)");
          BatchWriter<Blob> writer = builder.path(path).build();
          if (path == WritePlan.Path.STAGED) {
            writer.upsert(tx, rows);
          } else {
            writer.insert(tx, rows);
          }
          for (var row : tx.dsl().fetch("select id, s, b from t")) {
            Blob given = rows.get(row.get(0, int.class));
            assertThat(row.get(1, String.class)).isEqualTo(given.text());
            assertThat(row.get(2, byte[].class)).isEqualTo(given.bytes());
          }
          assertThat(tx.dsl().fetchCount(T)).isEqualTo(rows.size());
        });
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("values")
  void values_arriveAlikeOnEveryPath(String type, @Nullable String expected, List<Object> values) {
    transactions.execute(
        tx ->
            tx.dsl()
                .execute(
                    "set local timezone='UTC'; create table t (id int primary key, v "
                        + type
                        + ")"));
    List<Row> rows = new ArrayList<>();
    for (Object value : values) {
      rows.add(new Row(rows.size(), value));
    }
    rows.add(new Row(rows.size(), null));
    BatchWriter.Builder<Row> builder =
        BatchWriter.into(T, Row.class)
            .column(ID, Row::id)
            .column(field(name("v"), Object.class), Row::value);
    List<@Nullable String> reference = null;
    for (WritePlan.Path path :
        List.of(WritePlan.Path.UNNEST, WritePlan.Path.STAGED, WritePlan.Path.COPY)) {
      BatchWriter<Row> writer = builder.path(path).build();
      transactions.execute(tx -> tx.dsl().execute("delete from t"));
      if (path == WritePlan.Path.COPY && !copies(writer)) {
        continue;
      }
      BatchResult result =
          transactions.run(
              tx ->
                  path == WritePlan.Path.STAGED
                      ? writer.upsert(tx, rows)
                      : writer.insert(tx, rows));
      assertThat(result.count(Outcome.INSERTED)).isEqualTo(rows.size());
      List<@Nullable String> stored = storedText();
      if (reference == null) {
        reference = stored;
        assertThat(stored).last().isNull();
        if (expected != null) {
          assertThat(asArray(type)).isEqualTo(expected);
        }
      } else {
        assertThat(stored).isEqualTo(reference);
      }
    }
    for (int i = 0; i < values.size(); i++) {
      if (values.get(i) instanceof String text && reference != null && type.equals("text")) {
        assertThat(reference.get(i)).isEqualTo(text);
      }
    }
  }

  private boolean copies(BatchWriter<Row> writer) {
    try {
      transactions.run(tx -> writer.insert(tx, List.of(new Row(-1, null))));
      transactions.execute(tx -> tx.dsl().execute("delete from t"));
      return true;
    } catch (BatchException e) {
      assertThat(e).hasMessageContaining("binary form");
      return false;
    }
  }

  private List<@Nullable String> storedText() {
    return transactions.run(
        tx -> {
          tx.dsl().execute("set local timezone='UTC'");
          return tx.dsl().fetch("select v::text from t order by id").getValues(0, String.class);
        });
  }

  private String asArray(String type) {
    return transactions.run(
        tx -> {
          tx.dsl().execute("set local timezone='UTC'");
          String element = type.equals("char(4)") ? "bpchar" : type;
          return tx.dsl()
              .fetchSingle(
                  "select (array_agg(v::"
                      + (element.equals("positive") || element.equals("short_name")
                          ? "text"
                          : element)
                      + " order by id) filter (where v is not null))::text from t")
              .get(0, String.class);
        });
  }

  private BatchWriter<Row> writerOf(String type) {
    transactions.execute(
        tx -> tx.dsl().execute("create table t (id int primary key, v " + type + ")"));
    return BatchWriter.into(T, Row.class)
        .column(ID, Row::id)
        .column(field(name("v"), Object.class), Row::value)
        .partial()
        .build();
  }

  @ParameterizedTest(name = "{0} {2}")
  @MethodSource("misfits")
  void valueThatDoesNotFit_isRefusedByRowAndColumnBeforeItIsSent(
      String type, Object value, String sqlState) {
    BatchWriter<Row> partial = writerOf(type);
    List<Row> rows = List.of(new Row(1, null), new Row(2, value), new Row(3, null));
    BatchResult result = transactions.run(tx -> partial.insert(tx, rows));
    assertThat(result.rows(Outcome.REJECTED)).containsExactly(1);
    assertThat(result.rejections().get(0).sqlState()).isEqualTo(sqlState);
    assertThat(result.rejections().get(0).column()).contains("v");
    assertThat(result.count(Outcome.INSERTED)).isEqualTo(2);

    BatchWriter<Row> atomic =
        BatchWriter.into(T, Row.class)
            .column(ID, Row::id)
            .column(field(name("v"), Object.class), Row::value)
            .build();
    assertThatThrownBy(() -> transactions.run(tx -> atomic.upsert(tx, rows)))
        .isInstanceOf(BatchException.class)
        .hasMessageContaining("row 1 ")
        .hasMessageContaining("column v")
        .hasMessageContaining(sqlState);
  }

  @Test
  void returnedTimes_keepMicrosecondsAndInfinities() {
    transactions.execute(
        tx ->
            tx.dsl()
                .execute(
                    "create table t (id int primary key, d date default 'infinity',"
                        + " t time default '23:59:59.123456',"
                        + " ts timestamp default '-infinity',"
                        + " tz timestamptz default '2026-01-01 00:00:00.000001+00')"));
    Field<LocalTime> time = field(name("t"), LocalTime.class);
    Field<LocalDate> date = field(name("d"), LocalDate.class);
    Field<LocalDateTime> local = field(name("ts"), LocalDateTime.class);
    Field<OffsetDateTime> zoned = field(name("tz"), OffsetDateTime.class);
    BatchWriter<Row> writer =
        BatchWriter.into(T, Row.class)
            .column(ID, Row::id)
            .returning(time, date, local, zoned)
            .build();
    BatchResult result =
        transactions.run(tx -> writer.insertReturning(tx, List.of(new Row(1, null))));
    assertThat(result.returned(0, time)).isEqualTo(LocalTime.of(23, 59, 59, 123_456_000));
    assertThat(result.returned(0, date)).isEqualTo(LocalDate.MAX);
    assertThat(result.returned(0, local)).isEqualTo(LocalDateTime.MIN);
    OffsetDateTime at = result.returned(0, zoned);
    assertThat(at == null ? null : at.toInstant())
        .isEqualTo(Instant.parse("2026-01-01T00:00:00.000001Z"));
  }

  @Test
  void boxesOfTheSameArea_areDifferentToOnlyIfChanged() {
    BatchWriter<Row> writer = writerOf("box");
    BatchWriter<Row> changed =
        BatchWriter.into(T, Row.class)
            .column(ID, Row::id)
            .column(field(name("v"), Object.class), Row::value)
            .onlyIfChanged()
            .build();
    transactions.run(tx -> writer.insert(tx, List.of(new Row(1, "(2,1),(0,0)"))));
    BatchResult result =
        transactions.run(tx -> changed.upsert(tx, List.of(new Row(1, "(1,2),(0,0)"))));
    assertThat(result.outcome(0)).isEqualTo(Outcome.UPDATED);
  }

  static Stream<Arguments> misfits() {
    return Stream.of(
        Arguments.of("smallint", 32768, "22003"),
        Arguments.of("integer", 1L << 31, "22003"),
        Arguments.of("bigint", new BigDecimal("1.5"), "22003"),
        Arguments.of("real", 1e300, "22003"),
        Arguments.of("numeric(5,2)", new BigDecimal("999.995"), "22003"),
        Arguments.of("numeric(5,2)", new BigDecimal("1000"), "22003"),
        Arguments.of("varchar(3)", "abcd", "22001"),
        Arguments.of("varchar(2)", "ab\n\n", "22001"),
        Arguments.of("numeric", new BigDecimal("1e1000000000"), "22003"),
        Arguments.of("text", "a\0b", "22021"),
        Arguments.of("text", "half \ud83d", "22021"),
        Arguments.of("int[]", new Object[] {"\0"}, "22021"),
        Arguments.of("date", LocalDate.of(6_000_000, 1, 1), "22003"),
        Arguments.of("timestamptz", Instant.MAX, "22003"),
        Arguments.of("uuid", "not a uuid", "22P02"),
        Arguments.of("boolean", "yes", "42804"),
        Arguments.of("integer", "7", "42804"),
        Arguments.of("int4range", new java.util.concurrent.atomic.AtomicBoolean(), "42804"));
  }

  @Test
  void valueThatOnlyTheServerCanRefuse_isRejectedAlone() {
    BatchWriter<Row> writer = writerOf("mood");
    BatchResult result =
        transactions.run(
            tx ->
                writer.insert(
                    tx, List.of(new Row(1, "sad"), new Row(2, "glad"), new Row(3, "ok"))));
    assertThat(result.rows(Outcome.REJECTED)).containsExactly(1);
    assertThat(result.rejections().get(0).sqlState()).isEqualTo("22P02");
  }

  @Test
  void domainCheck_isRejectedAlone() {
    BatchWriter<Row> writer = writerOf("positive");
    BatchResult result =
        transactions.run(tx -> writer.insert(tx, List.of(new Row(1, 5), new Row(2, -5))));
    assertThat(result.rows(Outcome.REJECTED)).containsExactly(1);
    assertThat(result.rejections().get(0).sqlState()).isEqualTo("23514");
  }
}
