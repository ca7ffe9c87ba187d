package dev.pgbelay.outbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.internal.Claimant;
import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a relay writes that has been given up changes nothing. */
class RelayFenceTest {
  private static final TxOptions OPTIONS = TxOptions.defaults();

  @RegisterExtension
  @Order(1)
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(RelayFixture.SCHEMA);

  @RegisterExtension
  @Order(2)
  static final RelayFixture.Relays relays = new RelayFixture.Relays(postgres);

  private final RelayFixture fixture = new RelayFixture(postgres, relays);
  private final RelaySql relaySql = new RelaySql("pgbelay");
  private final LaneSql laneSql = new LaneSql("pgbelay");

  private Fence register() throws Exception {
    Claimant claimant = Claimant.random();
    fixture.transactions.execute(
        tx ->
            relaySql.register(
                tx.connection(),
                claimant.id(),
                "here",
                Duration.ofMinutes(1),
                new Short[] {fixture.number}));
    return claimant.next();
  }

  private List<Integer> take(Fence fence, int most) throws Exception {
    return fixture.transactions.run(
        tx -> {
          laneSql.make(tx.connection(), fixture.number);
          return laneSql.take(tx.connection(), fence, fixture.number, most);
        });
  }

  private LaneMessage message(LaneClaim claim, long id) {
    return new LaneMessage(
        claim,
        id,
        null,
        new LaneMessage.Content("x", "t", "k", null, Map.of(), 0, false),
        new byte[0]);
  }

  @Test
  void lanes_areTakenByOneAndByOthersOnlyOnceItIsRetired() throws Exception {
    Fence first = register();
    assertThat(take(first, 20)).hasSize(20);
    Fence second = register();
    assertThat(take(second, 32)).hasSize(12);
    fixture.transactions.execute(tx -> relaySql.remove(tx.connection(), first.claimant()));
    assertThat(take(first, 32)).as("one that was retired takes nothing").isEmpty();
    Fence third = register();
    assertThat(take(third, 32)).hasSize(20);
  }

  private int published() {
    return fixture.count(
        "select count(*) from pgbelay.outbox_published where destination = ?", fixture.number);
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void acknowledgementOfARetiredRelay_deletesAndKeepsNothing(boolean keep) throws Exception {
    Fence first = register();
    assertThat(take(first, 32)).hasSize(32);
    long id = fixture.append("k", "1");
    LaneClaim claim = new LaneClaim(KeyPlace.lane("k"), first);
    AckSql sql = new AckSql("pgbelay");
    fixture.transactions.execute(tx -> relaySql.remove(tx.connection(), first.claimant()));
    AckSql.Acked stale =
        sql.acknowledge(
            fixture.transactions, OPTIONS, fixture.number, keep, List.of(message(claim, id)));
    assertThat(stale.alive()).isFalse();
    assertThat(fixture.messages()).isEqualTo(1);
    assertThat(published()).isZero();
    Fence second = register();
    assertThat(take(second, 32)).hasSize(32);
    AckSql.Acked acked =
        sql.acknowledge(
            fixture.transactions,
            OPTIONS,
            fixture.number,
            keep,
            List.of(message(new LaneClaim(KeyPlace.lane("k"), second), id)));
    assertThat(acked.alive()).isTrue();
    assertThat(acked.gone()).isEqualTo(1);
    AckSql.Acked again =
        sql.acknowledge(
            fixture.transactions,
            OPTIONS,
            fixture.number,
            keep,
            List.of(message(new LaneClaim(KeyPlace.lane("k"), second), id)));
    assertThat(again.gone()).as("a row that is gone is no error").isZero();
    assertThat(published()).isEqualTo(keep ? 1 : 0);
    assertThat(again.mine()).containsExactly(KeyPlace.lane("k"));
  }

  /** Of a lane that was given back and taken again, the number before is not enough. */
  @Test
  void acknowledgementUnderAnEarlierClaimOfTheSameRelay_deletesNothing() throws Exception {
    Claimant claimant = Claimant.random();
    fixture.transactions.execute(
        tx ->
            relaySql.register(
                tx.connection(),
                claimant.id(),
                "here",
                Duration.ofMinutes(1),
                new Short[] {fixture.number}));
    Fence before = claimant.next();
    assertThat(take(before, 32)).hasSize(32);
    fixture.transactions.execute(
        tx ->
            laneSql.release(
                tx.connection(), claimant.id(), fixture.number, List.of(KeyPlace.lane("k"))));
    assertThat(
            fixture.transactions.<List<Integer>, Exception>run(
                tx -> laneSql.take(tx.connection(), claimant.next(), fixture.number, 32)))
        .containsExactly(KeyPlace.lane("k"));
    long id = fixture.append("k", "1");
    LaneClaim old = new LaneClaim(KeyPlace.lane("k"), before);
    AckSql.Acked stale =
        new AckSql("pgbelay")
            .acknowledge(
                fixture.transactions, OPTIONS, fixture.number, false, List.of(message(old, id)));
    assertThat(stale.mine()).isEmpty();
    assertThat(fixture.messages()).isEqualTo(1);
  }

  @Test
  void fenceOfHolds_isFalseForARetiredRelay() throws Exception {
    Fence first = register();
    assertThat(take(first, 32)).hasSize(32);
    Set<LaneClaim> claims = Set.of(new LaneClaim(3, first), new LaneClaim(4, first));
    HoldSql sql = new HoldSql("pgbelay");
    assertThat(
            fixture.transactions.<Boolean, Exception>run(
                tx -> sql.fence(tx.connection(), fixture.number, claims)))
        .isTrue();
    fixture.transactions.execute(tx -> relaySql.remove(tx.connection(), first.claimant()));
    assertThat(
            fixture.transactions.<Boolean, Exception>run(
                tx -> sql.fence(tx.connection(), fixture.number, claims)))
        .isFalse();
  }
}
