package dev.pgbelay.benchmarks.writes;

import static dev.pgbelay.benchmarks.writes.JdbcWrites.inTransaction;

import de.bytefish.pgbulkinsert.PgBulkInsert;
import de.bytefish.pgbulkinsert.mapping.AbstractMapping;
import java.io.IOException;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.ZoneOffset;
import javax.sql.DataSource;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyIn;

/** COPY BINARY: bytes encoded beforehand by hand, and PgBulkInsert, which encodes them. */
final class CopyWrites {
  private static final int PIECE = 64 * 1024;

  private final DataSource dataSource;
  private final byte[] bytes;

  CopyWrites(DataSource dataSource, Items items) {
    this.dataSource = dataSource;
    this.bytes = items.copyBinary();
  }

  WriteWay insert() {
    return rows -> inTransaction(dataSource, connection -> copy(connection, WriteSql.COPY_ITEMS));
  }

  WriteWay upsert() {
    return rows -> throughStage(WriteSql.UPSERT_FROM_STAGE, false);
  }

  WriteWay update() {
    return rows -> throughStage(WriteSql.UPDATE_FROM_STAGE, true);
  }

  WriteWay updateOnTheServer() {
    return rows ->
        inTransaction(
            dataSource,
            connection -> {
              try (Statement statement = connection.createStatement()) {
                statement.executeUpdate(WriteSql.UPDATE_ON_THE_SERVER);
              }
            });
  }

  WriteWay pgBulkInsert() {
    PgBulkInsert<Item> bulk = new PgBulkInsert<>(new ItemMapping());
    return rows ->
        inTransaction(
            dataSource, connection -> bulk.saveAll(connection.unwrap(PGConnection.class), rows));
  }

  private void throughStage(String sql, boolean analyze) throws Exception {
    inTransaction(
        dataSource,
        connection -> {
          try (Statement statement = connection.createStatement()) {
            statement.execute(WriteSql.CREATE_STAGE);
            copy(connection, WriteSql.COPY_STAGE);
            if (analyze) {
              statement.execute(WriteSql.ANALYZE_STAGE);
            }
            statement.executeUpdate(sql);
          }
        });
  }

  private void copy(Connection connection, String sql) throws SQLException, IOException {
    CopyIn copy = connection.unwrap(PGConnection.class).getCopyAPI().copyIn(sql);
    for (int from = 0; from < bytes.length; from += PIECE) {
      copy.writeToCopy(bytes, from, Math.min(PIECE, bytes.length - from));
    }
    copy.endCopy();
  }

  private static final class ItemMapping extends AbstractMapping<Item> {
    ItemMapping() {
      super("public", "items");
      mapLongPrimitive("id", Item::id);
      mapIntegerPrimitive("account_id", Item::accountId);
      mapIntegerPrimitive("status", Item::status);
      mapTimeStampTz("made_at", item -> item.madeAt().atZoneSameInstant(ZoneOffset.UTC));
      mapNumeric("amount", Item::amount);
      mapText("name", Item::name);
    }
  }
}
