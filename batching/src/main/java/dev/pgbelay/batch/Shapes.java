package dev.pgbelay.batch;

import dev.pgbelay.batch.Catalog.Look;
import dev.pgbelay.batch.WritePlan.Operation;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.internal.PgDriver;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;

/**
 * The shapes of one writer. Once per transaction the table is locked as the write itself will lock
 * it, and then compared with the definition that the shape was made from: no ALTER TABLE can come
 * between.
 */
final class Shapes<R> {
  private static final int MAX_LOOKS = 5;

  /** A point outside of quotes. */
  private static final Pattern QUALIFIED = Pattern.compile("^(\"[^\"]*\"|[^\".])*\\.");

  private record Target(String url, String table, Operation operation, boolean returning) {}

  private final WriterSettings<R> settings;
  private final Map<Target, Shape<R>> known = new ConcurrentHashMap<>();

  Shapes(WriterSettings<R> settings) {
    this.settings = settings;
  }

  void forget() {
    known.clear();
  }

  /** For a write in this transaction. */
  Shape<R> locked(Tx tx, Connection connection, Operation operation, boolean returning)
      throws SQLException {
    PGConnection driver = PgDriver.unwrap(connection);
    Target target = target(tx, driver, operation, returning);
    TransactionState state = TransactionState.known(tx);
    Shape<R> shape = known.get(target);
    // A name without a schema may mean another table after a change of the search_path.
    boolean certain = QUALIFIED.matcher(target.table()).find();
    if (shape != null && certain && state != null && state.hasChecked(shape, tx)) {
      return shape;
    }
    for (int look = 0; look < MAX_LOOKS; look++) {
      if (shape == null) {
        shape = read(tx, connection, target);
      }
      Look now = Catalog.look(connection, shape.sql().lockTable().text(), target.table());
      if (now.isOf(shape.table())) {
        known.put(target, shape);
        TransactionState.of(tx, driver, now.began()).check(shape, tx);
        return shape;
      }
      shape = null;
    }
    throw BatchException.contract(
        "the definition of table " + target.table() + " changes all the time; try again later");
  }

  /** As the table is now, without a lock. */
  Shape<R> current(Tx tx, Connection connection, Operation operation, boolean returning)
      throws SQLException {
    Target target = target(tx, PgDriver.unwrap(connection), operation, returning);
    @Nullable Shape<R> shape = known.get(target);
    if (shape == null || !Catalog.look(connection, "", target.table()).isOf(shape.table())) {
      shape = read(tx, connection, target);
      known.put(target, shape);
    }
    return shape;
  }

  private Target target(Tx tx, PGConnection driver, Operation operation, boolean returning) {
    return new Target(
        String.valueOf(PgDriver.url(driver)),
        tx.dsl().render(settings.table()),
        operation,
        returning);
  }

  private Shape<R> read(Tx tx, Connection connection, Target target) throws SQLException {
    PgTable found = Catalog.read(connection, target.table());
    // Without a schema it could be taken for one of the statement's own parts.
    String written = QUALIFIED.matcher(target.table()).find() ? target.table() : found.name();
    return new Shape<>(settings, target.operation(), target.returning(), found, written, tx.dsl());
  }
}
