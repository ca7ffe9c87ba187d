package dev.pgbelay.idempotency;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.testing.TemplateInitializer;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.atomic.AtomicInteger;
import javax.sql.DataSource;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;

/** Orders that are placed under keys. */
final class KeyFixture {
  static final TemplateInitializer SCHEMA =
      dataSource -> {
        SchemaInstaller.builder(dataSource).modules("batch", "idempotency").build().install();
        DSL.using(dataSource, SQLDialect.POSTGRES)
            .execute("create table placed (key text not null, note text)");
      };

  private static final AtomicInteger NAMES = new AtomicInteger();

  final DataSource dataSource;
  final Transactions transactions;
  final Idempotency idempotency;
  final Operation<String, String> operation;

  KeyFixture(DataSource dataSource) {
    this(dataSource, Transactions.of(dataSource));
  }

  KeyFixture(DataSource dataSource, Transactions transactions) {
    this.dataSource = dataSource;
    this.transactions = transactions;
    this.idempotency = Idempotency.builder(transactions, dataSource).build();
    this.operation = operation(idempotency).build();
  }

  static String freshName() {
    return "place-order-" + NAMES.incrementAndGet();
  }

  static Operation.Builder<String, String> operation(Idempotency idempotency) {
    return idempotency.operation(freshName(), KeyFixture::fingerprint, Codec.text());
  }

  static Fingerprint fingerprint(String request) {
    return Fingerprint.of(1, request.getBytes(StandardCharsets.UTF_8));
  }

  IdempotencyKey freshKey() {
    return operation.key("acme", "key-" + NAMES.incrementAndGet());
  }

  /** The work: a row. */
  static String place(Tx tx, IdempotencyKey key) {
    tx.dsl().execute("insert into placed (key) values (?)", key.key());
    return "placed " + key.key();
  }

  int placed(IdempotencyKey key) {
    return DSL.using(dataSource, SQLDialect.POSTGRES)
        .fetchSingle("select count(*) from placed where key = ?", key.key())
        .get(0, Integer.class);
  }

  int kept(IdempotencyKey key) {
    return DSL.using(dataSource, SQLDialect.POSTGRES)
        .fetchSingle(
            "select count(*) from pgbelay.idempotency_key"
                + " where tenant = ? and operation = ? and key = ?",
            key.tenant(),
            key.operation(),
            key.key())
        .get(0, Integer.class);
  }

  void age(IdempotencyKey key, String interval) {
    DSL.using(dataSource, SQLDialect.POSTGRES)
        .execute(
            "update pgbelay.idempotency_key set created_at = clock_timestamp() - ?::interval"
                + " where tenant = ? and operation = ? and key = ?",
            interval,
            key.tenant(),
            key.operation(),
            key.key());
  }

  static HikariDataSource pool(String url, int size) {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(url);
    config.setMaximumPoolSize(size);
    config.setMinimumIdle(0);
    config.setConnectionTimeout(30_000);
    return new HikariDataSource(config);
  }
}
