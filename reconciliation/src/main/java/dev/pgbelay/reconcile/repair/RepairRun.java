package dev.pgbelay.reconcile.repair;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.reconcile.Declaration;
import dev.pgbelay.reconcile.DerivedValue;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.check.Finding;
import dev.pgbelay.reconcile.internal.CarriedRowsSql;
import dev.pgbelay.reconcile.internal.CatalogSql;
import dev.pgbelay.reconcile.internal.KeyRowsSql;
import dev.pgbelay.reconcile.internal.Probe;
import dev.pgbelay.reconcile.internal.ProbeSql;
import dev.pgbelay.reconcile.internal.QueryKeySql;
import dev.pgbelay.reconcile.internal.TableShape;
import dev.pgbelay.reconcile.repair.RepairReport.OfDeclaration;
import dev.pgbelay.reconcile.repair.RepairReport.Outcome;
import dev.pgbelay.reconcile.repair.RepairSql.Kept;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.UUID;
import org.jooq.Condition;
import org.jooq.JSONB;
import org.jooq.Table;
import org.jooq.exception.DataAccessException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Repairs the findings of one declaration, each in a transaction of its own. */
final class RepairRun {
  private static final Logger LOG = LoggerFactory.getLogger(RepairRun.class);
  private static final int AT_ONCE = 100;
  private static final int SAMPLES = 10;

  private final Transactions transactions;
  private final TxOptions options;
  private final RepairSql sql;
  private final UUID batch;
  private final Declaration declaration;
  private final RepairPolicy policy;
  private final Optional<Repairs.AfterEach> afterEach;
  private final List<String> failures = new ArrayList<>();
  private long repaired;
  private long gone;
  private long failed;
  private List<@Nullable String> queryKey = List.of();

  RepairRun(
      Repairs.Plan plan, RepairSql sql, UUID batch, Declaration declaration, RepairPolicy policy) {
    this.transactions = plan.transactions();
    this.options = plan.options();
    this.sql = sql;
    this.batch = batch;
    this.declaration = declaration;
    this.policy = policy;
    this.afterEach = plan.afterEach();
  }

  private enum Result {
    REPAIRED,
    GONE
  }

  OfDeclaration plan() {
    long open = countOpen();
    List<Finding> samples = next(0, SAMPLES);
    if (policy.action() != RepairPolicy.Action.REPORT) {
      learnKey();
      for (Finding sample : samples) {
        boolean wrong =
            transactions.run(
                options,
                tx -> {
                  Probe probe = probe(tx);
                  return wrong(tx, probe, row(tx, probe, sample), sample)
                      .filter(evidence -> isConfirmed(sample, evidence))
                      .isPresent();
                });
        repaired += wrong ? 1 : 0;
        gone += wrong ? 0 : 1;
      }
    }
    return report(Outcome.PLANNED, open, samples);
  }

  OfDeclaration run(long ceiling) {
    long open = countOpen();
    List<Finding> samples = next(0, SAMPLES);
    if (policy.action() == RepairPolicy.Action.REPORT) {
      return report(Outcome.REPORTED, open, samples);
    }
    if (open > ceiling) {
      return report(Outcome.ABOVE_CEILING, open, samples);
    }
    learnKey();
    List<Finding> page = next(0, AT_ONCE);
    while (!page.isEmpty()) {
      for (Finding each : page) {
        if (repaired >= ceiling) {
          return report(Outcome.CEILING_REACHED, open, samples);
        }
        repair(each);
      }
      page = next(page.get(page.size() - 1).id(), AT_ONCE);
    }
    return report(failed > 0 ? Outcome.FAILURES : Outcome.DONE, open, samples);
  }

  private long countOpen() {
    return transactions.run(options, tx -> sql.countConfirmed(tx.dsl(), declaration.name()));
  }

  private List<Finding> next(long after, int most) {
    return transactions.run(
        options, tx -> sql.confirmed(tx.dsl(), declaration.name(), after, most));
  }

  private OfDeclaration report(Outcome outcome, long open, List<Finding> samples) {
    return new OfDeclaration(
        declaration.name(),
        policy.action(),
        outcome,
        open,
        repaired,
        gone,
        failed,
        samples,
        failures);
  }

  private void repair(Finding finding) {
    try {
      Result result = transactions.run(options, tx -> repairIn(tx, finding.id()));
      repaired += result == Result.REPAIRED ? 1 : 0;
      gone += result == Result.GONE ? 1 : 0;
    } catch (RuntimeException e) {
      failed++;
      LOG.warn("finding {} of '{}' was not repaired", finding.id(), declaration.name(), e);
      if (failures.size() < SAMPLES) {
        failures.add("finding " + finding.id() + ": " + e.getMessage());
      }
    }
  }

  /** So that of a query no more is computed than a finding's key asks for, where the server can. */
  private void learnKey() {
    if (ProbeSql.walked(declaration).isPresent()) {
      return;
    }
    try {
      queryKey = transactions.run(options, tx -> QueryKeySql.types(tx.dsl(), probe(tx)));
    } catch (DataAccessException e) {
      LOG.info(
          "'{}': each repair reads the whole query, since its keys are compared as texts",
          declaration.name(),
          e);
    }
  }

  /** True for the row of a finding. */
  private Condition row(Tx tx, Probe probe, Finding finding) {
    Condition row = KeyRowsSql.is(probe, finding.rowKey());
    return queryKey.isEmpty()
        ? row
        : row.and(QueryKeySql.is(tx.dsl(), probe, queryKey, finding.rowKey()));
  }

  private Probe probe(Tx tx) {
    Probe probe = ProbeSql.of(declaration, shape(tx));
    if (probe.isWalkable() && probe.key().isEmpty()) {
      throw otherKey("no primary key any more");
    }
    return probe;
  }

  private Optional<TableShape> shape(Tx tx) {
    return ProbeSql.walked(declaration).map(table -> shape(tx, table));
  }

  private TableShape shape(Tx tx, Table<?> table) {
    return CatalogSql.find(tx.dsl(), table)
        .orElseThrow(
            () ->
                new PgBelayException(
                    "declaration '%s': no table %s on the search path"
                        .formatted(declaration.name(), table.getName())));
  }

  /** A row that is not found may only be named otherwise. */
  private Optional<JSONB> wrong(Tx tx, Probe probe, Condition row, Finding finding) {
    Optional<JSONB> wrong = RepairSql.wrong(tx.dsl(), probe, row);
    if (wrong.isEmpty()
        && probe.isWalkable()
        && RepairSql.keyColumns(tx.dsl(), finding) != probe.key().size()) {
      throw otherKey("another primary key");
    }
    return wrong;
  }

  private PgBelayException otherKey(String what) {
    return new PgBelayException(
        "declaration '%s': its table has %s, so that findings cannot be told to be about a row; run the checker again"
            .formatted(declaration.name(), what));
  }

  /** Locks first and asks then: the answer holds until the commit, as far as locks can hold it. */
  private Result repairIn(Tx tx, long id) {
    Optional<Finding> locked = sql.lock(tx.dsl(), id);
    if (locked.isEmpty()) {
      return Result.GONE;
    }
    Finding finding = locked.get();
    Probe probe = probe(tx);
    Condition row = row(tx, probe, finding);
    String before = null;
    if (probe.isWalkable()) {
      boolean strongly =
          policy.action() == RepairPolicy.Action.DELETE
              || policy.action() == RepairPolicy.Action.QUARANTINE;
      before = RepairSql.lockRow(tx.dsl(), probe.walked(), row, strongly);
    }
    Optional<JSONB> wrong = wrong(tx, probe, row, finding);
    if (wrong.isEmpty()) {
      sql.close(tx.dsl(), id, Finding.State.RESOLVED);
      return Result.GONE;
    }
    if (!isConfirmed(finding, wrong.get())) {
      sql.anew(tx.dsl(), id, wrong.get());
      return Result.GONE;
    }
    change(tx, finding, probe, row, before);
    if (RepairSql.wrong(tx.dsl(), probe, row).isPresent()) {
      throw new PgBelayException(
          "%s left it as wrong as it was, and is rolled back".formatted(policy.action()));
    }
    sql.close(tx.dsl(), id, Finding.State.REPAIRED);
    afterEach.ifPresent(callback -> callback.repaired(tx, finding));
    return Result.REPAIRED;
  }

  private boolean isConfirmed(Finding finding, JSONB evidence) {
    return !ProbeSql.evidenceCounts(declaration) || evidence.equals(finding.evidence());
  }

  private void change(Tx tx, Finding finding, Probe probe, Condition row, @Nullable String before) {
    Table<?> table = probe.walked();
    switch (policy.action()) {
      case QUARANTINE, DELETE -> {
        CarriedRowsSql carried = sql.carried(tx.dsl(), batch, finding);
        carried.keep(table, shape(tx).orElseThrow(), row);
        tx.dsl().deleteFrom(table).where(row).execute();
        carried.keepAfter();
      }
      case SET_NULL -> {
        Reference reference = (Reference) declaration;
        RepairSql.setNull(tx.dsl(), reference, policy.columnsToSet(reference), row);
      }
      case RECOMPUTE -> RepairSql.recompute(tx.dsl(), (DerivedValue) declaration, row);
      case CREATE_PARENT -> {
        createParent(tx, finding, row);
        return;
      }
      case CUSTOM -> policy.handler().orElseThrow().repair(tx, finding);
      case REPORT -> throw new IllegalStateException("nothing is repaired under REPORT");
    }
    if (probe.isWalkable()) {
      String after = RepairSql.readRow(tx.dsl(), table, row);
      if (!Objects.equals(before, after)) {
        keep(tx, new Kept(shape(tx).orElseThrow(), finding, before, after));
      }
    }
  }

  private void createParent(Tx tx, Finding finding, Condition child) {
    Reference reference = (Reference) declaration;
    Condition parent = RepairSql.createParent(tx.dsl(), reference, policy, child);
    String created = RepairSql.readRow(tx.dsl(), reference.parent(), parent);
    keep(
        tx,
        new Kept(
            CatalogSql.find(tx.dsl(), reference.parent()).orElseThrow(), finding, null, created));
  }

  private void keep(Tx tx, Kept kept) {
    sql.saveUndo(tx.dsl(), batch, policy.action(), kept);
  }
}
