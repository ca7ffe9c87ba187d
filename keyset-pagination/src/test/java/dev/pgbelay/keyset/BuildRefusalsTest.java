package dev.pgbelay.keyset;

import static dev.pgbelay.keyset.OrdersSchema.CODEC;
import static dev.pgbelay.keyset.OrdersSchema.CREATED_AT;
import static dev.pgbelay.keyset.OrdersSchema.CUSTOMER;
import static dev.pgbelay.keyset.OrdersSchema.ID;
import static dev.pgbelay.keyset.OrdersSchema.ORDERS;
import static dev.pgbelay.keyset.OrdersSchema.SHIPPED_AT;
import static dev.pgbelay.keyset.OrdersSchema.STATUS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.jooq.impl.DSL.asterisk;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.inline;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.param;
import static org.jooq.impl.DSL.select;
import static org.jooq.impl.DSL.selectDistinct;

import dev.pgbelay.keyset.InvalidKeysetQueryException.Reason;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.util.List;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.SQLDialect;
import org.jooq.Select;
import org.jooq.SortField;
import org.jooq.TableField;
import org.jooq.UniqueKey;
import org.jooq.impl.DSL;
import org.jooq.impl.Internal;
import org.jooq.impl.SQLDataType;
import org.jooq.impl.TableImpl;
import org.junit.jupiter.api.Test;

/** What cannot be paged exactly is refused before there is a page, and says what to declare. */
class BuildRefusalsTest {
  private static final Field<String> EMAIL =
      field(name("orders", "email"), SQLDataType.CLOB.notNull());
  private static final Field<LocalDate> DAY =
      field(name("orders", "day"), SQLDataType.LOCALDATE.notNull());

  /** Has no connection: whatever reaches for one fails in another way than the test expects. */
  private static final DSLContext NO_DATABASE = DSL.using(SQLDialect.POSTGRES);

  private static KeysetQueryBuilder<Record> orders(SortField<?>... order) {
    return orders(select(ID, CREATED_AT).from(ORDERS), order);
  }

  private static KeysetQueryBuilder<Record> orders(Select<?> select, SortField<?>... order) {
    return KeysetQuery.from(select).named("orders").orderBy(order).cursors(CODEC);
  }

  private static InvalidKeysetQueryException refusal(KeysetQueryBuilder<?> builder) {
    InvalidKeysetQueryException refused =
        catchThrowableOfType(InvalidKeysetQueryException.class, builder::build);
    assertThat(refused).isNotNull();
    assertThat(refused).hasMessageContaining("orders");
    return refused;
  }

  @Test
  void orderWithoutTieBreaker_isRefused() {
    InvalidKeysetQueryException refused = refusal(orders(CREATED_AT.desc()));
    assertThat(refused.reason()).isEqualTo(Reason.ORDER_NOT_UNIQUE);
    assertThat(refused).hasMessageContaining("unique(").hasMessageContaining("created_at desc");
  }

  @Test
  void declaredTieBreaker_isAppendedInTheDirectionOfTheLastKey() {
    assertThat(orders(CREATED_AT.desc()).unique(ID).build())
        .hasToString("KeysetQuery[orders, order by orders.created_at desc, orders.id desc]");
    assertThat(orders(CREATED_AT.desc(), STATUS.asc()).unique(CUSTOMER, ID).build())
        .hasToString(
            "KeysetQuery[orders, order by orders.created_at desc, orders.status asc, orders.customer_id asc, orders.id asc]");
    assertThat(orders(ID.asc(), CREATED_AT.desc()).unique(ID).build())
        .hasToString("KeysetQuery[orders, order by orders.id asc, orders.created_at desc]");
  }

  @Test
  void primaryKeyThatJooqKnows_isTheTieBreaker() {
    Known known = new Known();
    assertThat(
            KeysetQuery.from(known).named("known").orderBy(known.at.desc()).cursors(CODEC).build())
        .hasToString("KeysetQuery[known, order by known.at desc, known.id desc]");
    Known other = new Known();
    assertThat(
            catchThrowableOfType(
                    InvalidKeysetQueryException.class,
                    () ->
                        KeysetQuery.from(
                                select(known.id).from(known).join(ORDERS).on(ID.eq(known.id)))
                            .orderBy(other.at.desc())
                            .cursors(CODEC)
                            .build())
                .reason())
        .as("a join may multiply rows, so its key is not known")
        .isEqualTo(Reason.ORDER_NOT_UNIQUE);
  }

  @Test
  void keyThatMayBeNull_needsAPosition() {
    InvalidKeysetQueryException refused = refusal(orders(SHIPPED_AT.asc()).unique(ID));
    assertThat(refused.reason()).isEqualTo(Reason.NULLS_POSITION);
    assertThat(refused).hasMessageContaining("shipped_at").hasMessageContaining("nullsLast()");
    assertThat(firstKey(orders(SHIPPED_AT.asc()).nullable(SHIPPED_AT)))
        .matches(key -> key.nullable() && !key.nullsFirst());
    assertThat(firstKey(orders(SHIPPED_AT.desc()).nullable(SHIPPED_AT)))
        .matches(key -> key.nullable() && key.nullsFirst());
    assertThat(firstKey(orders(SHIPPED_AT.desc()).notNull(SHIPPED_AT)))
        .matches(key -> !key.nullable());
  }

  private static SortKey firstKey(KeysetQueryBuilder<?> builder) {
    return builder.unique(ID).build().prepared().keys().get(0);
  }

  @Test
  void nullsPositionOfAKeyThatIsNeverNull_doesNotSpoilTheIndex() {
    KeysetQuery<?> query =
        orders(CREATED_AT.desc().nullsLast(), ID.desc()).notNull(CREATED_AT).unique(ID).build();
    assertThat(query.explainPlan().get(0).sql()).doesNotContain("nulls");
  }

  @Test
  void tieBreakerThatMayBeNull_isRefused() {
    Field<Long> nullable = field(name("orders", "ref"), SQLDataType.BIGINT.nullable(true));
    assertThat(refusal(orders(CREATED_AT.desc()).unique(nullable)).reason())
        .isEqualTo(Reason.ORDER_NOT_UNIQUE);
  }

  @Test
  void noOrderOrAKeyTwice_isRefused() {
    assertThat(refusal(orders().unique(ID)).reason()).isEqualTo(Reason.ORDER);
    assertThat(refusal(orders(ID.asc(), ID.desc()).unique(ID)).reason()).isEqualTo(Reason.ORDER);
  }

  @Test
  void keyOfATypeThatACursorCannotCarry_isRefused() {
    Field<?> json = field(name("orders", "doc"), SQLDataType.JSONB.notNull());
    InvalidKeysetQueryException refused = refusal(orders(json.asc()).unique(ID));
    assertThat(refused.reason()).isEqualTo(Reason.KEY_TYPE);
    assertThat(refused).hasMessageContaining("jsonb");
  }

  @Test
  void selectsThatCannotBePaged_areRefused() {
    for (Select<?> select :
        List.of(
            select(asterisk()).from(ORDERS),
            select(ID).from(ORDERS).orderBy(ID),
            select(ID).from(ORDERS).forUpdate().skipLocked(),
            select(ID).from(ORDERS).where(EMAIL.eq(inline("a\0b"))),
            select(ID).from(ORDERS).where(EMAIL.eq("a\0b")),
            select(ID).from(ORDERS).where(DAY.lt(LocalDate.MAX)))) {
      assertThat(refusal(orders(select, ID.asc()).unique(ID)).reason())
          .as("%s", select)
          .isEqualTo(Reason.SELECT);
    }
    assertThat(
            refusal(orders(selectDistinct(STATUS).from(ORDERS), CREATED_AT.asc()).unique(STATUS))
                .reason())
        .isEqualTo(Reason.ORDER);
  }

  @Test
  void options_areNamedWithTheirRange() {
    assertThat(refusal(orders(ID.asc()).unique(ID).maxPageSize(0)))
        .hasMessageContaining("maxPageSize")
        .hasMessageContaining("100000");
    assertThat(
            refusal(
                KeysetQuery.from(select(ID).from(ORDERS))
                    .named("orders")
                    .orderBy(ID.asc())
                    .unique(ID)))
        .hasMessageContaining("cursors(");
    assertThat(
            catchThrowableOfType(
                InvalidKeysetQueryException.class, () -> orders(ID.asc()).named(" ").build()))
        .hasMessageContaining("name");
  }

  @Test
  void badPageRequests_areRefusedBeforeAnySqlRuns() {
    KeysetQuery<?> query = orders(ID.asc()).unique(ID).maxPageSize(50).build();
    assertThat(requestRefusal(query, PageRequest.first(0)).reason())
        .isEqualTo(InvalidPageRequestException.Reason.SIZE_NOT_POSITIVE);
    assertThat(requestRefusal(query, PageRequest.after("x", -5)).reason())
        .isEqualTo(InvalidPageRequestException.Reason.SIZE_NOT_POSITIVE);
    assertThat(requestRefusal(query, PageRequest.first(51)))
        .hasMessageContaining("51")
        .hasMessageContaining("cap of 50");
    assertThat(requestRefusal(query, PageRequest.first(Integer.MAX_VALUE)).reason())
        .isEqualTo(InvalidPageRequestException.Reason.SIZE_ABOVE_CAP);
    assertThat(requestRefusal(query, PageRequest.first(5).withCountUpTo(0)).reason())
        .isEqualTo(InvalidPageRequestException.Reason.COUNT_CAP);
    for (PageRequest request :
        List.of(
            PageRequest.fromKeys(5),
            PageRequest.fromKeys(5, (Object) null),
            PageRequest.fromKeys(5, 1L, 2L),
            PageRequest.fromKeys(5, "not a number"))) {
      assertThat(requestRefusal(query, request).reason())
          .isEqualTo(InvalidPageRequestException.Reason.KEYS);
    }
    assertThat(
            catchThrowableOfType(
                InvalidCursorException.class,
                () -> query.fetch(NO_DATABASE, PageRequest.after("x", 5))))
        .isNotNull();
  }

  @Test
  void missingOrWrongParameterValues_areRefusedBeforeAnySqlRuns() {
    KeysetQuery<?> query = filteredBy(CUSTOMER);
    assertThat(requestRefusal(query, PageRequest.first(5)))
        .hasMessageContaining("'value' has no value");
    InvalidPageRequestException unknown =
        catchThrowableOfType(InvalidPageRequestException.class, () -> query.with("valeu", 5L));
    assertThat(unknown).hasMessageContaining("valeu").hasMessageContaining("[value]");
    assertThat(valueRefusal(query, OffsetDateTime.MAX.toString())).isNotNull();
  }

  private static <V> KeysetQuery<?> filteredBy(Field<V> field) {
    return orders(
            select(ID).from(ORDERS).where(field.eq(param("value", field.getDataType()))), ID.asc())
        .unique(ID)
        .build();
  }

  private static InvalidPageRequestException valueRefusal(KeysetQuery<?> query, Object value) {
    InvalidPageRequestException refused =
        catchThrowableOfType(InvalidPageRequestException.class, () -> query.with("value", value));
    assertThat(refused).as("%s", value).isNotNull();
    assertThat(refused.reason()).isEqualTo(InvalidPageRequestException.Reason.VALUE_UNUSABLE);
    assertThat(refused).hasMessageContaining("'value'").hasMessageContaining("orders");
    return refused;
  }

  @Test
  void nulInTextOfAFilterOrDeepLink_isRefusedByNameBeforeAnySqlRuns() {
    assertThat(valueRefusal(filteredBy(EMAIL), "a\0b"))
        .hasMessageContaining("U+0000")
        .hasMessageContaining("remove it");
    Field<String[]> emails = field(name("orders", "emails"), SQLDataType.CLOB.array());
    assertThat(valueRefusal(filteredBy(emails), new String[] {"a", "\0"}))
        .hasMessageContaining("U+0000");
    InvalidPageRequestException key =
        requestRefusal(orders(EMAIL.asc()).unique(ID).build(), PageRequest.fromKeys(5, "a\0b", 1L));
    assertThat(key.reason()).isEqualTo(InvalidPageRequestException.Reason.KEYS);
    assertThat(key).hasMessageContaining("orders.email").hasMessageContaining("U+0000");
  }

  @Test
  void daysAndTimesThatPostgresDoesNotHave_areRefusedByNameBeforeAnySqlRuns() {
    Field<LocalDateTime> at = field(name("orders", "at"), SQLDataType.LOCALDATETIME.notNull());
    for (LocalDate day :
        List.of(
            LocalDate.MAX,
            LocalDate.MIN,
            LocalDate.of(5874898, 1, 1),
            LocalDate.of(-4713, 11, 23))) {
      assertThat(valueRefusal(filteredBy(DAY), day))
          .hasMessageContaining("LocalDate")
          .hasMessageContaining("5874897-12-31");
      dayRefusal(DAY, day);
    }
    for (LocalDateTime time :
        List.of(
            LocalDateTime.MAX,
            LocalDateTime.MIN,
            LocalDateTime.of(294276, 12, 31, 23, 59, 59, 999_999_900),
            LocalDateTime.of(-4713, 11, 23, 23, 59))) {
      assertThat(valueRefusal(filteredBy(at), time)).hasMessageContaining("294276-12-31");
      dayRefusal(at, time);
    }
    for (OffsetDateTime time : List.of(OffsetDateTime.MAX, OffsetDateTime.MIN)) {
      valueRefusal(filteredBy(CREATED_AT), time);
      dayRefusal(CREATED_AT, time);
    }
    assertThat(filteredBy(DAY).with("value", LocalDate.of(5874897, 12, 31))).isNotNull();
    assertThat(filteredBy(DAY).with("value", LocalDate.of(-4713, 11, 24))).isNotNull();
  }

  private static void dayRefusal(Field<?> key, Object value) {
    InvalidPageRequestException refused =
        requestRefusal(orders(key.asc()).unique(ID).build(), PageRequest.fromKeys(5, value));
    assertThat(refused.reason()).isEqualTo(InvalidPageRequestException.Reason.KEYS);
    assertThat(refused).hasMessageContaining(key.getName()).hasMessageContaining("infinity");
  }

  private static InvalidPageRequestException requestRefusal(
      KeysetQuery<?> query, PageRequest request) {
    InvalidPageRequestException refused =
        catchThrowableOfType(
            InvalidPageRequestException.class, () -> query.fetch(NO_DATABASE, request));
    assertThat(refused).isNotNull();
    return refused;
  }

  private static final class Known extends TableImpl<Record> {
    private static final long serialVersionUID = 1L;

    final TableField<Record, Long> id = createField(name("id"), SQLDataType.BIGINT.notNull());
    final TableField<Record, OffsetDateTime> at =
        createField(name("at"), SQLDataType.TIMESTAMPWITHTIMEZONE.notNull());

    Known() {
      super(name("known"));
    }

    @Override
    public Class<Record> getRecordType() {
      return Record.class;
    }

    @Override
    public UniqueKey<Record> getPrimaryKey() {
      return Internal.createUniqueKey(this, name("known_pkey"), id);
    }
  }
}
