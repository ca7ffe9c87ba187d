package dev.pgbelay.outbox;

/** A relay that writes its results although it was given up: what the fence is for. */
public final class UnfencedRelay {
  private static final String NO_FENCE =
      """
      WITH me AS MATERIALIZED (SELECT CAST(? AS uuid) AS claimant),
      mine AS MATERIALIZED (
        SELECT g.lane
          FROM unnest(CAST(? AS smallint[]), CAST(? AS bigint[])) AS g (lane, claim_number)
         WHERE CAST(? AS smallint) IS NOT NULL)\
      """;

  private UnfencedRelay() {}

  /** The same builder. */
  public static OutboxRelayBuilder unfenced(OutboxRelayBuilder builder) {
    return builder.statements(
        new AckSql("pgbelay", NO_FENCE),
        new HoldSql("pgbelay", NO_FENCE + "\nSELECT lane FROM mine"));
  }
}
