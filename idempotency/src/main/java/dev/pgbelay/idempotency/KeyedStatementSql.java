package dev.pgbelay.idempotency;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.internal.PgDriver;
import dev.pgbelay.idempotency.internal.KeyLock;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import org.jooq.BindContext;
import org.jooq.Configuration;
import org.jooq.DSLContext;
import org.jooq.ResultQuery;
import org.jooq.SQLDialect;
import org.jooq.Table;
import org.jooq.conf.Settings;
import org.jooq.conf.SettingsTools;
import org.jooq.conf.StatementType;
import org.jooq.exception.DataAccessException;
import org.jooq.exception.IntegrityConstraintViolationException;
import org.jooq.impl.DSL;

/** A whole operation in one statement: the key's lock, its row, and what the caller wants done. */
final class KeyedStatementSql {
  private static final String TAKEN = "the key is taken";
  private static final String NOTHING = "no row was changed";
  private static final String INVALID_TEXT = "22P02";
  private static final String TABLE = "idempotency_key";
  private static final String CONSTRAINT_VIOLATION = "23";

  /**
   * The key comes before the work: the cases are evaluated in their order, and a part of WITH when
   * it is looked at. Were it not so, work under a taken key would be undone all the same, by the
   * failure. Fails at the primary key where there is an answer. One statement is one transaction,
   * however the driver sends it.
   */
  private static final String BEFORE_WORK =
      """
      WITH kept AS (
        INSERT INTO <key> (tenant, operation, key, fingerprint_version, fingerprint, response)
        SELECT ?, ?, ?, ?, ?, ? WHERE pg_try_advisory_xact_lock(?)
        RETURNING 1),
      work AS (
      """;

  private static final String BEHIND_WORK =
      """

      )
      SELECT CAST(CASE WHEN NOT EXISTS (SELECT FROM kept) THEN '<taken>'
                       WHEN NOT EXISTS (SELECT FROM work) THEN '<nothing>'
                       ELSE '1' END AS integer)\
      """;

  /** What became of it. */
  enum Ran {
    DONE,
    /** Nothing was done: there is an answer, or somebody is at it. */
    TAKEN,
    /** Nothing was done: it would have changed no row. */
    NOTHING
  }

  private final String before;
  private final String behind;

  KeyedStatementSql(String schema) {
    Table<?> table = DSL.table(DSL.name(schema, TABLE));
    String name = DSL.using(SQLDialect.POSTGRES).render(table);
    this.before = BEFORE_WORK.replace("<key>", name);
    this.behind = BEHIND_WORK.replace("<taken>", TAKEN).replace("<nothing>", NOTHING);
  }

  /** In a transaction of its own. */
  Ran run(
      Transactions transactions,
      TxOptions options,
      IdempotencyKey key,
      Fingerprint fingerprint,
      byte[] response,
      ResultQuery<?> work) {
    DSLContext dsl = DSL.using(prepared(work));
    try {
      transactions.runStatement(
          options,
          before + dsl.render(work) + behind,
          statement -> {
            int next = KeySql.bindKeep(statement, 1, key, fingerprint, response);
            statement.setLong(next, KeyLock.number(key));
            bind(dsl, statement, next + 1, work);
          },
          executed -> true);
      return Ran.DONE;
    } catch (SQLException e) {
      if (says(e, TAKEN) || KeySql.isTaken(e)) {
        return Ran.TAKEN;
      }
      if (says(e, NOTHING)) {
        return Ran.NOTHING;
      }
      throw failed(key, e);
    }
  }

  /** In this transaction, without the key. */
  static Ran work(Tx tx, ResultQuery<?> work) {
    Settings settings = prepared(work).settings();
    DSLContext dsl = DSL.using(tx.dsl().configuration().derive(settings));
    return dsl.fetch(work).isEmpty() ? Ran.NOTHING : Ran.DONE;
  }

  /** As the work was made, or as PostgreSQL wants it; with parameters. */
  private static Configuration prepared(ResultQuery<?> work) {
    Configuration own = work.configuration();
    Configuration base =
        own != null && own.family() == SQLDialect.POSTGRES
            ? own
            : DSL.using(SQLDialect.POSTGRES).configuration();
    Settings settings = base.settings();
    return settings.getStatementType() == StatementType.PREPARED_STATEMENT
        ? base
        : base.derive(
            SettingsTools.clone(settings).withStatementType(StatementType.PREPARED_STATEMENT));
  }

  @SuppressWarnings("removal") // the one public way to let jOOQ bind values to a statement
  private static void bind(
      DSLContext dsl, PreparedStatement statement, int first, ResultQuery<?> work) {
    BindContext context = dsl.bindContext(statement);
    while (context.peekIndex() < first) {
      context.nextIndex();
    }
    context.visit(work);
  }

  private static boolean says(SQLException failure, String what) {
    return INVALID_TEXT.equals(failure.getSQLState())
        && PgDriver.serverMessage(failure).contains('"' + what + '"');
  }

  private static RuntimeException failed(IdempotencyKey key, SQLException e) {
    String what = "the statement under key " + key + " failed, and nothing was done";
    String state = e.getSQLState();
    if (state != null && state.startsWith(CONSTRAINT_VIOLATION)) {
      return new IntegrityConstraintViolationException(what, e);
    }
    DataAccessException failed = new DataAccessException(what, e);
    return PgDriver.serverMessage(e).contains(TABLE) ? KeySql.failed(failed) : failed;
  }
}
