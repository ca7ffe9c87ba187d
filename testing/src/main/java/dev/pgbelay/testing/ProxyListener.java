package dev.pgbelay.testing;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A port of the loopback address that can be closed and opened again. */
final class ProxyListener {
  private static final Logger log = LoggerFactory.getLogger(ProxyListener.class);
  private static final int BIND_TRIES = 200;
  private static final int BACKLOG = 200;

  /** Is given each connection, on the listener's thread. */
  interface Acceptor {
    void accepted(Socket client) throws IOException;
  }

  private final int port;
  private final Acceptor acceptor;
  private @Nullable ServerSocket listener;
  private @Nullable Thread accepting;
  private boolean closed;

  ProxyListener(Acceptor acceptor) {
    this.acceptor = acceptor;
    ServerSocket socket = bindAnywhere();
    this.port = socket.getLocalPort();
    listen(socket);
  }

  int port() {
    return port;
  }

  /** From now on the operating system refuses new connections. */
  synchronized void refuse() {
    ServerSocket socket = listener;
    Thread thread = accepting;
    listener = null;
    accepting = null;
    if (socket == null || thread == null) {
      return;
    }
    try {
      socket.close();
      // Until the thread has left it, the closed socket may still take a connection.
      thread.join();
    } catch (IOException e) {
      throw new ClusterException("cannot close the proxy's port " + port, e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new ClusterException("interrupted while the proxy closed port " + port, e);
    }
  }

  /** Ends {@link #refuse}. */
  synchronized void accept() {
    if (listener != null || closed) {
      return;
    }
    listen(rebind());
  }

  /** For good. */
  void close() {
    synchronized (this) {
      closed = true;
    }
    refuse();
  }

  private void listen(ServerSocket socket) {
    listener = socket;
    Thread thread = new Thread(() -> serve(socket), "pgbelay-proxy-" + port + "-accept");
    thread.setDaemon(true);
    thread.start();
    accepting = thread;
  }

  private void serve(ServerSocket socket) {
    while (!socket.isClosed()) {
      try {
        Socket client = socket.accept();
        if (socket.isClosed()) {
          client.close();
        } else {
          acceptor.accepted(client);
        }
      } catch (IOException e) {
        log.debug("port {} no longer accepts", port, e);
      }
    }
  }

  private static ServerSocket bindAnywhere() {
    for (int attempt = 1; ; attempt++) {
      int candidate = Ports.free();
      try {
        return bind(candidate);
      } catch (IOException e) {
        if (attempt == BIND_TRIES) {
          throw new ClusterException("the proxy finds no port to listen on", e);
        }
      }
    }
  }

  private ServerSocket rebind() {
    for (int attempt = 1; ; attempt++) {
      try {
        return bind(port);
      } catch (IOException e) {
        if (attempt == BIND_TRIES) {
          throw new ClusterException("the proxy cannot listen on port " + port + " again", e);
        }
        pause();
      }
    }
  }

  private static ServerSocket bind(int port) throws IOException {
    ServerSocket socket = new ServerSocket();
    try {
      socket.setReuseAddress(true);
      socket.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), BACKLOG);
      return socket;
    } catch (IOException e) {
      socket.close();
      throw e;
    }
  }

  private static void pause() {
    try {
      TimeUnit.MILLISECONDS.sleep(5);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new ClusterException("interrupted while waiting for a port", e);
    }
  }
}
