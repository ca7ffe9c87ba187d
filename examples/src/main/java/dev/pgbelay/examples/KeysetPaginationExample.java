package dev.pgbelay.examples;

import static org.jooq.impl.DSL.constraint;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.select;
import static org.jooq.impl.DSL.table;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.token.KeyRing;
import dev.pgbelay.keyset.CursorCodec;
import dev.pgbelay.keyset.InvalidCursorException;
import dev.pgbelay.keyset.KeysetQuery;
import dev.pgbelay.keyset.Page;
import dev.pgbelay.keyset.PageRequest;
import dev.pgbelay.testing.PostgresCluster;
import java.io.PrintStream;
import java.security.SecureRandom;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Optional;
import java.util.stream.LongStream;
import javax.sql.DataSource;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.SQLDialect;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;

/**
 * Somebody pages through the newest orders while orders come in and are deleted. OFFSET repeats
 * some and skips others; {@link KeysetQuery} goes on behind the last order it showed.
 */
public final class KeysetPaginationExample {
  private static final Table<Record> ORDERS = table(name("orders"));
  private static final Field<Long> ID = field(name("id"), SQLDataType.BIGINT.nullable(false));
  private static final Field<OffsetDateTime> PLACED_AT =
      field(name("placed_at"), SQLDataType.TIMESTAMPWITHTIMEZONE.nullable(false));
  private static final int SIZE = 4;

  private final DSLContext dsl;
  private final KeysetQuery<Long> newestFirst;

  KeysetPaginationExample(DataSource dataSource, KeyRing keys) {
    this.dsl = DSL.using(dataSource, SQLDialect.POSTGRES);
    // tag::query[]
    this.newestFirst =
        KeysetQuery.from(select(ID, PLACED_AT).from(ORDERS))
            .orderBy(PLACED_AT.desc())
            .unique(ID) // decides between orders placed at the same time
            .cursors(CursorCodec.signed(keys))
            .map(row -> row.get(ID))
            .build();
    // end::query[]
  }

  public static void main(String[] args) {
    // A service takes its keys from configuration, the same on every node.
    KeyRing keys = KeyRing.of("2026-11", new SecureRandom().generateSeed(32));
    HikariConfig config = new HikariConfig();
    try (PostgresCluster cluster = PostgresCluster.builder().start()) {
      config.setJdbcUrl(cluster.primary().jdbcUrl());
      try (HikariDataSource pool = new HikariDataSource(config)) {
        new KeysetPaginationExample(pool, keys).run(System.out);
      }
    }
  }

  void run(PrintStream out) {
    createOrders();
    out.print("naive:");
    for (int number = 1; number <= 3; number++) {
      out.print(" " + pageByOffset(number));
      changeBehindTheReadersBack(number);
    }

    createOrders();
    out.print("\nsafe: ");
    Page<Long> page = page(Optional.empty());
    for (int number = 1; number <= 3; number++) {
      out.print(" " + page.items());
      changeBehindTheReadersBack(number);
      page = page.nextCursor().isPresent() ? page(page.nextCursor()) : page;
    }

    try {
      page(Optional.of("forged"));
    } catch (InvalidCursorException e) {
      out.println("\nrefused: " + e.reason());
    }
  }

  // tag::naive[]
  List<Long> pageByOffset(int number) {
    return dsl.select(ID)
        .from(ORDERS)
        .orderBy(PLACED_AT.desc(), ID.desc())
        .limit(SIZE)
        .offset((number - 1) * SIZE) // counts from a start that moves, and reads all it skips
        .fetch(ID);
  }

  // end::naive[]

  // tag::safe[]
  /** One statement; {@code cursor} is what the page before gave to the client. */
  Page<Long> page(Optional<String> cursor) {
    return newestFirst.fetch(
        dsl, cursor.map(c -> PageRequest.after(c, SIZE)).orElseGet(() -> PageRequest.first(SIZE)));
  }

  // end::safe[]

  /** After page 1 two orders come in, after page 2 three are deleted that were shown already. */
  private void changeBehindTheReadersBack(int page) {
    if (page == 1) {
      place(13, 14);
    } else if (page == 2) {
      dsl.deleteFrom(ORDERS).where(ID.in(10L, 11L, 12L)).execute();
    }
  }

  private void createOrders() {
    dsl.dropTableIfExists(ORDERS).execute();
    dsl.createTable(ORDERS)
        .columns(ID, PLACED_AT)
        .constraint(constraint().primaryKey(ID))
        .execute();
    dsl.createIndex(name("orders_newest_first")).on(ORDERS, PLACED_AT.desc(), ID.desc()).execute();
    place(1, 12);
  }

  private void place(long first, long last) {
    OffsetDateTime noon = OffsetDateTime.of(2026, 11, 20, 12, 0, 0, 0, ZoneOffset.UTC);
    LongStream.rangeClosed(first, last)
        .forEach(
            id -> dsl.insertInto(ORDERS, ID, PLACED_AT).values(id, noon.plusMinutes(id)).execute());
  }
}
