package dev.pgbelay.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.pgbelay.testing.FaultProxy.Direction;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The proxy that does not read what it forwards. */
class RawProxyTest {
  @RegisterExtension static final PostgresExtension postgres = PostgresExtension.create();

  private ServerSocket echo;
  private FaultProxy proxy;

  @BeforeEach
  void openEcho() throws IOException {
    echo = new ServerSocket(0, 10, InetAddress.getLoopbackAddress());
    Thread serving =
        new Thread(
            () -> {
              while (!echo.isClosed()) {
                try (Socket client = echo.accept()) {
                  client.getInputStream().transferTo(client.getOutputStream());
                } catch (IOException closed) {
                  // the next client, or the end
                }
              }
            });
    serving.setDaemon(true);
    serving.start();
    proxy =
        FaultProxy.raw(
            new InetSocketAddress(InetAddress.getLoopbackAddress(), echo.getLocalPort()));
  }

  @AfterEach
  void close() throws IOException {
    proxy.close();
    echo.close();
  }

  private Socket client() throws IOException {
    Socket socket = new Socket(proxy.address().getAddress(), proxy.address().getPort());
    socket.setSoTimeout(5_000);
    return socket;
  }

  @Test
  void anyBytes_passUnchanged() throws IOException {
    byte[] sent = new byte[200_000];
    new Random(1).nextBytes(sent);
    try (Socket client = client()) {
      Thread writing =
          new Thread(
              () -> {
                try {
                  client.getOutputStream().write(sent);
                } catch (IOException e) {
                  throw new AssertionError(e);
                }
              });
      writing.setDaemon(true);
      writing.start();
      assertThat(client.getInputStream().readNBytes(sent.length)).isEqualTo(sent);
    }
    assertThat(proxy.counters().bytesToServer()).isEqualTo(sent.length);
    assertThat(proxy.counters().roundTrips()).isZero();
  }

  @Test
  void cutAfterBytes_endsTheConnectionAtThatByte() throws IOException {
    proxy.cutAfterBytes(Direction.TO_CLIENT, 3);
    try (Socket client = client()) {
      client.getOutputStream().write(new byte[] {1, 2, 3, 4, 5});
      assertThat(client.getInputStream().readNBytes(3)).containsExactly(1, 2, 3);
      int next;
      try {
        next = client.getInputStream().read();
      } catch (IOException reset) {
        next = -1;
      }
      assertThat(next).isEqualTo(-1);
    }
    assertThat(proxy.counters().cutsAtByte()).isEqualTo(1);
  }

  @Test
  void frozenBytes_comeAfterTheThaw() throws IOException {
    try (Socket client = client()) {
      proxy.freeze(Direction.TO_CLIENT);
      client.getOutputStream().write(7);
      client.setSoTimeout(300);
      assertThatThrownBy(() -> client.getInputStream().read())
          .isInstanceOf(SocketTimeoutException.class);
      proxy.thaw();
      client.setSoTimeout(5_000);
      assertThat(client.getInputStream().read()).isEqualTo(7);
    }
  }

  @Test
  void droppedConnection_ends() throws IOException {
    try (Socket client = client()) {
      await().until(() -> proxy.counters().open() == 1);
      proxy.dropConnections();
      int read;
      try {
        read = client.getInputStream().read();
      } catch (IOException reset) {
        read = -1;
      }
      assertThat(read).isEqualTo(-1);
    }
  }

  @Test
  void cutsAtCommits_areRefusedByName() {
    assertThatThrownBy(() -> proxy.cutBeforeCommit(1))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("cutBeforeCommit");
    assertThatThrownBy(() -> proxy.cutAfterCommit(1)).hasMessageContaining("cutAfterCommit");
    assertThatThrownBy(() -> proxy.cutCommitsAtRandom(1, 0.1, 0.1))
        .hasMessageContaining("cutCommitsAtRandom");
    assertThatThrownBy(() -> proxy.jdbcUrl("x")).isInstanceOf(IllegalStateException.class);
  }

  @Test
  void postgres_isSpokenThroughItWithoutBeingRead() throws SQLException {
    PostgresNode node = postgres.database().cluster().primary();
    try (FaultProxy raw = FaultProxy.raw(node.address());
        Connection connection =
            DriverManager.getConnection(
                node.jdbcUrl(raw.address(), postgres.database().name()) + "&sslmode=prefer");
        Statement statement = connection.createStatement()) {
      connection.setAutoCommit(false);
      statement.execute("select 1");
      connection.commit();
      assertThat(raw.counters().commits()).isZero();
      assertThat(raw.counters().bytesToServer()).isPositive();
    }
  }
}
