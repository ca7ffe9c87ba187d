package dev.pgbelay.testing;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.observe.StatementObserver;
import java.sql.SQLException;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.List;
import java.util.ServiceLoader;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.LifecycleMethodExecutionExceptionHandler;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;
import org.junit.jupiter.api.extension.TestExecutionExceptionHandler;
import org.opentest4j.TestAbortedException;
import org.postgresql.ds.PGSimpleDataSource;

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
 *
 * <p>The class fails when it leaves something behind: an open transaction, a connection that was
 * not closed, a prepared transaction, a replication slot, a thread that keeps the JVM alive. {@link
 * StatementObserver}s that {@link ServiceLoader} finds or {@link #withObserver} adds see what goes
 * through the pool, and a test fails by their findings. A failed test shows the end of the server's
 * log as a suppressed exception.
 *
 * <p>Test classes run one after the other; tests within a class may run in parallel if they can
 * share the database.
 */
public final class PostgresExtension
    implements BeforeAllCallback,
        AfterAllCallback,
        BeforeEachCallback,
        AfterEachCallback,
        ParameterResolver,
        TestExecutionExceptionHandler,
        LifecycleMethodExecutionExceptionHandler {
  private static final int LOG_LINES = 40;
  private static final String RUN = "run";

  private final ExtensionContext.Namespace namespace =
      ExtensionContext.Namespace.create(PostgresExtension.class, this);
  private final List<StatementObserver> registered = new ArrayList<>();
  private ZoneId sessionZone = TestDatabases.SESSION_ZONE;
  private int poolSize = 10;
  private boolean leakChecks = true;
  private @Nullable TemplateInitializer template;
  private @Nullable PostgresCluster cluster;
  private volatile @Nullable PostgresDatabase current;

  /** What there is while a class is tested. */
  private record Run(
      PostgresDatabase database, LeakCheck leaks, List<StatementObserver> observers) {}

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
      throw new PgBelayException("poolSize is " + poolSize + ": at least 1");
    }
    this.poolSize = poolSize;
    return this;
  }

  /** The time zone of the pool's sessions. */
  public PostgresExtension withSessionZone(ZoneId sessionZone) {
    this.sessionZone = sessionZone;
    return this;
  }

  /** Adds an observer to those that {@link ServiceLoader} finds. */
  public PostgresExtension withObserver(StatementObserver observer) {
    registered.add(observer);
    return this;
  }

  /** For a class whose tests leave something behind on purpose. */
  public PostgresExtension withoutLeakChecks() {
    this.leakChecks = false;
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
    if (find(context) == null) {
      String owner = context.getRequiredTestClass().getSimpleName();
      List<StatementObserver> observers = new ArrayList<>();
      ServiceLoader.load(StatementObserver.class).forEach(observers::add);
      observers.addAll(registered);
      PostgresDatabase database =
          TestDatabases.create(
              cluster == null ? PostgresCluster.shared() : cluster,
              owner,
              template,
              observers,
              new PostgresDatabase.Sessions(owner, sessionZone, poolSize, false));
      PGSimpleDataSource unobserved = new PGSimpleDataSource();
      unobserved.setUrl(database.jdbcUrl());
      observers.forEach(observer -> observer.observing(unobserved));
      context
          .getStore(namespace)
          .put(RUN, new Run(database, new LeakCheck(database), List.copyOf(observers)));
      current = database;
    }
  }

  @Override
  public void afterAll(ExtensionContext context) throws SQLException {
    if (context.getParent().map(this::find).isPresent()) {
      return;
    }
    Run run = context.getStore(namespace).remove(RUN, Run.class);
    current = null;
    if (run == null) {
      return;
    }
    if (!run.database().cluster().isOpen()) {
      run.database().pool().close();
      return;
    }
    List<String> leaks = run.leaks().findAndRemove();
    TestDatabases.drop(run.database());
    if (leakChecks && !leaks.isEmpty()) {
      throw new AssertionError(
          context.getDisplayName() + " leaves behind:\n  - " + String.join("\n  - ", leaks));
    }
  }

  @Override
  public void beforeEach(ExtensionContext context) {
    required(context)
        .observers()
        .forEach(observer -> observer.testStarted(context.getDisplayName()));
  }

  @Override
  public void afterEach(ExtensionContext context) {
    List<String> findings = new ArrayList<>();
    required(context).observers().forEach(observer -> findings.addAll(observer.findings()));
    if (!findings.isEmpty()) {
      throw new AssertionError(
          context.getDisplayName() + " was observed to:\n  - " + String.join("\n  - ", findings));
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
    PostgresDatabase database = required(context).database();
    if (type == PostgresCluster.class) {
      return database.cluster();
    }
    return type == DataSource.class ? database.dataSource() : database;
  }

  @Override
  public void handleTestExecutionException(ExtensionContext context, Throwable failure)
      throws Throwable {
    throw withServerLog(context, failure);
  }

  @Override
  public void handleBeforeEachMethodExecutionException(ExtensionContext context, Throwable failure)
      throws Throwable {
    throw withServerLog(context, failure);
  }

  @Override
  public void handleBeforeAllMethodExecutionException(ExtensionContext context, Throwable failure)
      throws Throwable {
    throw withServerLog(context, failure);
  }

  private Throwable withServerLog(ExtensionContext context, Throwable failure) {
    Run run = find(context);
    if (run != null && !(failure instanceof TestAbortedException)) {
      String tail = run.database().cluster().primary().logTail(LOG_LINES);
      if (!tail.isEmpty()) {
        failure.addSuppressed(new ServerLog(tail));
      }
    }
    return failure;
  }

  private @Nullable Run find(ExtensionContext context) {
    return context.getStore(namespace).get(RUN, Run.class);
  }

  private Run required(ExtensionContext context) {
    Run run = find(context);
    if (run == null) {
      throw new IllegalStateException(
          "register PostgresExtension on the class or in a static field: in an instance field it"
              + " comes too late to create the database");
    }
    return run;
  }
}
