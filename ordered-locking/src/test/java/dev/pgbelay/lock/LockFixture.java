package dev.pgbelay.lock;

import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.testing.TemplateInitializer;
import java.time.Duration;
import java.util.UUID;
import javax.sql.DataSource;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.SQLDialect;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;

/** Accounts, seats of shows, and documents under keys of every kind. */
final class LockFixture {
  static final TemplateInitializer SCHEMA =
      dataSource -> {
        SchemaInstaller.builder(dataSource).modules("lock").build().install();
        DSL.using(dataSource, SQLDialect.POSTGRES)
            .execute(
                """
                create extension if not exists citext;
                create collation if not exists german (provider = icu, locale = 'de-u-co-phonebk');
                create collation if not exists loose
                  (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
                create table account (id bigint primary key, balance bigint not null default 0);
                create table seat (
                  show uuid not null, number int not null, taken_by text,
                  primary key (show, number));
                create table entry (
                  id bigserial primary key, account bigint not null references account);
                create table by_text (id text collate "C" primary key, v int default 0);
                create table by_icu (id text collate german primary key, v int default 0);
                create table by_loose (id text collate loose primary key, v int default 0);
                create table by_citext (id citext primary key, v int default 0);
                create table by_uuid (id uuid primary key, v int default 0);
                create table by_numeric (id numeric primary key, v int default 0);
                create table by_bytes (id bytea primary key, v int default 0);
                create table by_time (id timestamptz primary key, v int default 0);
                create domain positive as int check (value > 0);
                create table by_domain (id positive primary key, v int default 0);
                create table no_unique (id int not null, v int);
                create table spread (id int not null, region int not null, primary key (id, region))
                  partition by list (region);
                create table spread_1 partition of spread for values in (1);
                create table spread_2 partition of spread for values in (2);
                create view account_view as select * from account;
                insert into account select i, 100 from generate_series(1, 50) i;
                """);
      };

  static final Table<Record> ACCOUNT = table(name("account"));
  static final Field<Long> ACCOUNT_ID = field(name("id"), Long.class);
  static final Field<Long> BALANCE = field(name("balance"), Long.class);
  static final Field<UUID> SHOW = field(name("show"), UUID.class);
  static final Field<Integer> NUMBER = field(name("number"), Integer.class);

  static final LockClass ACCOUNTS = LockClass.rows(ACCOUNT, ACCOUNT_ID);
  static final LockClass SEATS = LockClass.rows(table(name("seat")), SHOW, NUMBER);
  static final LockClass REPORTS = LockClass.names("reports");

  /** So that a slow machine does not time out where somebody is waited for. */
  static final LockOptions PATIENT = LockOptions.defaults().waitAtMost(Duration.ofMinutes(2));

  private LockFixture() {}

  static LockOrder.Builder order() {
    return LockOrder.builder()
        .rank(10, REPORTS)
        .rank(20, SEATS)
        .rank(30, ACCOUNTS)
        .options(PATIENT);
  }

  static DSLContext dsl(DataSource dataSource) {
    return DSL.using(dataSource, SQLDialect.POSTGRES);
  }

  /** A class over one of the tables {@code by_…}. */
  static <T> LockClass by(String what, Class<T> type) {
    return LockClass.rows(table(name("by_" + what)), field(name("id"), type));
  }

  static Field<String> text(String column) {
    return field(name(column), SQLDataType.CLOB);
  }
}
