package dev.pgbelay.kafka;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.kafka.StormHistory.Committed;
import dev.pgbelay.kafka.StormHistory.Delivered;
import dev.pgbelay.kafka.StormHistory.Effect;
import dev.pgbelay.kafka.StormHistory.End;
import dev.pgbelay.kafka.StormHistory.Relay;
import dev.pgbelay.outbox.route.Routes;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import javax.sql.DataSource;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.jooq.DSLContext;
import org.jooq.Record;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.jspecify.annotations.Nullable;

/**
 * The tables of a storm: what producers write beside their messages, what consumers write for them,
 * and which identities relays had. The order of commits is the server's own: it keeps the time of
 * each commit, and transactions that wait for each other cannot have the same.
 */
final class StormTables {
  static final String TOPIC = "orders";

  private static final String[] STATEMENTS = {
    "create table storm_aggregate (key text primary key, version bigint not null)",
    """
    create table storm_commit (
      place bigint generated always as identity, message_id text not null, key text,
      version bigint)""",
    """
    create table storm_effect (
      place bigint generated always as identity, message_id text not null, key text)""",
    """
    create table storm_identity (
      place bigint generated always as identity, claimant uuid primary key, node text not null,
      expired boolean)""",
    """
    create function storm_identity() returns trigger language plpgsql as $$
    begin
      if tg_op = 'INSERT' then
        insert into storm_identity (claimant, node) values (new.claimant, new.node);
      else
        update storm_identity set expired = old.expires_at <= clock_timestamp()
         where claimant = old.claimant;
      end if;
      return null;
    end $$""",
    """
    create trigger storm_identity after insert or delete on pgbelay.outbox_relay
       for each row execute function storm_identity()"""
  };

  private final DSLContext dsl;

  StormTables(DataSource direct) {
    this.dsl = DSL.using(direct, SQLDialect.POSTGRES);
  }

  static HikariDataSource pool(String url, int size) {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(url);
    config.setMaximumPoolSize(size);
    config.setMinimumIdle(0);
    config.setConnectionTimeout(5_000);
    config.setInitializationFailTimeout(-1);
    return new HikariDataSource(config);
  }

  /** So many aggregates: a0, a1, … */
  static StormTables install(DataSource direct, int aggregates) {
    SchemaInstaller.builder(direct).modules("outbox").build().install();
    StormTables tables = new StormTables(direct);
    for (String statement : STATEMENTS) {
      tables.dsl.execute(statement);
    }
    tables.dsl.execute(
        "insert into storm_aggregate select 'a' || n, 0 from generate_series(0, ?) as n",
        aggregates - 1);
    Transactions.of(direct).execute(tx -> Routes.create().add(tx, TOPIC, "kafka"));
    return tables;
  }

  /** Waits for others that have it, until their transaction has ended. */
  static long lockAggregate(Tx tx, String key) {
    return tx.dsl()
        .fetchSingle(
            "update storm_aggregate set version = version + 1 where key = ? returning version", key)
        .get(0, Long.class);
  }

  static void commits(Tx tx, List<String> ids, @Nullable String key, @Nullable Long version) {
    tx.dsl()
        .execute(
            "insert into storm_commit (message_id, key, version)"
                + " select id, ?, ? from unnest(?::text[]) with ordinality as u (id, n) order by n",
            key,
            version,
            ids.toArray(new String[0]));
  }

  int count(String sql, Object... values) {
    return Integer.parseInt(String.valueOf(dsl.fetchValue(sql, values)));
  }

  int committed() {
    return count("select count(*) from storm_commit");
  }

  int effects() {
    return count("select count(*) from storm_effect");
  }

  DSLContext dsl() {
    return dsl;
  }

  List<Committed> commits() {
    return dsl.fetch(
            "select message_id, key, version from storm_commit"
                + " order by pg_xact_commit_timestamp(xmin), place")
        .map(
            row ->
                new Committed(
                    row.get(0, String.class),
                    optional(row, 1),
                    optional(row, 2).map(Long::valueOf)));
  }

  private static Optional<String> optional(Record row, int column) {
    return Optional.ofNullable(row.get(column)).map(String::valueOf);
  }

  List<Effect> writtenEffects() {
    return dsl.fetch("select message_id, key from storm_effect order by place")
        .map(row -> new Effect(row.get(0, String.class), optional(row, 1)));
  }

  /**
   * Which identities there were.
   *
   * @param clean nodes that say of themselves that they have stopped in good order
   */
  List<Relay> relays(Set<String> clean) {
    return dsl.fetch(
            "select claimant::text, node, expired,"
                + " exists (select from storm_identity as l"
                + "          where l.node = i.node and l.place > i.place) as again"
                + " from storm_identity as i order by place")
        .map(
            row -> {
              String node = row.get(1, String.class);
              Boolean expired = row.get(2, Boolean.class);
              End end;
              if (expired == null) {
                end = End.NONE;
              } else if (expired) {
                end = End.EXPIRED;
              } else {
                end =
                    row.get(3, Boolean.class) || !clean.contains(node)
                        ? End.RENEWED
                        : End.SIGNED_OFF;
              }
              return new Relay(row.get(0, String.class), node, end);
            });
  }

  Map<String, Integer> left() {
    Map<String, Integer> left = new LinkedHashMap<>();
    for (String table :
        List.of(
            "outbox_message", "outbox_held", "outbox_held_key", "outbox_dead", "outbox_relay")) {
      left.put(table, count("select count(*) from pgbelay." + table));
    }
    left.put(
        "outbox_lane",
        count("select count(*) from pgbelay.outbox_lane where claimant is not null"));
    return left;
  }

  /**
   * Everything that is known.
   *
   * @param folder where processes write what they say of themselves
   */
  StormHistory history(KafkaBroker broker, String topic, Path folder, Collection<String> rolledBack)
      throws IOException {
    Set<String> clean = new TreeSet<>();
    try (Stream<Path> files = Files.list(folder)) {
      files
          .map(file -> file.getFileName().toString())
          .filter(name -> name.endsWith(StormProcess.CLEAN))
          .forEach(
              name -> clean.add(name.substring(0, name.length() - StormProcess.CLEAN.length())));
    }
    return new StormHistory(
        commits(),
        List.copyOf(rolledBack),
        broker.read(topic).stream().map(StormTables::delivered).toList(),
        StormAnswers.read(folder),
        relays(clean),
        writtenEffects(),
        left());
  }

  private static Delivered delivered(ConsumerRecord<String, String> record) {
    return new Delivered(
        record.partition(),
        record.offset(),
        Optional.ofNullable(record.key()),
        KafkaHeaders.messageId(record.headers()).orElseThrow(),
        KafkaHeaders.text(record.headers(), KafkaHeaders.CLAIM).orElseThrow());
  }
}
