package dev.pgbelay.testing;

import java.sql.SQLException;
import java.time.ZoneId;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;

/**
 * Gives each test class a database of its own on {@link PostgresCluster#shared()} and drops it
 * afterwards. Nested classes share the database of the class around them.
 *
 * <pre>{@code
 * @ExtendWith(PostgresExtension.class)
 * class OrdersTest {
 *   @Test
 *   void a(DataSource dataSource) { … }
 * }
 *
 * class OrdersTest {
 *   @RegisterExtension
 *   static final PostgresExtension postgres = PostgresExtension.create().withTemplate(SCHEMA);
 * }
 * }</pre>
 *
 * Parameters of type {@link DataSource} (a HikariCP pool), {@link PostgresDatabase} and {@link
 * PostgresCluster} are injected. Sessions of the pool have the time zone America/St_Johns, which is
 * hardly the zone of the JVM, so that a timestamp that loses its zone on the way is noticed.
 */
public final class PostgresExtension
    implements BeforeAllCallback, AfterAllCallback, ParameterResolver {
  private static final ExtensionContext.Namespace NAMESPACE =
      ExtensionContext.Namespace.create(PostgresExtension.class);
  private static final String DATABASE = "database";

  private ZoneId sessionZone = ZoneId.of("America/St_Johns");
  private int poolSize = 10;
  private @Nullable TemplateInitializer template;
  private @Nullable PostgresCluster cluster;
  private volatile @Nullable PostgresDatabase current;

  /** With defaults; what {@code @ExtendWith} uses. */
  public PostgresExtension() {}

  /** With defaults, to be changed by the {@code with…} methods before the first test runs. */
  public static PostgresExtension create() {
    return new PostgresExtension();
  }

  /**
   * Copies the class's database from a template that the initializer fills once per JVM. Keep the
   * initializer in a constant: the same object means the same template.
   */
  public PostgresExtension withTemplate(TemplateInitializer initializer) {
    this.template = initializer;
    return this;
  }

  /** A cluster of the test's own instead of the shared one; the test closes it. */
  public PostgresExtension withCluster(PostgresCluster cluster) {
    this.cluster = cluster;
    return this;
  }

  /** The most connections the pool opens; 10 by default. */
  public PostgresExtension withPoolSize(int poolSize) {
    if (poolSize < 1) {
      throw new IllegalArgumentException("poolSize is " + poolSize + ": at least 1");
    }
    this.poolSize = poolSize;
    return this;
  }

  /** The time zone of the pool's sessions. */
  public PostgresExtension withSessionZone(ZoneId sessionZone) {
    this.sessionZone = sessionZone;
    return this;
  }

  /** The database of the test class that is running. */
  public PostgresDatabase database() {
    PostgresDatabase database = current;
    if (database == null) {
      throw new IllegalStateException(
          "no test class is running: register the extension in a static field, and ask for the"
              + " database in @BeforeAll or later");
    }
    return database;
  }

  /** The pool of the test class that is running. */
  public DataSource dataSource() {
    return database().dataSource();
  }

  /** See {@link PostgresDatabase#jdbcUrl()}. */
  public String jdbcUrl() {
    return database().jdbcUrl();
  }

  @Override
  public void beforeAll(ExtensionContext context) throws Exception {
    PostgresDatabase outer = store(context).get(DATABASE, PostgresDatabase.class);
    if (outer == null) {
      PostgresCluster on = cluster == null ? PostgresCluster.shared() : cluster;
      outer =
          TestDatabases.create(
              on, context.getRequiredTestClass().getSimpleName(), template, sessionZone, poolSize);
      store(context).put(DATABASE, outer);
    }
    current = outer;
  }

  @Override
  public void afterAll(ExtensionContext context) throws SQLException {
    if (context.getParent().map(parent -> store(parent).get(DATABASE)).isPresent()) {
      return;
    }
    PostgresDatabase database = store(context).remove(DATABASE, PostgresDatabase.class);
    current = null;
    if (database != null) {
      database.pool().close();
      TestDatabases.drop(database);
    }
  }

  @Override
  public boolean supportsParameter(ParameterContext parameter, ExtensionContext context) {
    Class<?> type = parameter.getParameter().getType();
    return type == DataSource.class
        || type == PostgresDatabase.class
        || type == PostgresCluster.class;
  }

  @Override
  public Object resolveParameter(ParameterContext parameter, ExtensionContext context) {
    Class<?> type = parameter.getParameter().getType();
    PostgresDatabase database = store(context).get(DATABASE, PostgresDatabase.class);
    if (database == null) {
      throw new IllegalStateException(
          "register PostgresExtension on the class or in a static field: in an instance field it"
              + " comes too late to create the database");
    }
    if (type == PostgresCluster.class) {
      return database.cluster();
    }
    return type == DataSource.class ? database.dataSource() : database;
  }

  private static ExtensionContext.Store store(ExtensionContext context) {
    return context.getStore(NAMESPACE);
  }
}
