package dev.pgbelay.core.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import javax.sql.DataSource;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

@ExtendWith(PostgresExtension.class)
class FenceTest {
  private final DataSource dataSource;

  FenceTest(DataSource dataSource) {
    this.dataSource = dataSource;
  }

  @BeforeEach
  void makeTable() throws SQLException {
    try (Connection connection = dataSource.getConnection();
        Statement statement = connection.createStatement()) {
      statement.execute(
          """
          DROP TABLE IF EXISTS task;
          CREATE TABLE task (id int PRIMARY KEY, result text, claimant uuid, claim_number bigint);
          INSERT INTO task VALUES (1)""");
    }
  }

  private Optional<Fence> claimedBy() throws SQLException {
    try (Connection connection = dataSource.getConnection();
        Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery("SELECT claimant, claim_number FROM task")) {
      row.next();
      return Fence.read(row, 1);
    }
  }

  private void claim(Fence fence) throws SQLException {
    try (Connection connection = dataSource.getConnection();
        PreparedStatement claim =
            connection.prepareStatement(
                "UPDATE task SET claimant = ?, claim_number = ? WHERE id = ?")) {
      claim.setInt(fence.bind(claim, 1), 1);
      assertThat(claim.executeUpdate()).isEqualTo(1);
    }
  }

  private int complete(Fence fence, String result) throws SQLException {
    try (Connection connection = dataSource.getConnection();
        PreparedStatement complete =
            connection.prepareStatement(
                "UPDATE task SET result = ? WHERE id = 1 AND claimant = ? AND claim_number = ?")) {
      complete.setString(1, result);
      assertThat(fence.bind(complete, 2)).isEqualTo(4);
      return complete.executeUpdate();
    }
  }

  @Test
  void writeOfAStaleHolder_changesNothing() throws SQLException {
    assertThat(claimedBy()).isEmpty();
    Claimant worker = Claimant.random();
    Fence first = worker.next();
    claim(first);
    // The lease ran out: the same worker, then another one, claims the row anew.
    Fence second = worker.next();
    claim(second);
    assertThat(complete(first, "stale")).as("the same worker's number alone tells").isZero();
    assertThat(claimedBy()).contains(second);
    Fence third = Claimant.random().next();
    claim(third);

    assertThat(complete(first, "stale")).isZero();
    assertThat(complete(second, "stale")).isZero();
    assertThat(complete(third, "done")).isEqualTo(1);
    assertThat(claimedBy()).contains(third);
  }

  @Test
  void conditionForJooq_checksBothColumns() throws SQLException {
    Claimant worker = Claimant.random();
    Fence held = worker.next();
    claim(held);
    try (Connection connection = dataSource.getConnection()) {
      var task = DSL.table(DSL.name("task"));
      var claimant = DSL.field(DSL.name("claimant"), SQLDataType.UUID);
      var number = DSL.field(DSL.name("claim_number"), SQLDataType.BIGINT);
      var dsl = DSL.using(connection, SQLDialect.POSTGRES);
      assertThat(dsl.fetchCount(task, held.holds(claimant, number))).isEqualTo(1);
      assertThat(dsl.fetchCount(task, worker.next().holds(claimant, number))).isZero();
      assertThat(
              dsl.fetchCount(
                  task, new Fence(UUID.randomUUID(), held.number()).holds(claimant, number)))
          .isZero();
    }
  }

  @Test
  void fences_areNeverGivenOutTwice() {
    Claimant worker = Claimant.random();
    Set<Fence> fences =
        IntStream.range(0, 100_000)
            .parallel()
            .mapToObj(i -> worker.next())
            .collect(Collectors.toCollection(HashSet::new));
    assertThat(fences).hasSize(100_000);
    assertThat(IntStream.range(0, 10_000).mapToObj(i -> Claimant.random().id()).distinct())
        .hasSize(10_000);
    assertThatThrownBy(() -> new Fence(worker.id(), 0)).hasMessageContaining("number is 0");
  }
}
