package dev.pgbelay.benchmarks.writes;

import static dev.pgbelay.benchmarks.writes.JooqWrites.ACCOUNT_ID;
import static dev.pgbelay.benchmarks.writes.JooqWrites.AMOUNT;
import static dev.pgbelay.benchmarks.writes.JooqWrites.ID;
import static dev.pgbelay.benchmarks.writes.JooqWrites.ITEMS;
import static dev.pgbelay.benchmarks.writes.JooqWrites.MADE_AT;
import static dev.pgbelay.benchmarks.writes.JooqWrites.NAME;
import static dev.pgbelay.benchmarks.writes.JooqWrites.STATUS;

import dev.pgbelay.batch.BatchWriter;
import dev.pgbelay.core.Transactions;
import javax.sql.DataSource;

/** {@code BatchWriter}, in a transaction of core's. */
final class PgbelayWrites {
  private final Transactions transactions;

  PgbelayWrites(DataSource dataSource) {
    this.transactions = Transactions.of(dataSource);
  }

  /** All six columns. */
  static BatchWriter.Builder<Item> writer() {
    return BatchWriter.into(ITEMS, Item.class)
        .key(ID)
        .column(ID, Item::id)
        .column(ACCOUNT_ID, Item::accountId)
        .column(STATUS, Item::status)
        .column(MADE_AT, Item::madeAt)
        .column(AMOUNT, Item::amount)
        .column(NAME, Item::name);
  }

  /** The key and the two columns that an update changes. */
  static BatchWriter.Builder<Item> changes() {
    return BatchWriter.into(ITEMS, Item.class)
        .key(ID)
        .column(ID, Item::id)
        .column(STATUS, Item::status)
        .column(AMOUNT, Item::amount);
  }

  WriteWay insert(BatchWriter<Item> writer) {
    return rows -> transactions.run(tx -> writer.insert(tx, rows));
  }

  WriteWay upsert(BatchWriter<Item> writer) {
    return rows -> transactions.run(tx -> writer.upsert(tx, rows));
  }

  WriteWay update(BatchWriter<Item> writer) {
    return rows -> transactions.run(tx -> writer.update(tx, rows));
  }
}
