package dev.pgbelay.core.health;

import java.util.List;

/**
 * Whether somebody has to see to something, and why. Immutable and safe for several threads.
 *
 * @param status the worst of the reasons'
 * @param reasons for people, the worst first; none if it is up
 */
public record Health(Status status, List<Reason> reasons) {
  /** From well to bad. */
  public enum Status {
    /** What should happen happens. */
    UP,
    /** It does, but something needs to be looked at. */
    DEGRADED,
    /** Something that should happen does not happen. */
    DOWN
  }

  /**
   * One reason.
   *
   * @param status what it makes of the whole
   * @param text what is wrong, with names and figures, without payloads
   */
  public record Reason(Status status, String text) {}

  public Health {
    reasons = List.copyOf(reasons);
  }

  /** The worst of the reasons decides; up if there is none. */
  public static Health of(List<Reason> reasons) {
    List<Reason> worstFirst =
        reasons.stream().sorted((a, b) -> b.status().compareTo(a.status())).toList();
    return new Health(worstFirst.isEmpty() ? Status.UP : worstFirst.get(0).status(), worstFirst);
  }
}
