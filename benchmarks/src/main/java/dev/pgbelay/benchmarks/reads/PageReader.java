package dev.pgbelay.benchmarks.reads;

import java.sql.Connection;

/** One way of reading what a page shows, on a connection outside of a transaction. */
@FunctionalInterface
interface PageReader {
  ListPage read(Connection connection, ListPage.Request request) throws Exception;
}
