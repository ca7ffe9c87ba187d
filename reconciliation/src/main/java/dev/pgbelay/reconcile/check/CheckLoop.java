package dev.pgbelay.reconcile.check;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.background.Pass;
import dev.pgbelay.core.internal.MissingTable;
import dev.pgbelay.reconcile.Declaration;
import dev.pgbelay.reconcile.Declarations;
import java.time.Duration;
import java.util.List;

/** One pass over what is due by the database's clock, whoever ran it last. */
final class CheckLoop {
  private final Checker checker;
  private final Transactions transactions;
  private final TxOptions options;
  private final List<String> names;
  private final RunSql runs;
  private final Duration every;

  CheckLoop(Checker checker, CheckPlan plan, Duration every) {
    this.checker = checker;
    this.transactions = plan.transactions();
    this.options = plan.brief();
    this.names = names(plan.declarations());
    this.runs = new RunSql(plan.schema());
    this.every = every;
  }

  private static List<String> names(Declarations declarations) {
    return declarations.all().stream().map(Declaration::name).toList();
  }

  Pass runOnce() {
    for (String name : due()) {
      if (Thread.currentThread().isInterrupted()) {
        break;
      }
      checker.run(name);
    }
    return Pass.idle();
  }

  private List<String> due() {
    try {
      return transactions.run(options, tx -> runs.due(tx.dsl(), names, every));
    } catch (RuntimeException e) {
      throw MissingTable.explained(e, "runs and findings", "reconcile");
    }
  }
}
