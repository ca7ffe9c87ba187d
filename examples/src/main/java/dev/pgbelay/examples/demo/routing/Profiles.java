package dev.pgbelay.examples.demo.routing;

import dev.pgbelay.routing.LostPosition;
import dev.pgbelay.routing.ReadYourWrites;
import dev.pgbelay.routing.Session;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.random.RandomGenerator;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
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

  static void create(DSLContext primary, int first, int count) {
    primary.createTableIfNotExists(PROFILE).columns(ID, NAME).primaryKey(ID).execute();
    for (int id = first; id < first + count; id++) {
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
  static Visitor anyReplica(Servers.Ways ways, RandomGenerator random) {
    return new Pinned(ways, random, 0);
  }

  /** The primary for two seconds after a write. */
  static Visitor pinned(Servers.Ways ways, RandomGenerator random) {
    return new Pinned(ways, random, PIN_NANOS);
  }

  private static final class Pinned implements Visitor {
    private final DSLContext primary;
    private final List<DSLContext> replicas;
    private final RandomGenerator random;
    private final long pinNanos;
    private long savedNanos;

    Pinned(Servers.Ways ways, RandomGenerator random, long pinNanos) {
      this.primary = ways.primary();
      this.replicas = ways.replicas();
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
      return new Shown(name(dsl, id), byReplica, false);
    }
  }

  /** Through a session. */
  static Visitor routed(ReadYourWrites db) {
    return new Routed(db);
  }

  private static final class Routed implements Visitor {
    private final ReadYourWrites db;
    private final Session session;
    private Optional<LostPosition> lostBefore = Optional.empty();

    Routed(ReadYourWrites db) {
      this.db = db;
      this.session = db.session();
    }

    @Override
    public void save(int id, String name) {
      db.write(
          session,
          tx -> {
            Profiles.save(tx.dsl(), id, name);
            return name;
          });
      lostBefore = session.lost();
    }

    @Override
    public Shown show(int id) {
      String name = db.read(session, tx -> Profiles.name(tx.dsl(), id));
      return new Shown(
          name,
          session.lastDecision().orElseThrow().reason().isReplica(),
          !session.lost().equals(lostBefore));
    }
  }
}
