package dev.pgbelay.testing;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.util.concurrent.ThreadLocalRandom;

/**
 * Ports below the range from which the kernel serves outgoing connections, so that a server that
 * was stopped finds its port again. Free is what was free a moment ago: whoever binds must try
 * again.
 */
final class Ports {
  private static final int FIRST = 15_000;
  private static final int LAST = 29_999;
  private static final int TRIES = 500;

  private Ports() {}

  static int free() {
    for (int attempt = 0; attempt < TRIES; attempt++) {
      int candidate = ThreadLocalRandom.current().nextInt(FIRST, LAST + 1);
      if (isFree(candidate)) {
        return candidate;
      }
    }
    throw new ClusterException("no free port between " + FIRST + " and " + LAST);
  }

  private static boolean isFree(int candidate) {
    try (ServerSocket socket = new ServerSocket()) {
      socket.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), candidate));
      return true;
    } catch (IOException e) {
      return false;
    }
  }
}
