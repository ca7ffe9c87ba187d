package dev.pgbelay.core.schema;

import static dev.pgbelay.core.schema.SchemaException.Reason.DATABASE_ERROR;
import static dev.pgbelay.core.schema.SchemaException.Reason.LOCK_NOT_ACQUIRED;
import static dev.pgbelay.core.schema.SchemaException.Reason.NOT_INSTALLED;
import static dev.pgbelay.core.schema.SchemaException.Reason.SCRIPT_FAILED;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.internal.PgDriver;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/**
 * Installs the tables of pgbelay's modules when asked, and only then: no other type of pgbelay runs
 * DDL.
 *
 * <p>Each script runs in a transaction of its own together with the row that records it, so a
 * script is either there and recorded or neither. Any number of installers may run at once, on one
 * node or many: a transaction-scoped advisory lock lets one work at a time and the others find the
 * work done; this holds behind PgBouncer in transaction mode as well. A database with scripts that
 * this version does not know is accepted: code of version N-1 runs on the schema of version N.
 *
 * <p>Every call takes connections from the given {@link DataSource}, one at a time, and leaves no
 * setting on them. {@link #install()} needs a role that owns the schema or may create it; {@link
 * #requireInstalled()} needs USAGE on the schema and SELECT on {@code pgbelay_schema_history}. A
 * script that waits for a lock on a table in use gives way after {@code lockTimeout} and is tried
 * again. Blocks until done; an interrupt ends the pauses between attempts, not a running statement.
 * Thread-safe.
 */
public final class SchemaInstaller {
  /** The schema used where none is named. */
  public static final String DEFAULT_SCHEMA = "pgbelay";

  private static final Set<String> RETRIED =
      Set.of(DdlAttempts.LOCK_NOT_AVAILABLE, DdlAttempts.DEADLOCK_DETECTED);

  private final DataSource dataSource;
  private final SchemaName schema;
  private final HistoryTable table;
  private final DdlAttempts attempts;
  private final Duration installerTimeout;
  private final List<SchemaScript> scripts;

  private SchemaInstaller(Builder builder) {
    this.dataSource = builder.dataSource;
    this.schema = new SchemaName(builder.schema);
    this.table = new HistoryTable(schema);
    this.attempts = builder.attempts;
    this.installerTimeout = builder.installerTimeout;
    ScriptCatalog catalog = new ScriptCatalog(builder.classLoader(), schema);
    this.scripts =
        builder.modules.stream().flatMap(module -> catalog.load(module).stream()).toList();
  }

  public static Builder builder(DataSource dataSource) {
    return new Builder(dataSource);
  }

  /** The scripts of the named modules in the order in which they are installed. */
  public List<SchemaScript> scripts() {
    return scripts;
  }

  /**
   * Runs every script that the database lacks. Safe to repeat, also after a failure or a lost
   * connection: what is recorded is there, what is not recorded left nothing behind.
   *
   * @throws SchemaException with the reason; what was applied before stays applied
   */
  public SchemaInstallation install() {
    List<SchemaScript> applied = new ArrayList<>();
    while (true) {
      SchemaHistory history = history();
      if (history.missing().isEmpty()) {
        return new SchemaInstallation(applied, history.newer());
      }
      applyNext(history.missing().get(0)).ifPresent(applied::add);
    }
  }

  /**
   * The check for a service's start: one read, no DDL.
   *
   * @return with nothing applied, and the scripts of newer versions found
   * @throws SchemaException with {@code NOT_INSTALLED}, the missing scripts and the remedy in its
   *     message; or with the reason why the history is not to be trusted
   */
  public SchemaInstallation requireInstalled() {
    SchemaHistory history = history();
    if (!history.missing().isEmpty()) {
      throw new SchemaException(
          NOT_INSTALLED,
          "Schema "
              + schema.quoted()
              + " lacks "
              + history.missing().stream()
                  .map(SchemaScript::toString)
                  .collect(Collectors.joining(", "))
              + ". Run SchemaInstaller.install() with a role that may create them, or hand the text of"
              + " SchemaInstaller.printMissing() to whoever runs your migrations");
    }
    return new SchemaInstallation(List.of(), history.newer());
  }

  /**
   * The DDL of every script with its recording, for reading or for Flyway and Liquibase; asks no
   * database. Run it in one transaction: {@link #requireInstalled()} then finds everything in
   * place.
   */
  public String print() {
    return print(scripts);
  }

  /** As {@link #print()}, for what the database lacks; the empty string where it lacks nothing. */
  public String printMissing() {
    List<SchemaScript> missing = history().missing();
    return missing.isEmpty() ? "" : print(missing);
  }

  private String print(List<SchemaScript> printed) {
    StringBuilder text = new StringBuilder();
    text.append(schema.render(SchemaSql.CREATE_SCHEMA_UNLESS_THERE)).append(";\n\n");
    text.append(schema.render(SchemaSql.CREATE_HISTORY)).append(";\n");
    for (SchemaScript script : printed) {
      text.append("\n-- ").append(script).append('\n').append(script.sql().strip());
      if (!script.sql().stripTrailing().endsWith(";")) {
        text.append("\n;");
      }
      String recording =
          String.format(
              Locale.ROOT,
              SchemaSql.RECORD_SCRIPT_PRINTED,
              script.module(),
              script.number(),
              script.name(),
              script.checksum());
      text.append("\n\n").append(schema.render(recording)).append(";\n");
    }
    return text.toString();
  }

  private SchemaHistory history() {
    try {
      return DdlTransaction.run(dataSource, this::readHistory);
    } catch (SQLException e) {
      throw new SchemaException(
          DATABASE_ERROR, "The history of schema " + schema.quoted() + " could not be read", e);
    }
  }

  private SchemaHistory readHistory(DdlTransaction tx) throws SQLException {
    HistoryTable.Existing existing = table.existing(tx.connection());
    return SchemaHistory.compare(
        scripts, existing.history() ? table.entries(tx.connection(), scripts) : List.of(), schema);
  }

  private Optional<SchemaScript> applyNext(SchemaScript expected) {
    try {
      return attempts.run(
          RETRIED, number -> DdlTransaction.run(dataSource, this::applyNextMissing));
    } catch (DdlAttempts.GaveUp e) {
      throw new SchemaException(
          LOCK_NOT_ACQUIRED,
          "Script "
              + expected
              + " was not installed: "
              + e.describe()
              + ". Find the holder in pg_locks (another installer, or a long transaction on the table), or allow"
              + " more attempts; install() may be called again at any time",
          e.getCause());
    } catch (SQLException e) {
      throw new SchemaException(
          SCRIPT_FAILED,
          "Script "
              + expected
              + " was not installed in schema "
              + schema.quoted()
              + ": "
              + PgDriver.serverMessage(e)
              + " (SQLSTATE "
              + e.getSQLState()
              + "). Mend the cause and call install() again: nothing of a refused script remains",
          e);
    }
  }

  private Optional<SchemaScript> applyNextMissing(DdlTransaction tx) throws SQLException {
    tx.lockTimeout(installerTimeout);
    try (PreparedStatement lock = tx.connection().prepareStatement(SchemaSql.LOCK_INSTALLER)) {
      lock.setString(1, schema.value());
      lock.execute();
    }
    tx.lockTimeout(attempts.lockTimeout());
    HistoryTable.Existing existing = table.existing(tx.connection());
    if (!existing.schema()) {
      tx.execute(schema.render(SchemaSql.CREATE_SCHEMA));
    }
    if (!existing.history()) {
      tx.execute(schema.render(SchemaSql.CREATE_HISTORY));
    }
    List<SchemaScript> missing =
        SchemaHistory.compare(scripts, table.entries(tx.connection(), scripts), schema).missing();
    if (missing.isEmpty()) {
      return Optional.empty();
    }
    SchemaScript script = missing.get(0);
    tx.execute(SchemaSql.SEARCH_CATALOG_ONLY);
    tx.executeScript(script.sql());
    table.record(tx.connection(), script);
    return Optional.of(script);
  }

  /** Options of a {@link SchemaInstaller}. Not thread-safe. */
  public static final class Builder {
    private final DataSource dataSource;
    private final Set<String> modules = new LinkedHashSet<>();
    private String schema = DEFAULT_SCHEMA;
    private DdlAttempts attempts = DdlAttempts.DEFAULTS;
    private Duration installerTimeout = Duration.ofMinutes(1);
    private @Nullable ClassLoader classLoader;

    private Builder(DataSource dataSource) {
      this.dataSource = dataSource;
    }

    /**
     * Adds modules by their package segment, such as {@code jobqueue}; installed in the order
     * named.
     */
    public Builder modules(String... segments) {
      for (String segment : segments) {
        ScriptCatalog.requireSegment(segment);
        modules.add(segment);
      }
      return this;
    }

    /**
     * The schema for the tables, {@value SchemaInstaller#DEFAULT_SCHEMA} unless said; made if
     * absent.
     */
    public Builder schema(String name) {
      this.schema = name;
      return this;
    }

    /**
     * How long a script waits for a lock on a table, and so how long it can hold up the traffic
     * that queues behind it: 500 ms unless said.
     */
    public Builder lockTimeout(Duration timeout) {
      this.attempts = attempts.withLockTimeout(timeout);
      return this;
    }

    /** How often a script is tried when it does not get its locks: 30 unless said. */
    public Builder maxAttempts(int attempts) {
      this.attempts = this.attempts.withMaxAttempts(attempts);
      return this;
    }

    /** How long to wait for another installer at work: one minute unless said. Holds nobody up. */
    public Builder installerTimeout(Duration timeout) {
      DdlAttempts.require("installerTimeout", timeout, Duration.ofMillis(1), Duration.ofHours(1));
      this.installerTimeout = timeout;
      return this;
    }

    /** Where the modules' jars are found: the thread's context class loader unless said. */
    public Builder classLoader(ClassLoader loader) {
      this.classLoader = loader;
      return this;
    }

    private ClassLoader classLoader() {
      if (classLoader != null) {
        return classLoader;
      }
      ClassLoader context = Thread.currentThread().getContextClassLoader();
      return context != null ? context : SchemaInstaller.class.getClassLoader();
    }

    /**
     * Reads the scripts from the jars; asks no database.
     *
     * @throws SchemaException if a module is absent or its scripts are malformed
     */
    public SchemaInstaller build() {
      if (modules.isEmpty()) {
        throw new PgBelayException("modules is empty: name one segment or more, such as jobqueue");
      }
      return new SchemaInstaller(this);
    }
  }
}
