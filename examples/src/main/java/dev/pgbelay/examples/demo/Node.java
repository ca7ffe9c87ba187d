package dev.pgbelay.examples.demo;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import java.sql.SQLException;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;

/** One process of a service; while it is stopped nothing of it reaches the database. */
public final class Node implements AutoCloseable {
  private final String name;
  private final HikariDataSource work;
  private final HikariDataSource heartbeats;
  private final Transactions transactions;

  public Node(DemoContext context, String name) throws SQLException {
    String url = context.dataSource().unwrap(HikariDataSource.class).getJdbcUrl();
    this.name = name;
    this.work = pool(url, 8);
    this.heartbeats = pool(url, 1);
    this.transactions = Transactions.of(work);
  }

  private static HikariDataSource pool(String url, int size) {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(url);
    config.setMaximumPoolSize(size);
    config.setMinimumIdle(0);
    config.setAllowPoolSuspension(true);
    return new HikariDataSource(config);
  }

  public String name() {
    return name;
  }

  public HikariDataSource heartbeats() {
    return heartbeats;
  }

  public Transactions transactions() {
    return transactions;
  }

  public DSLContext dsl() {
    return DSL.using(work, SQLDialect.POSTGRES);
  }

  public void stop() {
    work.getHikariPoolMXBean().suspendPool();
    heartbeats.getHikariPoolMXBean().suspendPool();
  }

  public void resume() {
    heartbeats.getHikariPoolMXBean().resumePool();
    work.getHikariPoolMXBean().resumePool();
  }

  @Override
  public void close() {
    heartbeats.close();
    work.close();
  }
}
