package dev.pgbelay.reconcile.report;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.internal.CatalogSql;
import dev.pgbelay.reconcile.internal.Given;
import dev.pgbelay.reconcile.report.CoverageReport.Column;
import dev.pgbelay.reconcile.report.CoverageReport.State;
import dev.pgbelay.reconcile.report.CoverageSql.Candidate;
import dev.pgbelay.reconcile.report.CoverageSql.Declared;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import org.jooq.DSLContext;
import org.jooq.Field;

/**
 * Finds columns that look like foreign keys and that nothing keeps: neither a foreign key of the
 * database nor a {@link Reference}. Whether a column looks so is a matter of its name, which ends
 * with {@code _id}, {@code _uuid}, {@code _guid}, {@code _fk} or {@code Id} unless said otherwise,
 * and of its type: whole numbers, {@code numeric}, {@code uuid} and texts, and domains over these.
 * A table's own key is none; a column that is the whole primary key counts as such if it has a
 * default, or the name of its table. Tables of extensions and temporary ones are left out;
 * partitions count with their root, and views, foreign tables and arrays not at all.
 *
 * <p>Reads the catalog alone, in one read-only transaction, and blocks for at most half a minute.
 * Needs no right to the tables. Immutable and safe for several threads.
 */
public final class Coverage {
  private static final TxOptions READ =
      TxOptions.builder()
          .path("reconcile-coverage")
          .readOnly(true)
          .deadline(Duration.ofSeconds(30))
          .lockTimeout(Duration.ofSeconds(2))
          .build();

  private final Transactions transactions;
  private final Declarations declarations;
  private final List<String> schemas;
  private final List<String> suffixes;
  private final Map<String, String> exclusions;
  private final String own;

  private Coverage(Builder builder) {
    this.transactions = builder.transactions;
    this.declarations = builder.declarations;
    this.schemas = List.copyOf(builder.schemas);
    this.suffixes = List.copyOf(builder.suffixes);
    this.exclusions = new LinkedHashMap<>(builder.exclusions);
    this.own = builder.own;
  }

  public static Builder builder(Transactions transactions, Declarations declarations) {
    return new Builder(
        Given.required("coverage: transactions", transactions),
        Given.required("coverage: declarations", declarations));
  }

  /**
   * Reads the catalog.
   *
   * @throws PgBelayException if a schema or the table of a reference is not there
   */
  public CoverageReport read() {
    return transactions.run(READ, tx -> read(tx.dsl()));
  }

  private CoverageReport read(DSLContext dsl) {
    List<String> missing = CoverageSql.missingSchemas(dsl, schemas);
    if (!missing.isEmpty()) {
      throw new PgBelayException(
          "schemas are %s, and the database has no %s; name schemas that are there"
              .formatted(schemas, missing));
    }
    Map<Declared, String> declared = new LinkedHashMap<>();
    for (Reference each : declarations.references()) {
      long oid = CatalogSql.get(dsl, each, each.child()).oid();
      for (Field<?> column : each.childColumns()) {
        declared.merge(
            new Declared(oid, column.getName()), each.name(), (one, other) -> one + ", " + other);
      }
    }
    Set<String> used = new LinkedHashSet<>();
    List<Column> columns =
        CoverageSql.list(dsl, schemas, own, suffixes, List.copyOf(declared.keySet())).stream()
            .map(
                each ->
                    column(
                        each,
                        Optional.ofNullable(declared.get(new Declared(each.oid(), each.column()))),
                        used))
            .toList();
    return new CoverageReport(
        columns, exclusions.keySet().stream().filter(each -> !used.contains(each)).toList());
  }

  private Column column(Candidate found, Optional<String> declaration, Set<String> used) {
    if (declaration.isPresent()) {
      return column(found, State.DECLARED, declaration);
    }
    if (found.foreignKey().isPresent() && found.validated()) {
      return column(found, State.FOREIGN_KEY, found.foreignKey());
    }
    String name = found.schema() + "." + found.table() + "." + found.column();
    for (Map.Entry<String, String> each : exclusions.entrySet()) {
      if (matches(each.getKey(), name)) {
        used.add(each.getKey());
        return column(found, State.EXCLUDED, Optional.of(each.getValue()));
      }
    }
    return column(
        found,
        found.foreignKey().isPresent() ? State.NOT_VALIDATED : State.UNDECLARED,
        found.foreignKey());
  }

  private static Column column(Candidate found, State state, Optional<String> by) {
    return new Column(found.schema(), found.table(), found.column(), found.type(), state, by);
  }

  private static boolean matches(String exclusion, String name) {
    List<String> parts = new ArrayList<>();
    for (String part : exclusion.split("\\*", -1)) {
      parts.add(Pattern.quote(part));
    }
    return Pattern.matches(String.join(".*", parts), name);
  }

  /** Collects what is looked at. Not safe for several threads. */
  public static final class Builder {
    private final Transactions transactions;
    private final Declarations declarations;
    private final Map<String, String> exclusions = new LinkedHashMap<>();
    private List<String> schemas = List.of();
    private List<String> suffixes = List.of("_id", "_uuid", "_guid", "_fk", "Id");
    private String own = SchemaInstaller.DEFAULT_SCHEMA;

    private Builder(Transactions transactions, Declarations declarations) {
      this.transactions = transactions;
      this.declarations = declarations;
    }

    /**
     * The schemas that are looked at, as the catalog spells them; all but PostgreSQL's and that of
     * the library unless said. Declared columns are in the report wherever they are.
     */
    public Builder schemas(String... names) {
      this.schemas = Given.all("schemas", names);
      return this;
    }

    /** How the names end that look like foreign keys; upper and lower case differ. */
    public Builder suffixes(String... ends) {
      this.suffixes = Given.all("suffixes", ends);
      return this;
    }

    /**
     * A column that refers to nothing in this database, or need not be kept.
     *
     * @param column {@code schema.table.column} without quotes; {@code *} stands for any text
     * @param reason for those who read the report
     * @throws PgBelayException if there is no reason
     */
    public Builder exclude(String column, String reason) {
      if (column == null || column.isBlank() || reason == null || reason.isBlank()) {
        throw new PgBelayException(
            "exclude of '%s': say the column as schema.table.column, and a reason"
                .formatted(column));
      }
      exclusions.put(column, reason);
      return this;
    }

    /** The schema of the library's tables; {@value SchemaInstaller#DEFAULT_SCHEMA} unless said. */
    public Builder schema(String name) {
      this.own = Given.schema(name);
      return this;
    }

    /**
     * Asks no database.
     *
     * @throws PgBelayException if there is no suffix, or an empty one
     */
    public Coverage build() {
      if (suffixes.isEmpty() || suffixes.stream().anyMatch(String::isBlank)) {
        throw new PgBelayException(
            "suffixes are " + suffixes + ": name at least one, and none that is empty");
      }
      return new Coverage(this);
    }
  }
}
