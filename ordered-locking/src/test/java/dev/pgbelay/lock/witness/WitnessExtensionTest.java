package dev.pgbelay.lock.witness;

import static dev.pgbelay.lock.witness.Scripted.sql;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClass;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.testing.PostgresExtension;
import java.util.List;
import javax.sql.DataSource;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.platform.testkit.engine.EngineExecutionResults;
import org.junit.platform.testkit.engine.EngineTestKit;

/** The witness in tests, through the observer interface of core. */
class WitnessExtensionTest {
  private static final String ACCOUNT = "update account set balance = 1 where id = 1";
  private static final String STOCK = "update stock set quantity = 1 where id = 1";

  private static EngineExecutionResults run(Class<?>... classes) {
    EngineTestKit.Builder builder = EngineTestKit.engine("junit-jupiter");
    for (Class<?> each : classes) {
      builder.selectors(selectClass(each));
    }
    return builder.execute();
  }

  @Test
  void strictWitness_failsTheTestThatCompletesTheInversion_withBothPlaces() {
    run(InversionFixture.class)
        .testEvents()
        .assertStatistics(statistics -> statistics.started(3).succeeded(2).failed(1))
        .failed()
        .assertThatEvents()
        .allSatisfy(
            event ->
                assertThat(event.getPayload().orElseThrow().toString())
                    .contains("locks account and stock in both orders")
                    .contains("InversionFixture.accountFirst")
                    .contains("InversionFixture.stockFirst"));
  }

  @Test
  void witnessSharedByClasses_findsWhatNoneOfThemShowsAlone() {
    run(AccountFirstFixture.class, StockFirstFixture.class)
        .testEvents()
        .assertStatistics(statistics -> statistics.started(2).succeeded(1).failed(1));
  }

  @Test
  void witnessFoundByName_isStrictAndOneForTheJvm() {
    WitnessObserver first = new WitnessObserver();
    WitnessObserver second = new WitnessObserver();
    assertThat(first.findings()).isEmpty();
    assertThat(second.findings()).isEmpty();
  }

  @Test
  void savepointsAndPreparedKeys_areSeenThroughTheExtension() {
    run(KeysFixture.class)
        .testEvents()
        .assertStatistics(statistics -> statistics.started(2).succeeded(1).failed(1))
        .failed()
        .assertThatEvents()
        .allSatisfy(
            event ->
                assertThat(event.getPayload().orElseThrow().toString())
                    .contains("rows of account in descending order")
                    .contains("keysGoDown"));
  }

  @TestMethodOrder(MethodOrderer.OrderAnnotation.class)
  static class InversionFixture {
    private static final LockWitness WITNESS = LockWitness.builder().build();

    @RegisterExtension
    static final PostgresExtension own =
        PostgresExtension.create()
            .withTemplate(WitnessSchema.TABLES)
            .withObserver(WITNESS.observer());

    @Test
    @Order(1)
    void accountFirst(DataSource dataSource) throws Exception {
      Scripted.play(dataSource, List.of(sql(ACCOUNT, STOCK)));
    }

    @Test
    @Order(2)
    void stockFirst(DataSource dataSource) {
      Transactions.of(dataSource)
          .execute(
              tx -> {
                tx.dsl().execute(STOCK);
                tx.dsl().execute(ACCOUNT);
              });
    }

    @Test
    @Order(3)
    void again_isNotToldTwice(DataSource dataSource) throws Exception {
      Scripted.play(dataSource, List.of(sql(STOCK, ACCOUNT)));
    }
  }

  static class KeysFixture {
    private static final LockWitness WITNESS = LockWitness.builder().build();

    @RegisterExtension
    static final PostgresExtension own =
        PostgresExtension.create()
            .withTemplate(WitnessSchema.TABLES)
            .withObserver(WITNESS.observer());

    @Test
    void keysGoDown(DataSource dataSource) throws Exception {
      Scripted.play(
          dataSource,
          List.of(c -> Scripted.batch(c, "update account set balance = 1 where id = ?", 10L, 9L)));
    }

    @Test
    void keysGoDownPastASavepoint(DataSource dataSource) {
      Transactions.of(dataSource)
          .execute(
              tx -> {
                try {
                  tx.dsl()
                      .transaction(
                          savepoint -> {
                            savepoint.dsl().execute("update stock set quantity = 1 where id = 9");
                            throw new IllegalStateException("gives the row back");
                          });
                } catch (IllegalStateException expected) {
                  // the row is free again
                }
                tx.dsl().execute("update stock set quantity = 1 where id = 8");
              });
    }
  }

  /** One witness for two classes. */
  static final class Together {
    static final LockWitness WITNESS = LockWitness.builder().build();

    private Together() {}
  }

  static class AccountFirstFixture {
    @RegisterExtension
    static final PostgresExtension own =
        PostgresExtension.create()
            .withTemplate(WitnessSchema.TABLES)
            .withObserver(Together.WITNESS.observer());

    @Test
    void accountFirst(DataSource dataSource) throws Exception {
      Scripted.play(dataSource, List.of(sql(ACCOUNT, STOCK)));
    }
  }

  static class StockFirstFixture {
    @RegisterExtension
    static final PostgresExtension own =
        PostgresExtension.create()
            .withTemplate(WitnessSchema.TABLES)
            .withObserver(Together.WITNESS.observer());

    @Test
    void stockFirst(DataSource dataSource) throws Exception {
      Scripted.play(dataSource, List.of(sql(STOCK, ACCOUNT)));
    }
  }
}
