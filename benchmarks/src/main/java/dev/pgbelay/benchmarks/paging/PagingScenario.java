package dev.pgbelay.benchmarks.paging;

import dev.pgbelay.benchmarks.BenchServer;
import dev.pgbelay.benchmarks.BenchSettings;
import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Scenario;
import dev.pgbelay.benchmarks.Stage;
import dev.pgbelay.benchmarks.events.Event;
import dev.pgbelay.benchmarks.events.EventsTable;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import javax.sql.DataSource;
import org.jooq.conf.Settings;

/** One page of 50 of the large account's events, from the first to the fifty-thousandth. */
public final class PagingScenario implements Scenario {
  private static final List<Long> PAGES = List.of(1L, 100L, 1_000L, 50_000L);

  @Override
  public String name() {
    return "paging";
  }

  @Override
  public String description() {
    return "one page of 50 at pages 1, 100, 1,000 and 50,000, for four shapes of order";
  }

  @Override
  public long defaultRows(boolean full) {
    return full ? 20_000_000 : 5_000_000;
  }

  @Override
  public Stage prepare(BenchServer server, BenchSettings settings) throws Exception {
    DataSource dataSource = server.dataSource();
    EventsTable events = EventsTable.load(dataSource, settings.rows());
    JdbcPages jdbc = new JdbcPages(dataSource);
    List<Target> targets = targets(jdbc, events.rowsOfLargeAccount());
    JooqPages jooq = new JooqPages(dataSource, new Settings());
    JooqPages boundedJooq =
        new JooqPages(dataSource, new Settings().withRenderRedundantConditionForSeekClause(true));
    KeysetPages keyset = new KeysetPages(dataSource);
    JpaPages jpa = new JpaPages(dataSource);
    Map<String, PagingContestant.Readers> readers = new LinkedHashMap<>();
    readers.put(Stage.LIMIT, jdbc::rowValueOrBranches);
    readers.put("pgbelay", keyset::rows);
    readers.put("pgbelay (jOOQ records)", keyset::records);
    readers.put("pgbelay (built per request)", keyset::builtPerRequest);
    readers.put("hand-written redundant bound", jdbc::redundantBound);
    readers.put("jOOQ seek", jooq::seek);
    readers.put("jOOQ seek (redundant bound)", boundedJooq::seek);
    readers.put("Blaze-Persistence", jpa::blaze);
    readers.put("Spring Data JPA scroll", jpa::spring);
    readers.put("hand-written OR", jdbc::or);
    readers.put("OFFSET", jdbc::offset);
    List<Contestant> contestants = new ArrayList<>();
    for (Map.Entry<String, PagingContestant.Readers> entry : readers.entrySet()) {
      contestants.add(
          new PagingContestant(entry.getKey(), settings.repeats(), targets, entry.getValue()));
    }
    return new PagingStage(targets, contestants, jpa, server, server.coreEach());
  }

  private static List<Target> targets(JdbcPages jdbc, long rows) throws Exception {
    List<Target> targets = new ArrayList<>();
    for (Shape shape : Shape.values()) {
      for (long page : PAGES) {
        if (page * Target.PAGE_SIZE <= rows) {
          targets.add(target(jdbc, shape, page));
        }
      }
    }
    return targets;
  }

  private static Target target(JdbcPages jdbc, Shape shape, long page) throws Exception {
    int size = Target.PAGE_SIZE;
    if (page == 1) {
      return new Target(shape, page, null, Event.workOf(jdbc.offset(shape, 0, size).read()));
    }
    List<Event> rows = jdbc.offset(shape, (page - 1) * size - 1, size + 1).read();
    return new Target(shape, page, rows.get(0), Event.workOf(rows.subList(1, rows.size())));
  }

  private record PagingStage(
      List<Target> targets,
      List<Contestant> contestants,
      JpaPages jpa,
      BenchServer server,
      boolean coreEach)
      implements Stage {
    @Override
    public List<String> parts() {
      return targets.stream().map(Target::part).toList();
    }

    @Override
    public List<String> notes() {
      List<String> notes = new ArrayList<>();
      notes.add(
          coreEach
              ? "client and server had a core each"
              : "client and server shared the cores as the scheduler liked: expect two kinds of rounds");
      if (PAGES.stream().anyMatch(page -> !parts().contains(Shape.UNIFORM.part(page)))) {
        notes.add("pages beyond the end of the large account were left out: give more --rows");
      }
      return notes;
    }

    @Override
    public void close() {
      server.anyCore();
      jpa.close();
    }
  }
}
