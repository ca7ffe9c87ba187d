package dev.pgbelay.idempotency.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.testing.PostgresExtension;
import java.net.SocketTimeoutException;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.postgresql.ds.PGSimpleDataSource;

/** The kit against payments written by hand: it must find what is wrong with them, and no more. */
class CrashPointsPostgresTest {
  @RegisterExtension static final PostgresExtension postgres = PostgresExtension.create();

  private final Map<String, Set<String>> charges = new ConcurrentHashMap<>();

  @BeforeAll
  static void create() throws SQLException {
    try (Connection connection = postgres.database().connect()) {
      connection
          .createStatement()
          .execute(
              "create table payment (key text primary key, claim uuid, until timestamptz,"
                  + " answer text)");
    }
  }

  private CrashPoints<String> check(CrashPoints.Attempt<String> operation) {
    PGSimpleDataSource database = new PGSimpleDataSource();
    database.setUrl(postgres.jdbcUrl());
    return CrashPoints.of(database, operation, key -> charges.getOrDefault(key, Set.of()).size())
        .consistent((answer, effects) -> answer.equals("charged") && effects == 1);
  }

  /** A provider that knows its clients' keys acts once for each; every other call acts. */
  private String charge(String key, String providerKey) {
    charges.computeIfAbsent(key, k -> ConcurrentHashMap.newKeySet()).add(providerKey);
    return "charged";
  }

  private static Set<String> violationsOf(CrashReport report) {
    return report.violations().stream()
        .map(CrashReport.Violation::what)
        .map(what -> what.replaceAll("\\d+", "n").replaceAll(", the last.*", ""))
        .collect(Collectors.toSet());
  }

  @Test
  void leaseFenceAndTheSameProviderKey_areSound() throws Exception {
    CrashReport report =
        check((process, key) -> withLease(process, key, key))
            .stoppedFor(Duration.ofSeconds(5))
            .run();
    report.requireSound();
    assertThat(report.boundaries())
        .as("two statements that commit themselves, and the call")
        .hasSize(6)
        .contains("before call charge", "after call charge")
        .anyMatch(boundary -> boundary.startsWith("before insert into payment"));
    assertThat(report.runs()).isEqualTo(12);
  }

  @Test
  void takeOverWithAnotherProviderKey_isFoundToChargeTwice() {
    CrashReport report =
        check((process, key) -> withLease(process, key, UUID.randomUUID().toString())).run();
    assertThat(violationsOf(report)).contains("the provider acted n times");
    assertThat(report.violations())
        .anyMatch(
            violation ->
                violation.fault() == Fault.KILLED
                    && violation.boundary().equals("after call charge"));
    assertThatThrownBy(report::requireSound)
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("KILLED after call charge: the provider acted 2 times");
  }

  @Test
  void claimThatNobodyTakesOver_isFoundToLeaveItsClientWithoutAnswer() {
    CrashReport report =
        check(
                (process, key) -> {
                  UUID claim = UUID.randomUUID();
                  if (!claim(process, key, claim, Duration.ofDays(1))) {
                    return answer(process, key);
                  }
                  String answer = process.outside("charge", () -> charge(key, key));
                  record(process, key, claim, answer);
                  return Optional.of(answer);
                })
            .faults(Fault.KILLED)
            .patience(Duration.ofSeconds(1))
            .run();
    assertThat(violationsOf(report)).containsExactly("no answer after n tries");
  }

  /** The provider acts, and its answer gets lost; the client frees the key and is asked again. */
  @Test
  void freeOnException_isFoundToChargeTwice() {
    CrashReport report =
        check(
                (process, key) -> {
                  UUID claim = UUID.randomUUID();
                  if (!claim(process, key, claim, Duration.ofMillis(100))) {
                    return answer(process, key);
                  }
                  try {
                    String answer =
                        process.outside(
                            "charge",
                            () -> {
                              boolean first = !charges.containsKey(key);
                              charge(key, UUID.randomUUID().toString());
                              if (first && !key.endsWith("healthy")) {
                                throw new SocketTimeoutException("after it has acted");
                              }
                              return "charged";
                            });
                    record(process, key, claim, answer);
                    return Optional.of(answer);
                  } catch (SocketTimeoutException e) {
                    free(process, key);
                    throw e;
                  }
                })
            .faults(Fault.KILLED)
            .run();
    assertThat(violationsOf(report)).contains("the provider acted n times");
  }

  @Test
  void operationThatReachesTheWorldPastItsProcess_isRefused() {
    assertThatThrownBy(
            () ->
                check(
                        (process, key) -> {
                          charge(key, key);
                          return Optional.of("charged");
                        })
                    .run())
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("passed no boundary");
  }

  @Test
  void operationThatIsWrongWithoutAnyFault_isRefused() {
    assertThatThrownBy(
            () ->
                check(
                        (process, key) -> {
                          process.outside(
                              "charge", () -> charge(key, UUID.randomUUID().toString()));
                          return Optional.of("charged");
                        })
                    .run())
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("without any fault")
        .hasMessageContaining("acted 2 times");
  }

  private Optional<String> withLease(SimulatedProcess process, String key, String providerKey)
      throws Exception {
    UUID claim = UUID.randomUUID();
    if (!claim(process, key, claim, Duration.ofMillis(100))) {
      return answer(process, key);
    }
    String answer = process.outside("charge", () -> charge(key, providerKey));
    return record(process, key, claim, answer) ? Optional.of(answer) : Optional.empty();
  }

  private static boolean claim(SimulatedProcess process, String key, UUID claim, Duration lease)
      throws SQLException {
    return update(
        process,
        "insert into payment values (?, ?, clock_timestamp() + ? * interval '1 ms')"
            + " on conflict (key) do update set claim = excluded.claim, until = excluded.until"
            + " where payment.until < clock_timestamp() and payment.answer is null",
        key,
        claim,
        lease.toMillis());
  }

  private static boolean record(SimulatedProcess process, String key, UUID claim, String answer)
      throws SQLException {
    return update(
        process, "update payment set answer = ? where key = ? and claim = ?", answer, key, claim);
  }

  private static void free(SimulatedProcess process, String key) throws SQLException {
    update(process, "delete from payment where key = ?", key);
  }

  private static boolean update(SimulatedProcess process, String sql, Object... values)
      throws SQLException {
    try (Connection connection = process.dataSource().getConnection();
        PreparedStatement statement = connection.prepareStatement(sql)) {
      for (int i = 0; i < values.length; i++) {
        statement.setObject(i + 1, values[i]);
      }
      return statement.executeUpdate() == 1;
    }
  }

  private static Optional<String> answer(SimulatedProcess process, String key) throws SQLException {
    try (Connection connection = process.dataSource().getConnection();
        PreparedStatement statement =
            connection.prepareStatement("select answer from payment where key = ?")) {
      statement.setString(1, key);
      try (ResultSet row = statement.executeQuery()) {
        return row.next() ? Optional.ofNullable(row.getString(1)) : Optional.empty();
      }
    }
  }
}
