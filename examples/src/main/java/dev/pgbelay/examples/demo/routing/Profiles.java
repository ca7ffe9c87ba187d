package dev.pgbelay.examples.demo.routing;

import dev.pgbelay.routing.ReadYourWrites;
import dev.pgbelay.routing.Session;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.random.RandomGenerator;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.SQLDialect;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;

/** A table of profiles, and the ways to it. */
final class Profiles {
  private static final Table<Record> PROFILE = DSL.table(DSL.name("profile"));
  private static final Field<Integer> ID = DSL.field(DSL.name("id"), SQLDataType.INTEGER);
  private static final Field<String> NAME = DSL.field(DSL.name("name"), SQLDataType.VARCHAR(40));
  private static final long PIN_NANOS = TimeUnit.SECONDS.toNanos(2);

  private Profiles() {}

  static void create(DSLContext primary, int count) {
    primary.createTable(PROFILE).columns(ID, NAME).primaryKey(ID).execute();
    for (int id = 0; id < count; id++) {
      primary.insertInto(PROFILE, ID, NAME).values(id, "new here").execute();
    }
  }

  private static void save(DSLContext dsl, int id, String name) {
    dsl.update(PROFILE).set(NAME, name).where(ID.eq(id)).execute();
  }

  private static String name(DSLContext dsl, int id) {
    return dsl.select(NAME).from(PROFILE).where(ID.eq(id)).fetchSingle().value1();
  }

  /** Any replica, whatever was written. */
  static Visitor anyReplica(Servers servers, RandomGenerator random) {
    return new Pinned(servers, random, 0);
  }

  /** The primary for two seconds after a write. */
  static Visitor pinned(Servers servers, RandomGenerator random) {
    return new Pinned(servers, random, PIN_NANOS);
  }

  private static final class Pinned implements Visitor {
    private final DSLContext primary;
    private final List<DSLContext> replicas;
    private final RandomGenerator random;
    private final long pinNanos;
    private long savedNanos;

    Pinned(Servers servers, RandomGenerator random, long pinNanos) {
      this.primary = DSL.using(servers.primaryPool(), SQLDialect.POSTGRES);
      this.replicas =
          servers.replicaPools().stream()
              .map(pool -> DSL.using(pool, SQLDialect.POSTGRES))
              .toList();
      this.random = random;
      this.pinNanos = pinNanos;
    }

    @Override
    public void save(int id, String name) {
      Profiles.save(primary, id, name);
      savedNanos = System.nanoTime();
    }

    @Override
    public Shown show(int id) {
      boolean byReplica = System.nanoTime() - savedNanos >= pinNanos;
      DSLContext dsl = byReplica ? replicas.get(random.nextInt(replicas.size())) : primary;
      return new Shown(name(dsl, id), byReplica);
    }
  }

  /** Through a session. */
  static Visitor routed(ReadYourWrites db) {
    return new Routed(db, db.session());
  }

  private record Routed(ReadYourWrites db, Session session) implements Visitor {
    @Override
    public void save(int id, String name) {
      db.write(
          session,
          tx -> {
            Profiles.save(tx.dsl(), id, name);
            return name;
          });
    }

    @Override
    public Shown show(int id) {
      String name = db.read(session, tx -> Profiles.name(tx.dsl(), id));
      return new Shown(name, session.lastDecision().orElseThrow().reason().isReplica());
    }
  }
}
