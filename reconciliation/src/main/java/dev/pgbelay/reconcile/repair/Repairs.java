package dev.pgbelay.reconcile.repair;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.internal.MissingTable;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.core.internal.SteadyText;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.reconcile.Declaration;
import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.check.Finding;
import dev.pgbelay.reconcile.internal.Given;
import io.micrometer.core.instrument.MeterRegistry;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * Repairs confirmed findings, each in a transaction of its own: the finding and the row are locked,
 * the row is asked about again, what it was is kept, and only then is it changed. What is in order
 * by then is left alone; a repair that leaves a row wrong is rolled back. Without a policy of its
 * own a declaration's findings are only reported.
 *
 * <p><b>What the locks hold.</b> A value is recomputed while its row is locked, so a transaction
 * that adds to both sides cannot be lost. A parent cannot be locked where there is none: if a
 * transaction that is open just then inserts it, its child may be repaired all the same, and is put
 * back by {@link UndoLog}.
 *
 * <p>Repairs fire the triggers of the tables. {@link #run()} blocks, with one connection at a time;
 * two at once do not repair anything twice. Needs what the {@linkplain
 * dev.pgbelay.reconcile.check.Checker checker} needs, and the right to make the changes. Immutable
 * and safe for several threads.
 */
public final class Repairs {
  private final Plan plan;
  private final @Nullable RepairMeters meters;

  private Repairs(Plan plan, @Nullable RepairMeters meters) {
    this.plan = plan;
    this.meters = meters;
  }

  /** Is told of each repair in its transaction, such as to append a message to an outbox. */
  @FunctionalInterface
  public interface AfterEach {
    /** What it throws rolls the repair back. */
    void repaired(Tx tx, Finding finding);
  }

  /** What is repaired how, checked and frozen. */
  record Plan(
      Transactions transactions,
      Declarations declarations,
      Map<String, RepairPolicy> policies,
      String schema,
      long ceiling,
      TxOptions options,
      Optional<AfterEach> afterEach) {}

  public static Builder builder(Transactions transactions, Declarations declarations) {
    return new Builder(
        Given.required("repairs: transactions", transactions),
        Given.required("repairs: declarations", declarations));
  }

  /** What is repaired. */
  public Declarations declarations() {
    return plan.declarations();
  }

  /**
   * The check for a service's start, beside {@link Declarations#requireMatching}: refuses policies
   * that the tables do not allow. {@link #run} and {@link #dryRun} begin with it. Reads the catalog
   * alone.
   *
   * @throws PgBelayException naming the policy, if it would set a column to NULL that is NOT NULL
   */
  public void requireMatching() {
    plan.transactions()
        .execute(
            plan.options(),
            tx ->
                plan.policies()
                    .forEach(
                        (declaration, policy) ->
                            plan.declarations()
                                .find(declaration)
                                .ifPresent(each -> RepairSql.requireFits(tx.dsl(), each, policy))));
  }

  /**
   * Counts, and asks about up to ten findings of each declaration whether they are still wrong;
   * changes nothing.
   */
  public RepairReport dryRun() {
    return each(true);
  }

  /** Repairs what is confirmed and open. What fails stays open and stands in the report. */
  public RepairReport run() {
    return each(false);
  }

  private RepairReport each(boolean dry) {
    try {
      return eachOf(dry);
    } catch (RuntimeException e) {
      throw MissingTable.explained(e, "findings", "reconcile");
    }
  }

  private RepairReport eachOf(boolean dry) {
    requireMatching();
    UUID batch = UUID.randomUUID();
    RepairSql sql = new RepairSql(plan.schema());
    List<RepairReport.OfDeclaration> reports = new ArrayList<>();
    for (Declaration each : plan.declarations().all()) {
      RepairPolicy policy =
          Objects.requireNonNull(plan.policies().getOrDefault(each.name(), RepairPolicy.report()));
      RepairRun run = new RepairRun(plan, sql, batch, each, policy);
      RepairReport.OfDeclaration report = dry ? run.plan() : run.run(plan.ceiling());
      if (meters != null && !dry) {
        meters.ended(report);
      }
      reports.add(report);
    }
    return new RepairReport(batch, dry, reports);
  }

  /** Collects policies. Not safe for several threads. */
  public static final class Builder {
    private final Transactions transactions;
    private final Declarations declarations;
    private final Map<String, RepairPolicy> policies = new LinkedHashMap<>();
    private String schema = SchemaInstaller.DEFAULT_SCHEMA;
    private long ceiling = 100;
    private Duration repairTimeout = Duration.ofSeconds(10);
    private Duration lockTimeout = Duration.ofSeconds(2);
    private @Nullable AfterEach afterEach;
    private @Nullable MeterRegistry registry;

    private Builder(Transactions transactions, Declarations declarations) {
      this.transactions = transactions;
      this.declarations = declarations;
    }

    /**
     * What is done about the findings of a declaration; nothing unless said.
     *
     * @throws PgBelayException if there is no such declaration, or the policy does not apply to it
     */
    public Builder policy(String declaration, RepairPolicy policy) {
      Given.required("policy of '" + declaration + "'", policy);
      policy.requireFits(
          declarations
              .find(declaration)
              .orElseThrow(
                  () ->
                      new PgBelayException(
                          "policy of '%s': no such declaration; there are %s"
                              .formatted(
                                  declaration,
                                  declarations.all().stream().map(Declaration::name).toList()))));
      policies.put(declaration, policy);
      return this;
    }

    /**
     * How many findings of one declaration a call may repair: 1 to 1,000,000, 100 unless said. With
     * more open ones than that it repairs none: so many are rather a fault of their parents.
     */
    public Builder ceiling(long most) {
      this.ceiling = most;
      return this;
    }

    /** For one repair: 100 ms to 10 minutes, 10 seconds unless said. */
    public Builder repairTimeout(Duration time) {
      this.repairTimeout = time;
      return this;
    }

    /** For each lock that a repair waits for: 10 ms to 1 minute, 2 seconds unless said. */
    public Builder lockTimeout(Duration time) {
      this.lockTimeout = time;
      return this;
    }

    /** Is told of each repair in its transaction. */
    public Builder afterEach(AfterEach callback) {
      this.afterEach = Given.option("afterEach", callback);
      return this;
    }

    /** Where the metrics of the guide go; none are kept otherwise. */
    public Builder meterRegistry(MeterRegistry metrics) {
      this.registry = Given.option("meterRegistry", metrics);
      return this;
    }

    /** The schema of the tables; {@value SchemaInstaller#DEFAULT_SCHEMA} unless said. */
    public Builder schema(String schema) {
      this.schema = Given.schema(schema);
      return this;
    }

    /**
     * Checks what can be checked without the database.
     *
     * @throws PgBelayException naming the option and what is wrong with it
     */
    public Repairs build() {
      OptionRange.require("ceiling", ceiling, 1L, 1_000_000L);
      OptionRange.require(
          "repairTimeout", repairTimeout, Duration.ofMillis(100), Duration.ofMinutes(10));
      OptionRange.require("lockTimeout", lockTimeout, Duration.ofMillis(10), Duration.ofMinutes(1));
      return new Repairs(
          new Plan(
              transactions,
              declarations,
              Map.copyOf(policies),
              schema,
              ceiling,
              SteadyText.in(TxOptions.builder())
                  .path("reconcile-repair")
                  .isolation(TxOptions.Isolation.READ_COMMITTED)
                  .setting("row_security", "off")
                  .deadline(repairTimeout)
                  .lockTimeout(lockTimeout)
                  .build(),
              Optional.ofNullable(afterEach)),
          registry == null ? null : new RepairMeters(registry));
    }
  }
}
