package dev.pgbelay.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.opentest4j.TestAbortedException;

@ExtendWith(PostgresExtension.class)
class PgBouncerTest {
  @Test
  void transactionsOfManyClients_shareFewServerConnections(PostgresDatabase database)
      throws SQLException {
    try (PgBouncer bouncer = PgBouncer.inFrontOf(database.cluster().primary(), 2)) {
      String url = bouncer.jdbcUrl(database.name()) + "&prepareThreshold=0";
      Set<Integer> pids = new HashSet<>();
      for (int client = 0; client < 6; client++) {
        try (Connection connection = DriverManager.getConnection(url);
            PreparedStatement statement =
                connection.prepareStatement("select pg_backend_pid(), ?::int")) {
          for (int i = 0; i < 10; i++) {
            statement.setInt(1, i);
            try (ResultSet rows = statement.executeQuery()) {
              rows.next();
              pids.add(rows.getInt(1));
              assertThat(rows.getInt(2)).isEqualTo(i);
            }
          }
        }
      }
      assertThat(pids.size()).isLessThanOrEqualTo(2);
    }
  }

  @Test
  void missingBinary_skipsTheTestWithTheReason(PostgresDatabase database) {
    String before = System.getProperty("pgbelay.pgbouncer");
    System.setProperty("pgbelay.pgbouncer", "/nowhere/pgbouncer");
    try {
      assertThat(PgBouncer.isAvailable()).isFalse();
      assertThatThrownBy(() -> PgBouncer.inFrontOf(database.cluster().primary(), 2))
          .isInstanceOf(TestAbortedException.class)
          .hasMessageContaining("no pgbouncer on the PATH");
    } finally {
      if (before == null) {
        System.clearProperty("pgbelay.pgbouncer");
      } else {
        System.setProperty("pgbelay.pgbouncer", before);
      }
    }
  }
}
