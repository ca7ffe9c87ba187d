package dev.pgbelay.lock;

import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.TransactionException;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.internal.PgDriver;
import dev.pgbelay.lock.LockOptions.Missing;
import dev.pgbelay.lock.LockOptions.Policy;
import dev.pgbelay.lock.LockRefusedException.Reason;
import dev.pgbelay.lock.LockStatements.Bounds;
import dev.pgbelay.lock.LockStatements.NameReply;
import dev.pgbelay.lock.OrderCheck.Plan;
import dev.pgbelay.lock.OrderCheck.Request;
import dev.pgbelay.lock.OrderCheck.Step;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.IntPredicate;
import org.jooq.ConnectionProvider;
import org.jooq.Record;
import org.jooq.Result;
import org.jooq.exception.DataAccessException;
import org.postgresql.PGConnection;

/** One {@link LockOrder#acquire}. */
final class Acquisition {
  private final LockOrder order;
  private final Tx tx;
  private final LockOptions options;
  private final List<Request> requests;
  private final Map<LockClass, LockTable> tables = new HashMap<>();
  private final List<Resource> locked = new ArrayList<>();
  private final List<Resource> missing = new ArrayList<>();
  private final List<Resource> skipped = new ArrayList<>();
  private final Map<LockClass, Result<? extends Record>> rows = new HashMap<>();
  private final LockWait wait;

  Acquisition(LockOrder order, Tx tx, LockOptions options, Collection<Resource> resources) {
    this.order = order;
    this.tx = tx;
    this.options = options;
    this.requests = OrderCheck.requests(order, resources);
    this.wait = new LockWait(order, tx, options);
  }

  Acquired run() {
    ConnectionProvider provider = tx.dsl().configuration().connectionProvider();
    Connection connection = provider.acquire();
    if (connection == null) {
      throw new TransactionException(FailureKind.MISUSE, "the transaction has ended", null);
    }
    LockMeters.Outcome outcome = LockMeters.Outcome.FAILED;
    long began = System.nanoTime();
    try {
      lockAll(connection);
      if (!missing.isEmpty() && options.missing() == Missing.ERROR) {
        outcome = LockMeters.Outcome.MISSING;
        throw new MissingRowsException(missing);
      }
      outcome =
          missing.isEmpty() && skipped.isEmpty()
              ? LockMeters.Outcome.ACQUIRED
              : LockMeters.Outcome.PARTIAL;
      return new Acquired(
          locked,
          options.missing() == Missing.REPORT ? missing : List.of(),
          skipped,
          missing.isEmpty() && skipped.isEmpty(),
          rows);
    } catch (LockNotAvailableException e) {
      outcome =
          e.kind() == FailureKind.LOCK_TIMEOUT
              ? LockMeters.Outcome.TIMEOUT
              : LockMeters.Outcome.NOT_AVAILABLE;
      throw e;
    } catch (LockRefusedException e) {
      outcome = LockMeters.Outcome.REFUSED;
      throw e;
    } catch (SQLException e) {
      throw new DataAccessException("locks were not acquired", e);
    } finally {
      provider.release(connection);
      if (outcome != LockMeters.Outcome.REFUSED) {
        order.meters().ended(outcome, System.nanoTime() - began);
      }
    }
  }

  private void lockAll(Connection connection) throws SQLException {
    PGConnection driver = PgDriver.unwrap(connection);
    HeldLocks held = HeldLocks.of(driver, tx);
    LockStatements statements = new LockStatements(tx, connection, options);
    for (Request request : requests) {
      if (!request.lockClass().isOfNames()) {
        LockTable table = order.catalog().table(tx.dsl(), connection, request.lockClass());
        table.requireMode(request.lockClass());
        table.requireKeys(request.lockClass(), request.resources());
        tables.put(request.lockClass(), table);
      }
    }
    // What is remembered may have been released by a rollback to a savepoint: nothing is refused,
    // and nothing taken for held, before the server was asked.
    boolean verified = held.isEmpty();
    while (true) {
      Plan plan;
      try {
        plan = OrderCheck.plan(order, requests, held, options.rows());
      } catch (LockRefusedException e) {
        if (verified) {
          throw e;
        }
        rollBack(held, statements.readEpoch());
        verified = true;
        continue;
      }
      if (plan.steps().isEmpty() && !verified) {
        rollBack(held, statements.readEpoch());
        verified = true;
      } else if (send(driver, held, statements, plan)) {
        return;
      } else {
        verified = true;
      }
    }
  }

  private static void rollBack(HeldLocks held, String epoch) {
    if (!held.rolledBackTo(epoch)) {
      throw new LockRefusedException(
          Reason.OTHER_ORDER,
          "this transaction has locked something on another way than this connection, and what it was is not known; use one Tx for all of it");
    }
  }

  /** Whether it was sent; if not, what is held was not what was thought. */
  private boolean send(PGConnection driver, HeldLocks held, LockStatements statements, Plan plan)
      throws SQLException {
    try (HolderSampler.Watch watch = wait.watch(driver)) {
      for (Step step : plan.steps()) {
        if (!send(held, statements, step, watch)) {
          return false;
        }
      }
    }
    locked.addAll(plan.held());
    return true;
  }

  private boolean send(
      HeldLocks held, LockStatements statements, Step step, HolderSampler.Watch watch)
      throws SQLException {
    LockTable table = tables.get(step.request().lockClass());
    LockReply reply;
    String isolation = "";
    Bounds bounds = wait.bounds(held);
    boolean isRead = false;
    try {
      if (table == null) {
        NameReply names = statements.lockNames(order, step, bounds);
        isolation = names.isolation();
        reply = names.reply();
      } else {
        reply = statements.lockRows(table, step, bounds);
      }
      isRead = true;
    } catch (SQLException e) {
      throw wait.explained(e, step.request().lockClass(), watch);
    } finally {
      if (!isRead && statements.isAnswered()) {
        held.addUnknown(bounds.next());
      }
    }
    if (!reply.epoch().equals(held.epoch())) {
      rollBack(held, reply.epoch());
      return false;
    }
    List<Resource> notTaken = take(held, step, reply, bounds.next());
    if (!notTaken.isEmpty()) {
      if (table == null) {
        sortNames(step.request().lockClass(), isolation, notTaken);
      } else {
        sortRows(held, statements, step.request(), notTaken);
      }
    }
    return true;
  }

  /** What of it was not locked. */
  private List<Resource> take(HeldLocks held, Step step, LockReply reply, int epoch) {
    LockClass lockClass = step.request().lockClass();
    List<Resource> notTaken = new ArrayList<>(0);
    List<Resource> fresh = fresh(step, reply, notTaken);
    held.add(order, step.request().rank(), lockClass, comparator(lockClass), fresh, epoch);
    locked.addAll(fresh);
    order.meters().locked(lockClass.name(), fresh.size());
    reply.rows().ifPresent(read -> rows.put(lockClass, read));
    return notTaken;
  }

  /** What was locked now, and not before. */
  private static List<Resource> fresh(Step step, LockReply reply, List<Resource> notTaken) {
    if (reply.isLocked().isEmpty() && step.sent() == step.fresh()) {
      return step.fresh();
    }
    IntPredicate isLocked = reply.isLocked().orElse(any -> true);
    List<Resource> taken = new ArrayList<>();
    for (int i = 0; i < step.sent().size(); i++) {
      (isLocked.test(i) ? taken : notTaken).add(step.sent().get(i));
    }
    taken.retainAll(new HashSet<>(step.fresh()));
    return taken;
  }

  /** None of names: their order is that of numbers which no caller knows. */
  private Optional<Comparator<List<Object>>> comparator(LockClass lockClass) {
    LockTable table = tables.get(lockClass);
    return table == null ? Optional.empty() : table.comparator();
  }

  private void sortNames(LockClass lockClass, String isolation, List<Resource> notTaken) {
    if (!isolation.equals("read committed")) {
      throw new LockRefusedException(
          Reason.ISOLATION,
          "class '%s': this transaction is %s. Its snapshot is older than a name that it waits for, so it would not see what the holder before it has committed; lock names under READ COMMITTED, or a row"
              .formatted(lockClass.name(), isolation.toUpperCase(Locale.ROOT)));
    }
    if (options.policy() == Policy.NO_WAIT) {
      throw wait.notAvailable(FailureKind.LOCK_NOT_AVAILABLE, lockClass, List.of(), null);
    }
    skipped.addAll(notTaken);
  }

  /** Tells what is not there from what somebody holds and what came while it was waited for. */
  private void sortRows(
      HeldLocks held, LockStatements statements, Request request, List<Resource> notTaken)
      throws SQLException {
    LockTable table = Objects.requireNonNull(tables.get(request.lockClass()));
    List<Resource> existing = statements.existing(table, notTaken);
    if (!existing.isEmpty() && options.policy() != Policy.SKIP_LOCKED) {
      Resource first = existing.get(0);
      if (statements.isHiddenByPolicy(table, request, first, wait.bounds(held))) {
        throw new TransactionException(
            FailureKind.MISUSE,
            first
                + " is not locked: a row security policy of "
                + table.name()
                + " lets this role read the row and not update it, which every lock asks for; give the role a policy for updates",
            null);
      }
      throw new TransactionException(
          FailureKind.SERIALIZATION_FAILURE,
          first
              + " is another row, or a newer one, than when the lock was asked for, and is not locked; run the transaction again",
          null);
    }
    skipped.addAll(existing);
    notTaken.stream().filter(each -> !existing.contains(each)).forEach(missing::add);
  }
}
