package dev.pgbelay.reconcile.health;

import java.time.Duration;
import java.util.Optional;

/**
 * One declaration at one moment, by the database's clock. Immutable and safe for several threads.
 *
 * @param declaration its name
 * @param sinceSuccess since the last whole run ended, of either mode and of whatever version of the
 *     declarations; empty without one
 * @param sinceFullScan since the last whole run began that looked at every row; empty without one
 * @param sinceFirstRun since the first run began that is kept, whole or not; empty without one
 * @param lastDuration of the last whole run, the pauses between the calls that took part in it
 *     among it
 * @param lastRowsChecked by the last whole run; 0 without one
 * @param lastIncomplete why the run is incomplete that ended last, if it is
 * @param confirmed findings that are open, counted up to the monitor's limit
 * @param oldestConfirmed since the first of these was seen first; empty without one
 * @param candidates that are neither confirmed nor gone, counted up to that limit
 */
public record DeclarationFigures(
    String declaration,
    Optional<Duration> sinceSuccess,
    Optional<Duration> sinceFullScan,
    Optional<Duration> sinceFirstRun,
    Optional<Duration> lastDuration,
    long lastRowsChecked,
    Optional<String> lastIncomplete,
    int confirmed,
    Optional<Duration> oldestConfirmed,
    int candidates) {}
