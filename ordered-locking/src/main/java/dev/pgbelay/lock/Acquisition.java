package dev.pgbelay.lock;

import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.TransactionException;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.internal.PgDriver;
import dev.pgbelay.core.internal.StatementStart;
import dev.pgbelay.lock.LockOptions.Missing;
import dev.pgbelay.lock.LockOptions.Policy;
import dev.pgbelay.lock.LockOrder.Request;
import dev.pgbelay.lock.LockRefusedException.Reason;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jooq.ConnectionProvider;
import org.jooq.Record;
import org.jooq.Result;
import org.jooq.exception.DataAccessException;
import org.jspecify.annotations.Nullable;

/** One {@link LockOrder#acquire}. */
final class Acquisition {
  private final LockOrder order;
  private final Tx tx;
  private final LockOptions options;
  private final List<Request> requests;
  private final List<Resource> locked = new ArrayList<>();
  private final List<Resource> missing = new ArrayList<>();
  private final List<Resource> skipped = new ArrayList<>();
  private final Map<LockClass, Result<? extends Record>> rows = new HashMap<>();

  Acquisition(LockOrder order, Tx tx, LockOptions options, Collection<Resource> resources) {
    this.order = order;
    this.tx = tx;
    this.options = options;
    this.requests = LockOrder.requests(order, resources);
  }

  /** What is to be sent for one class, and which of it is not held yet. */
  private record Step(Request request, List<Resource> sent, List<Resource> fresh) {}

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
          locked, options.missing() == Missing.REPORT ? missing : List.of(), skipped, rows);
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
    HeldLocks held = HeldLocks.of(PgDriver.unwrap(connection), tx.id());
    Map<LockClass, LockTable> tables = describe(connection);
    boolean verified = false;
    while (true) {
      List<Step> steps;
      try {
        steps = plan(held, tables);
      } catch (LockRefusedException e) {
        if (verified || held.isEmpty()) {
          throw e;
        }
        // What is remembered may have been released by a rollback to a savepoint.
        verify(connection, held);
        verified = true;
        continue;
      }
      if (steps.isEmpty() && !verified && !held.isEmpty()) {
        verify(connection, held);
        verified = true;
        continue;
      }
      if (send(connection, held, tables, steps)) {
        return;
      }
      verified = true;
    }
  }

  private Map<LockClass, LockTable> describe(Connection connection) throws SQLException {
    Map<LockClass, LockTable> tables = new HashMap<>();
    for (Request request : requests) {
      LockClass lockClass = request.lockClass();
      if (lockClass.isOfNames()) {
        continue;
      }
      String key = lockClass.name() + " " + LockTable.nameOf(tx.dsl(), lockClass);
      LockTable table = order.tables().get(key);
      if (table == null) {
        table = LockTable.describe(tx.dsl(), connection, lockClass);
        order.tables().put(key, table);
      }
      table.requireMode(lockClass);
      tables.put(lockClass, table);
    }
    return tables;
  }

  private List<Step> plan(HeldLocks held, Map<LockClass, LockTable> tables) {
    held.order()
        .filter(other -> other != order)
        .ifPresent(
            other -> {
              throw new LockRefusedException(
                  Reason.OTHER_ORDER,
                  "this transaction has locked through another LockOrder, and nothing says which of the two comes first; declare one order for all that a transaction locks");
            });
    locked.clear();
    List<Step> steps = new ArrayList<>();
    for (Request request : requests) {
      List<Resource> fresh = new ArrayList<>();
      Comparator<List<Object>> comparator = comparator(request, tables.get(request.lockClass()));
      for (Resource resource : request.resources()) {
        switch (held.relation(resource, request.rank(), request.lockClass().mode(), comparator)) {
          case AHEAD -> fresh.add(resource);
          case HELD -> locked.add(resource);
          case WEAKER ->
              throw refusal(
                  Reason.STRONGER_MODE,
                  resource,
                  "is held in a weaker mode than "
                      + request.lockClass().mode()
                      + ", and two transactions that both make theirs stronger wait for each other; acquire it in the strongest mode from the start");
          case DOWN ->
              throw refusal(
                  Reason.DOWN_THE_ORDER,
                  resource,
                  "comes before what this transaction holds already; acquire both in one call, or this one first");
          case NOT_KNOWN ->
              throw refusal(
                  Reason.ORDER_NOT_KNOWN,
                  resource,
                  "is of a class of which others are held already, and only the server can compare such keys; acquire all of them in one call");
        }
      }
      boolean reads = options.rows() && !request.lockClass().isOfNames();
      if (!fresh.isEmpty() || reads) {
        steps.add(new Step(request, reads ? request.resources() : fresh, fresh));
      }
    }
    return steps;
  }

  private static @Nullable Comparator<List<Object>> comparator(
      Request request, @Nullable LockTable table) {
    if (table == null) {
      return KeyOrder.ofNames();
    }
    List<Class<?>> types = new ArrayList<>();
    request.resources().get(0).values().forEach(value -> types.add(value.getClass()));
    return KeyOrder.of(table.baseTypes(), types).orElse(null);
  }

  private static LockRefusedException refusal(Reason reason, Resource resource, String why) {
    return new LockRefusedException(reason, resource + " " + why);
  }

  private void verify(Connection connection, HeldLocks held) throws SQLException {
    StatementStart.announce(tx.dsl().configuration());
    try (PreparedStatement ask = connection.prepareStatement(LockSql.READ_EPOCH);
        ResultSet row = ask.executeQuery()) {
      row.next();
      rollBack(held, row.getString(1));
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
  private boolean send(
      Connection connection, HeldLocks held, Map<LockClass, LockTable> tables, List<Step> steps)
      throws SQLException {
    try (HolderSampler.Watch watch = watch(connection)) {
      for (Step step : steps) {
        LockTable table = tables.get(step.request().lockClass());
        LockReply reply;
        try {
          reply =
              table == null
                  ? lockNames(connection, held, step)
                  : lockRows(connection, held, step, table);
        } catch (SQLException e) {
          throw explained(e, step, watch);
        }
        if (!reply.epoch().equals(held.epoch())) {
          rollBack(held, reply.epoch());
          return false;
        }
        take(connection, held, step, reply, table);
      }
    }
    return true;
  }

  private HolderSampler.Watch watch(Connection connection) throws SQLException {
    HolderSampler sampler = order.sampler();
    return sampler == null || options.policy() != Policy.WAIT
        ? HolderSampler.Watch.NONE
        : sampler.watch(PgDriver.unwrap(connection).getBackendPID(), longestWait());
  }

  private Duration longestWait() {
    return tx.remaining()
        .filter(left -> left.compareTo(options.longestWait()) < 0)
        .map(left -> left.toMillis() < 1 ? Duration.ofMillis(1) : left)
        .orElse(options.longestWait());
  }

  private LockReply lockRows(Connection connection, HeldLocks held, Step step, LockTable table)
      throws SQLException {
    LockClass lockClass = step.request().lockClass();
    String sql =
        RowLockSql.lock(
            table,
            lockClass.name(),
            new LockTable.Shape(lockClass.mode(), options.policy(), options.rows()));
    StatementStart.announce(tx.dsl().configuration());
    try (PreparedStatement lock = connection.prepareStatement(sql)) {
      int next = bindBounds(lock, held);
      bindKeys(lock, next, step.sent(), table);
      try (ResultSet result = lock.executeQuery()) {
        return options.rows()
            ? LockReply.withRows(tx.dsl(), lockClass, result)
            : LockReply.ofOrdinals(result);
      }
    }
  }

  private LockReply lockNames(Connection connection, HeldLocks held, Step step)
      throws SQLException {
    String lockClass = step.request().lockClass().name();
    String sql = LockSql.lockNames(options.policy() == Policy.WAIT, lockClass, order.nameTable());
    StatementStart.announce(tx.dsl().configuration());
    try (PreparedStatement lock = connection.prepareStatement(sql)) {
      int next = bindBounds(lock, held);
      lock.setObject(next, KeyText.array(step.sent(), 0), java.sql.Types.OTHER);
      lock.setArray(
          next + 1,
          connection.createArrayOf(
              "text", step.sent().stream().map(each -> each.key().get(0)).toArray()));
      lock.setString(next + 2, lockClass);
      lock.setString(next + 3, lockClass);
      try (ResultSet result = lock.executeQuery()) {
        LockReply reply = LockReply.ofOrdinals(result);
        for (int shared : LockTable.ordinals(result, 3)) {
          order.meters().nameShared(lockClass);
          LockReply.warnOfSharedKey(step.sent().get(shared - 1));
        }
        return reply;
      }
    }
  }

  private int bindBounds(PreparedStatement lock, HeldLocks held) throws SQLException {
    long millis = longestWait().toMillis();
    lock.setLong(1, millis);
    lock.setLong(2, millis);
    lock.setString(3, Integer.toString(held.nextEpoch()));
    lock.setString(4, held.epoch());
    return 5;
  }

  private static void bindKeys(
      PreparedStatement statement, int first, List<Resource> resources, LockTable table)
      throws SQLException {
    for (int part = 0; part < table.columns().size(); part++) {
      statement.setObject(first + part, KeyText.array(resources, part), java.sql.Types.OTHER);
    }
  }

  private void take(
      Connection connection, HeldLocks held, Step step, LockReply reply, @Nullable LockTable table)
      throws SQLException {
    boolean[] got = new boolean[step.sent().size()];
    for (int ordinal : reply.ordinals()) {
      got[ordinal - 1] = true;
    }
    List<Resource> taken = new ArrayList<>();
    List<Resource> notTaken = new ArrayList<>();
    for (int i = 0; i < got.length; i++) {
      (got[i] ? taken : notTaken).add(step.sent().get(i));
    }
    LockClass lockClass = step.request().lockClass();
    List<Resource> fresh = new ArrayList<>(taken);
    fresh.retainAll(new java.util.HashSet<>(step.fresh()));
    held.add(order, step.request().rank(), lockClass.mode(), fresh, held.nextEpoch());
    locked.addAll(fresh);
    order.meters().locked(lockClass.name(), fresh.size());
    reply.rows().ifPresent(read -> rows.put(lockClass, read));
    if (!notTaken.isEmpty()) {
      sort(connection, lockClass, notTaken, table);
    }
  }

  /** Tells what is not there from what somebody holds and what came while it was waited for. */
  private void sort(
      Connection connection,
      LockClass lockClass,
      List<Resource> notTaken,
      @Nullable LockTable table)
      throws SQLException {
    if (table == null) {
      if (options.policy() == Policy.NO_WAIT) {
        throw notAvailable(FailureKind.LOCK_NOT_AVAILABLE, lockClass, List.of(), null);
      }
      skipped.addAll(notTaken);
      return;
    }
    List<Resource> existing = new ArrayList<>();
    StatementStart.announce(tx.dsl().configuration());
    try (PreparedStatement look = connection.prepareStatement(RowLockSql.existing(table))) {
      bindKeys(look, 1, notTaken, table);
      try (ResultSet row = look.executeQuery()) {
        row.next();
        for (int ordinal : LockTable.ordinals(row, 1)) {
          existing.add(notTaken.get(ordinal - 1));
        }
      }
    }
    if (!existing.isEmpty() && options.policy() != Policy.SKIP_LOCKED) {
      throw new TransactionException(
          FailureKind.SERIALIZATION_FAILURE,
          existing.get(0)
              + " is another row, or a newer one, than when the lock was asked for, and is not locked; run the transaction again",
          null);
    }
    skipped.addAll(existing);
    notTaken.stream().filter(each -> !existing.contains(each)).forEach(missing::add);
  }

  private RuntimeException explained(SQLException e, Step step, HolderSampler.Watch watch) {
    LockClass lockClass = step.request().lockClass();
    if ("55P03".equals(e.getSQLState())) {
      FailureKind kind =
          options.policy() == Policy.NO_WAIT
              ? FailureKind.LOCK_NOT_AVAILABLE
              : FailureKind.LOCK_TIMEOUT;
      return notAvailable(kind, lockClass, watch.holders(), e);
    }
    return new DataAccessException(
        "locks of class '" + lockClass.name() + "' were not acquired", e);
  }

  private LockNotAvailableException notAvailable(
      FailureKind kind,
      LockClass lockClass,
      List<LockNotAvailableException.Holder> holders,
      @Nullable SQLException cause) {
    return new LockNotAvailableException(
        kind,
        lockClass.name(),
        "class '"
            + lockClass.name()
            + "': "
            + (kind == FailureKind.LOCK_TIMEOUT
                ? "a lock was not to be had within " + longestWait()
                : "a lock is held by somebody else, and was not to be waited for"),
        holders,
        cause);
  }
}
