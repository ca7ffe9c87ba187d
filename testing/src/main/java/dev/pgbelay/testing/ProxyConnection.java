package dev.pgbelay.testing;

import dev.pgbelay.testing.CommitTracker.Fate;
import dev.pgbelay.testing.FaultProxy.Direction;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A client's connection and the one to the server behind it, with a thread for each direction. */
final class ProxyConnection {
  private static final Logger log = LoggerFactory.getLogger(ProxyConnection.class);
  private static final String TO_CLIENT = "to-client";
  private static final int CONNECT_MILLIS = 5_000;
  private static final int DRAIN_MILLIS = 30_000;

  private final String name;
  private final ProxyFaults faults;
  private final boolean raw;
  private final Socket client;
  private final Socket server;
  private final Runnable onEnd;
  private final CommitTracker tracker;
  private final AtomicBoolean cut = new AtomicBoolean();
  private final AtomicBoolean ended = new AtomicBoolean();

  /** A loop that ends with its connection. */
  interface Loop {
    void run() throws IOException, InterruptedException;
  }

  ProxyConnection(
      String name,
      ProxyFaults faults,
      boolean raw,
      Socket client,
      InetSocketAddress target,
      Consumer<ProxyConnection> onEnd)
      throws IOException {
    this.name = name;
    this.faults = faults;
    this.raw = raw;
    this.client = client;
    this.server = new Socket();
    this.onEnd = () -> onEnd.accept(this);
    this.tracker = new CommitTracker(faults::judgeCommit);
    client.setTcpNoDelay(true);
    server.setTcpNoDelay(true);
    server.connect(target, CONNECT_MILLIS);
  }

  void start() {
    startThread("to-server", this::pumpToServer);
    startThread(TO_CLIENT, this::pumpToClient);
  }

  void startThread(String loopName, Loop loop) {
    boolean drainsServer = loopName.equals(TO_CLIENT);
    Thread thread = new Thread(() -> runToEnd(loop, drainsServer), name + "-" + loopName);
    thread.setDaemon(true);
    thread.start();
  }

  private void runToEnd(Loop loop, boolean drainsServer) {
    try {
      loop.run();
    } catch (IOException e) {
      log.debug("{} ended", name, e);
      // After a cut the other thread reads what the server has to say, then ends the connection.
      if (drainsServer || !cut.get()) {
        end();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      end();
    } catch (RuntimeException e) {
      log.error("{} ended by a defect of the proxy", name, e);
      end();
    }
  }

  boolean isOpen() {
    return !cut.get() && !ended.get();
  }

  /**
   * Loses the connection: the client is gone at once; the server still gets every byte that was
   * forwarded, then the end.
   */
  void cut() throws IOException {
    if (cut.compareAndSet(false, true)) {
      faults.wakeWaiters();
      server.setSoTimeout(DRAIN_MILLIS);
      server.shutdownOutput();
      client.close();
    }
  }

  /** Closes both sides. */
  void end() {
    if (ended.compareAndSet(false, true)) {
      faults.wakeWaiters();
      try {
        client.close();
      } catch (IOException e) {
        log.debug("{}: closing the client's side", name, e);
      }
      try {
        server.close();
      } catch (IOException e) {
        log.debug("{}: closing the server's side", name, e);
      }
      onEnd.run();
    }
  }

  private void pumpToServer() throws IOException, InterruptedException {
    WireMessages messages = new WireMessages(client.getInputStream());
    ProxyOutlet outlet =
        new ProxyOutlet(faults, Direction.TO_SERVER, this, server.getOutputStream());
    if (raw) {
      pumpRaw(messages, outlet);
    } else if (startUp(messages, outlet)) {
      while (isOpen() && messages.read()) {
        if (tracker.cutBefore(messages)) {
          outlet.flush();
          outlet.drain();
          faults.countCut(Fate.CUT_BEFORE);
          cut();
          return;
        }
        if ("SQF".indexOf(messages.type()) >= 0) {
          faults.countRoundTrip();
        }
        outlet.write(messages.bytes(), messages.length());
        if (!messages.hasMore() && !outlet.flush()) {
          return;
        }
      }
    }
    outlet.flush();
    outlet.drain();
    if (isOpen()) {
      server.shutdownOutput();
    }
  }

  /** Passes the start-up phase; answers requests for encryption with no. */
  private boolean startUp(WireMessages messages, ProxyOutlet outlet)
      throws IOException, InterruptedException {
    while (messages.readStartup()) {
      int code = messages.startupCode();
      if (code == WireMessages.SSL_REQUEST || code == WireMessages.GSS_REQUEST) {
        client.getOutputStream().write('N');
        continue;
      }
      outlet.write(messages.bytes(), messages.length());
      return outlet.flush() && code != WireMessages.CANCEL_REQUEST;
    }
    return false;
  }

  private void pumpToClient() throws IOException, InterruptedException {
    WireMessages messages = new WireMessages(server.getInputStream());
    ProxyOutlet outlet =
        new ProxyOutlet(faults, Direction.TO_CLIENT, this, client.getOutputStream());
    if (raw) {
      pumpRaw(messages, outlet);
    } else {
      while (isOpen() && messages.read()) {
        if (tracker.cutAfter(messages)) {
          outlet.flush();
          outlet.drain();
          faults.countCut(Fate.CUT_AFTER);
          cut();
          break;
        }
        outlet.write(messages.bytes(), messages.length());
        if (!messages.hasMore() && !outlet.flush()) {
          break;
        }
      }
    }
    if (isOpen()) {
      outlet.flush();
      outlet.drain();
    }
    while (cut.get() && !ended.get() && messages.readRaw()) {
      log.trace("{}: {} bytes after the cut", name, messages.length());
    }
    end();
  }

  private void pumpRaw(WireMessages messages, ProxyOutlet outlet)
      throws IOException, InterruptedException {
    while (isOpen() && messages.readRaw()) {
      outlet.write(messages.bytes(), messages.length());
      if (!outlet.flush()) {
        return;
      }
    }
  }
}
