package dev.pgbelay.examples.demo;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/** Checks what the servers need before they start, so that a lack is named and not guessed. */
final class Preflight {
  private static final long FIXED_BYTES = 700L << 20;

  /**
   * Heap, three indexes, primary key, write-ahead log and sorts, on the primary and the replica.
   */
  private static final long BYTES_PER_ROW = 1_300;

  private Preflight() {}

  static void check(Path directory, long rows) {
    checkDisk(directory, rows);
    checkLoopback();
  }

  private static void checkDisk(Path directory, long rows) {
    if (!Files.isDirectory(directory) || !Files.isWritable(directory)) {
      throw new DemoException(
          directory
              + " is not a directory that can be written to: set TMPDIR to one, the servers keep"
              + " their data there.",
          null);
    }
    long needed = FIXED_BYTES + rows * BYTES_PER_ROW;
    long free;
    try {
      free = Files.getFileStore(directory).getUsableSpace();
    } catch (IOException e) {
      throw new DemoException(
          "Cannot tell the free space in " + directory + ": " + e.getMessage(), e);
    }
    if (free < needed) {
      throw new DemoException(
          String.format(
              Locale.ROOT,
              "%,d orders on a primary and a replica need about %,d MiB in %s, %,d MiB are free."
                  + " Free some space, ask for fewer orders with --rows, or set TMPDIR to a"
                  + " directory on a larger disk.",
              rows,
              needed >> 20,
              directory,
              free >> 20),
          null);
    }
  }

  /** The servers listen on ports that the system chooses, so one free port is all they ask for. */
  private static void checkLoopback() {
    try (ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
        Socket client = new Socket(server.getInetAddress(), server.getLocalPort())) {
      client.getLocalPort();
    } catch (IOException e) {
      throw new DemoException(
          "No TCP port on 127.0.0.1 can be opened and reached ("
              + e.getMessage()
              + "). The servers listen there, on free ports that the system chooses. Check that"
              + " the loopback interface is up and that no sandbox or firewall forbids it.",
          e);
    }
  }
}
