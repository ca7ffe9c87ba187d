package dev.pgbelay.testing;

import java.net.InetSocketAddress;

/** What a {@link PostgresNode} stands on: a process of ours, a container, or only an address. */
interface Server {
  InetSocketAddress address();

  /** The URL of a database through this address, which leads to the server by some way. */
  String jdbcUrl(InetSocketAddress address, String database);

  /** The database to connect to when no test database exists yet. */
  String maintenanceDatabase();

  /** Throws {@link UnsupportedControlException} unless this is a server of ours to do that to. */
  void requireControl(String control);

  /** Kills the server and all its processes at once, as a power cut to the process would. */
  default void crash() {
    requireControl("crash");
  }

  /** Starts the stopped or crashed server on the same data directory and the same port. */
  default void start() {
    requireControl("restart");
  }

  /** Ends sessions and stops the server in an orderly way. */
  default void stop() {
    requireControl("stop");
  }

  /** Holds all processes where they are. */
  default void suspend() {
    requireControl("suspend");
  }

  /** Lets the held processes go on. */
  default void resume() {
    requireControl("resume");
  }

  /** The last lines of the server's log; empty where it cannot be read. */
  String logTail(int lines);
}
