package dev.pgbelay.testing;

import dev.pgbelay.core.observe.StatementObserver;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.ZoneId;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/** Creates, copies and drops the databases of test classes. */
final class TestDatabases {
  /** Hardly the zone of the JVM. */
  static final ZoneId SESSION_ZONE = ZoneId.of("America/St_Johns");

  private static final int POOL_SIZE = 10;
  private static final AtomicInteger counter = new AtomicInteger();
  private static final Map<TemplateKey, String> templates = new HashMap<>();

  private TestDatabases() {}

  private record TemplateKey(PostgresCluster cluster, TemplateInitializer initializer) {}

  static PostgresDatabase create(
      PostgresCluster cluster,
      String owner,
      @Nullable TemplateInitializer initializer,
      List<StatementObserver> observers,
      PostgresDatabase.Sessions sessions)
      throws Exception {
    ZoneId zone = sessions.zone();
    String template = initializer == null ? null : template(cluster, initializer, zone);
    String name = newName(owner);
    createDatabase(cluster, name, template, zone);
    return new PostgresDatabase(cluster, name, observers, sessions);
  }

  static PostgresDatabase createApart(PostgresCluster cluster, String label) {
    String name = newName(label);
    try {
      createDatabase(cluster, name, null, SESSION_ZONE);
    } catch (SQLException e) {
      throw new ClusterException("cannot create database " + name, e);
    }
    return new PostgresDatabase(
        cluster,
        name,
        List.of(),
        new PostgresDatabase.Sessions(label, SESSION_ZONE, POOL_SIZE, true));
  }

  static void drop(PostgresDatabase database) throws SQLException {
    try (Connection connection = database.cluster().primary().connect();
        Statement statement = connection.createStatement()) {
      statement.execute(
          DatabaseSql.DROP.formatted(statement.enquoteIdentifier(database.name(), true)));
    }
  }

  private static String template(
      PostgresCluster cluster, TemplateInitializer initializer, ZoneId sessionZone)
      throws Exception {
    synchronized (templates) {
      TemplateKey key = new TemplateKey(cluster, initializer);
      String existing = templates.get(key);
      if (existing != null) {
        return existing;
      }
      String name = newName("template");
      createDatabase(cluster, name, null, sessionZone);
      PostgresDatabase database =
          new PostgresDatabase(
              cluster, name, List.of(), new PostgresDatabase.Sessions(name, sessionZone, 4, false));
      try {
        initializer.initialize(database.dataSource());
      } finally {
        database.pool().close();
      }
      templates.put(key, name);
      return name;
    }
  }

  private static void createDatabase(
      PostgresCluster cluster, String name, @Nullable String template, ZoneId sessionZone)
      throws SQLException {
    try (Connection connection = cluster.primary().connect();
        Statement statement = connection.createStatement()) {
      String quoted = statement.enquoteIdentifier(name, true);
      statement.execute(
          template == null
              ? DatabaseSql.CREATE.formatted(quoted)
              : DatabaseSql.CREATE_FROM_TEMPLATE.formatted(
                  quoted, statement.enquoteIdentifier(template, true)));
      statement.execute(
          DatabaseSql.SET_ZONE.formatted(quoted, statement.enquoteLiteral(sessionZone.getId())));
    }
  }

  /** Unique on a server that several JVMs may use; within the 63 bytes of an identifier. */
  private static String newName(String owner) {
    String word = owner.replaceAll("[^A-Za-z0-9]", "").toLowerCase(Locale.ROOT);
    return "t_"
        + word.substring(0, Math.min(30, word.length()))
        + "_"
        + ProcessHandle.current().pid()
        + "_"
        + counter.incrementAndGet();
  }
}
