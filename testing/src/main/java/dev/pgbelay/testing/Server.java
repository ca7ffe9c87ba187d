package dev.pgbelay.testing;

import java.net.InetSocketAddress;

/** What a {@link PostgresNode} stands on: a process of ours, a container, or only an address. */
interface Server {
  InetSocketAddress address();

  /** The URL of a database through this address, which leads to the server by some way. */
  String jdbcUrl(InetSocketAddress address, String database);

  /** The database to connect to when no test database exists yet. */
  String maintenanceDatabase();

  /** Kills the server and all its processes at once, as a power cut to the process would. */
  void crash();

  /** Starts the stopped or crashed server on the same data directory and the same port. */
  void start();

  /** Ends sessions and stops the server in an orderly way. */
  void stop();

  /** The last lines of the server's log; empty where it cannot be read. */
  String logTail(int lines);
}
