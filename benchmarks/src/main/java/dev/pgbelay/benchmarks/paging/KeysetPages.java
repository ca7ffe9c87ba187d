package dev.pgbelay.benchmarks.paging;

import static dev.pgbelay.benchmarks.paging.JooqPages.ACCOUNT_ID;
import static dev.pgbelay.benchmarks.paging.JooqPages.AMOUNT;
import static dev.pgbelay.benchmarks.paging.JooqPages.CREATED_AT;
import static dev.pgbelay.benchmarks.paging.JooqPages.EVENTS;
import static dev.pgbelay.benchmarks.paging.JooqPages.ID;
import static dev.pgbelay.benchmarks.paging.JooqPages.PAYLOAD;
import static dev.pgbelay.benchmarks.paging.JooqPages.RESOLVED_AT;
import static dev.pgbelay.benchmarks.paging.JooqPages.STATUS;

import dev.pgbelay.benchmarks.events.Event;
import dev.pgbelay.benchmarks.events.EventsTable;
import dev.pgbelay.core.token.KeyRing;
import dev.pgbelay.keyset.CursorCodec;
import dev.pgbelay.keyset.KeysetQuery;
import dev.pgbelay.keyset.KeysetQueryBuilder;
import dev.pgbelay.keyset.PageRequest;
import java.nio.charset.StandardCharsets;
import java.util.EnumMap;
import java.util.Map;
import javax.sql.DataSource;
import org.jooq.DSLContext;
import org.jooq.Record;
import org.jooq.SQLDialect;
import org.jooq.SortField;
import org.jooq.impl.DSL;

/**
 * pgbelay as a service uses it: queries built once, one {@code fetch} and one cursor per request.
 */
final class KeysetPages {
  private static final String ACCOUNT = "account";

  private final DSLContext dsl;
  private final CursorCodec cursors =
      CursorCodec.signed(
          KeyRing.of("bench", "a key of 32 bytes for measuring.".getBytes(StandardCharsets.UTF_8)));
  private final Map<Shape, KeysetQuery<Event>> queries = new EnumMap<>(Shape.class);
  private final Map<Shape, KeysetQuery<Event>> recordQueries = new EnumMap<>(Shape.class);

  KeysetPages(DataSource dataSource) {
    dsl = DSL.using(dataSource, SQLDialect.POSTGRES);
    for (Shape shape : Shape.values()) {
      queries.put(shape, query(shape).mapRow(Event::of).build());
      recordQueries.put(shape, query(shape).map(KeysetPages::event).build());
    }
  }

  /** Rows mapped from the JDBC result. */
  PageReader rows(Target target) {
    return reader(queries, target);
  }

  /** Rows mapped from jOOQ records. */
  PageReader records(Target target) {
    return reader(recordQueries, target);
  }

  /** The query built anew for each page, as a controller does that has optional filters. */
  PageReader builtPerRequest(Target target) {
    Event boundary = target.boundary();
    if (boundary == null) {
      return () ->
          ofAccount(target.shape()).fetch(dsl, PageRequest.first(Target.PAGE_SIZE)).items();
    }
    String cursor = cursor(ofAccount(target.shape()), target.shape(), boundary);
    return () ->
        ofAccount(target.shape()).fetch(dsl, PageRequest.after(cursor, Target.PAGE_SIZE)).items();
  }

  private KeysetQuery<Event> ofAccount(Shape shape) {
    return query(shape).mapRow(Event::of).build().with(ACCOUNT, EventsTable.LARGE_ACCOUNT);
  }

  private PageReader reader(Map<Shape, KeysetQuery<Event>> ofShape, Target target) {
    KeysetQuery<Event> query = ofShape.get(target.shape());
    if (query == null) {
      throw new IllegalArgumentException("no query for " + target.shape());
    }
    KeysetQuery<Event> ofAccount = query.with(ACCOUNT, EventsTable.LARGE_ACCOUNT);
    Event boundary = target.boundary();
    if (boundary == null) {
      return () -> ofAccount.fetch(dsl, PageRequest.first(Target.PAGE_SIZE)).items();
    }
    String cursor = cursor(ofAccount, target.shape(), boundary);
    return () -> ofAccount.fetch(dsl, PageRequest.after(cursor, Target.PAGE_SIZE)).items();
  }

  /** The cursor that the page before has handed out, had from a deep link to its last row. */
  private String cursor(KeysetQuery<Event> query, Shape shape, Event last) {
    Object lead =
        switch (shape) {
          case UNIFORM, MIXED -> last.createdAt();
          case LOW_CARDINALITY -> last.status();
          case NULLABLE -> last.resolvedAt();
        };
    return query.fetch(dsl, PageRequest.fromKeys(1, lead, last.id())).cursors().get(0);
  }

  private KeysetQueryBuilder<Record> query(Shape shape) {
    return KeysetQuery.from(
            DSL.select(ID, ACCOUNT_ID, CREATED_AT, STATUS, RESOLVED_AT, AMOUNT, PAYLOAD)
                .from(EVENTS)
                .where(ACCOUNT_ID.eq(DSL.param(ACCOUNT, Integer.class))))
        .named("events-" + shape.label())
        .orderBy(order(shape))
        .unique(ID)
        .cursors(cursors);
  }

  private static SortField<?>[] order(Shape shape) {
    return switch (shape) {
      case UNIFORM -> new SortField<?>[] {CREATED_AT.desc(), ID.desc()};
      case MIXED -> new SortField<?>[] {CREATED_AT.desc(), ID.asc()};
      case LOW_CARDINALITY -> new SortField<?>[] {STATUS.asc(), ID.desc()};
      case NULLABLE -> new SortField<?>[] {RESOLVED_AT.asc().nullsLast(), ID.asc()};
    };
  }

  private static Event event(Record row) {
    return new Event(
        row.get(ID),
        row.get(ACCOUNT_ID),
        row.get(CREATED_AT),
        row.get(STATUS),
        row.get(RESOLVED_AT),
        row.get(AMOUNT),
        row.get(PAYLOAD));
  }
}
