package dev.pgbelay.benchmarks.writes;

import javax.sql.DataSource;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.jdbc.datasource.DataSourceTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;

/** Spring's {@code JdbcTemplate.batchUpdate} in a transaction of Spring's. */
final class SpringWrites {
  private final JdbcTemplate jdbc;
  private final TransactionTemplate transactions;

  SpringWrites(DataSource dataSource) {
    this.jdbc = new JdbcTemplate(dataSource);
    this.transactions = new TransactionTemplate(new DataSourceTransactionManager(dataSource));
  }

  WriteWay batchUpdate(String sql, JdbcWrites.Binder binder, int size) {
    return rows ->
        transactions.executeWithoutResult(
            status ->
                jdbc.batchUpdate(
                    sql, rows, size, (statement, item) -> binder.bind(statement, item)));
  }
}
