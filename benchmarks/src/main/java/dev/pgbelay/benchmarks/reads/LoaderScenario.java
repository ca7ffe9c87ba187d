package dev.pgbelay.benchmarks.reads;

import dev.pgbelay.benchmarks.BenchServer;
import dev.pgbelay.benchmarks.BenchSettings;
import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Measurement;
import dev.pgbelay.benchmarks.Scenario;
import dev.pgbelay.benchmarks.Stage;
import dev.pgbelay.benchmarks.Work;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import javax.sql.DataSource;

/** Forty orders on a page, each with its customer and its first three lines. */
public final class LoaderScenario implements Scenario {
  private static final String PAGES_PER_SECOND = "pages-per-second";
  private static final int PAGE = 40;
  private static final int PAGES = 200;
  private static final long SEED = 20261120;

  @Override
  public String name() {
    return "loader";
  }

  @Override
  public String description() {
    return "a list of 40 orders with their customers and first three lines: pages per second";
  }

  @Override
  public long defaultRows(boolean full) {
    return full ? 1_000_000 : 100_000;
  }

  @Override
  public Stage prepare(BenchServer server, BenchSettings settings) throws Exception {
    DataSource pool = server.dataSource();
    load(pool, settings.rows());
    List<Target> targets = targets(pool, settings.rows());
    boolean coreEach = server.coreEach();
    PageReader.OnConnection byHand = JdbcReads::arrayAndLateral;
    PageReader.OnConnection rowByRow = JdbcReads::rowByRow;
    LibraryReads libraries = new LibraryReads(pool);
    return new LoaderStage(
        List.of(
            new PageContestant(Stage.LIMIT, targets, byHand.from(pool)),
            new PageContestant("pgbelay", targets, libraries::pgbelay),
            new PageContestant("pgbelay (records)", targets, libraries::pgbelayRecords),
            new PageContestant("jOOQ in (..) and MULTISET", targets, libraries::jooqMultiset),
            new PageContestant("row by row, JDBC", targets, rowByRow.from(pool)),
            new PageContestant("row by row, jOOQ", targets, libraries::jooqRowByRow)),
        server,
        coreEach);
  }

  private static void load(DataSource dataSource, long orders) throws SQLException {
    long customers = Math.max(1, orders / 5);
    try (Connection connection = dataSource.getConnection();
        Statement statement = connection.createStatement()) {
      statement.execute(ListSql.CREATE_TABLES);
      fill(connection, ListSql.FILL_CUSTOMERS, customers);
      fill(connection, ListSql.FILL_ORDERS, customers, orders);
      fill(connection, ListSql.FILL_LINES, orders);
      statement.execute(ListSql.VACUUM_ANALYZE);
    }
  }

  private static void fill(Connection connection, String sql, long... values) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      for (int i = 0; i < values.length; i++) {
        statement.setLong(i + 1, values[i]);
      }
      statement.executeUpdate();
    }
  }

  private record Target(ListPage.Request request, Work expected) {}

  private static List<Target> targets(DataSource dataSource, long orders) throws SQLException {
    Random random = new Random(SEED);
    List<Target> targets = new ArrayList<>();
    try (Connection connection = dataSource.getConnection();
        PreparedStatement find = connection.prepareStatement(ListSql.ORDERS_OF_PAGE)) {
      for (int page = 0; page < PAGES; page++) {
        find.setLong(1, Math.min(orders, PAGE + (long) (random.nextDouble() * orders)));
        find.setInt(2, PAGE);
        List<Long> ids = new ArrayList<>();
        List<Long> customers = new ArrayList<>();
        try (ResultSet rows = find.executeQuery()) {
          while (rows.next()) {
            ids.add(rows.getLong(1));
            customers.add(rows.getLong(2));
          }
        }
        ListPage.Request request = new ListPage.Request(ids, customers);
        targets.add(new Target(request, JdbcReads.rowByRow(connection, request).work(request)));
      }
    }
    return targets;
  }

  private record LoaderStage(List<? extends Contestant> all, BenchServer server, boolean coreEach)
      implements Stage {
    @Override
    public List<String> parts() {
      return List.of(PAGES_PER_SECOND);
    }

    @Override
    public List<Contestant> contestants() {
      return List.copyOf(all);
    }

    @Override
    public List<String> notes() {
      return List.of(
          "limit, by hand: = any (array) for the customers, a lateral join for the lines",
          "pgbelay: rows mapped with mapRow, as by hand; (records): with map, from jOOQ's records",
          "row by row: 80 statements a page; all others two",
          coreEach
              ? "client and server had a core each"
              : "client and server shared the cores as the scheduler liked");
    }

    @Override
    public void close() {
      server.anyCore();
    }
  }

  /** Reads page after page for a while and reports how many in a second. */
  private record PageContestant(String name, List<Target> targets, PageReader reader)
      implements Contestant {
    private static final long WHILE = TimeUnit.MILLISECONDS.toNanos(600);

    @Override
    public List<Measurement> measure(String part) throws Exception {
      Work did = new Work(0, 0);
      Work expected = new Work(0, 0);
      long pages = 0;
      long start = System.nanoTime();
      while (System.nanoTime() - start < WHILE) {
        Target target = targets.get((int) (pages % targets.size()));
        ListPage page = reader.read(target.request());
        did = plus(did, page.work(target.request()));
        expected = plus(expected, target.expected());
        pages++;
      }
      double seconds = (System.nanoTime() - start) / 1e9;
      return List.of(new Measurement(part, pages / seconds, "pages/s", did, expected));
    }

    private static Work plus(Work sum, Work addend) {
      return new Work(sum.rows() + addend.rows(), sum.checksum() + addend.checksum());
    }
  }
}
