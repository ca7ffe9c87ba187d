package dev.pgbelay.idempotency.reconciliation;

import java.time.Duration;
import java.time.Instant;
import java.util.Map;

/**
 * What was compared, and what came of it.
 *
 * <p>Immutable. A payment that finished while the comparison ran can be counted twice.
 *
 * @param window which payments and records it is about
 * @param whole whether the provider's list was read to its end, and no status query knew of
 *     something that was not in it
 * @param gap why it was not; empty if it was
 * @param pages of the provider that were read
 * @param records that were in them, one in two pages counted twice
 * @param payments that had something to compare, on one side at least
 * @param matched of them, those that agree
 * @param inFlight of them, those that are being worked on, that may still be asked for, that came
 *     to rest too late for the window, or that the provider has not decided
 * @param unjudged of them, those that one side does not have, where that says nothing: the
 *     provider's list was not whole, or its status query knew better; or its record is older than
 *     what was asked for, and its payment may be purged
 * @param unreadable of them, those whose request or results cannot be read, so that amounts were
 *     not compared
 * @param findings how many of each kind; kinds without one are left out
 */
public record ReconciliationReport(
    Window window,
    boolean whole,
    String gap,
    long pages,
    long records,
    long payments,
    long matched,
    long inFlight,
    long unjudged,
    long unreadable,
    Map<Finding.Kind, Long> findings) {

  /**
   * The window that was compared.
   *
   * @param from only of payments that began at this time or later is it said that something is
   *     missing there; by the database's clock
   * @param to only of payments that came to rest no later than this is it said that the provider
   *     should know; by the database's clock, the margin before the pull began
   * @param askedSince the provider was asked for records from here on, by its own clock: the margin
   *     before {@code from}
   * @param margin by which the clocks may differ, and the provider's list may lag
   */
  public record Window(Instant from, Instant to, Instant askedSince, Duration margin) {}

  /** Copies the map. */
  public ReconciliationReport {
    findings = Map.copyOf(findings);
  }

  /** How many findings of a kind. */
  public long count(Finding.Kind kind) {
    return findings.getOrDefault(kind, 0L);
  }

  /** Whether the list was whole, and there was no finding. */
  public boolean isClean() {
    return whole && findings.isEmpty();
  }
}
