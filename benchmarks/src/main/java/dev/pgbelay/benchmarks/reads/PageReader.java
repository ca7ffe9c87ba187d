package dev.pgbelay.benchmarks.reads;

import java.sql.Connection;
import javax.sql.DataSource;

/** One way of reading what a page shows, outside of a transaction. */
@FunctionalInterface
interface PageReader {
  ListPage read(ListPage.Request request) throws Exception;

  /** A way that is given one connection for the whole page. */
  interface OnConnection {
    ListPage read(Connection connection, ListPage.Request request) throws Exception;

    default PageReader from(DataSource pool) {
      return request -> {
        try (Connection connection = pool.getConnection()) {
          return read(connection, request);
        }
      };
    }
  }
}
