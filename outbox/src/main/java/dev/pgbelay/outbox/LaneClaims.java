package dev.pgbelay.outbox;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Lanes that this relay has of one destination. Guarded by the window's lock. */
final class LaneClaims {
  private final Map<Integer, LaneClaim> lanes = new TreeMap<>();

  /** May be read without the lock. */
  private volatile List<LaneClaim> open = List.of();

  void add(Collection<LaneClaim> claims) {
    claims.forEach(claim -> lanes.put(claim.lane, claim));
    changed();
  }

  List<Integer> numbers() {
    return List.copyOf(lanes.keySet());
  }

  int size() {
    return lanes.size();
  }

  private void changed() {
    open = lanes.values().stream().filter(claim -> !claim.draining).toList();
  }

  /** Those that are not about to be released, as of now; without the lock. */
  List<LaneClaim> open() {
    return open;
  }

  boolean isOpen(LaneClaim claim) {
    return lanes.get(claim.lane) == claim && !claim.draining;
  }

  /** How many messages of them are in this process. */
  int here() {
    return lanes.values().stream().mapToInt(claim -> claim.here).sum();
  }

  /** So many more are to be released; which. */
  List<LaneClaim> drain(int count) {
    List<LaneClaim> chosen = new ArrayList<>();
    for (LaneClaim claim : lanes.values()) {
      if (chosen.size() < count && !claim.draining) {
        claim.draining = true;
        chosen.add(claim);
      }
    }
    changed();
    return chosen;
  }

  /** All are to be released. */
  Collection<LaneClaim> drainAll() {
    lanes.values().forEach(claim -> claim.draining = true);
    changed();
    return List.copyOf(lanes.values());
  }

  /** Those to be released of which nothing is here any more. */
  List<LaneClaim> drained() {
    return lanes.values().stream().filter(claim -> claim.draining && claim.here == 0).toList();
  }

  /** They are released. */
  void remove(Collection<LaneClaim> claims) {
    for (LaneClaim claim : claims) {
      claim.lost = true;
      lanes.remove(claim.lane, claim);
    }
    changed();
  }

  /** Somebody else has them, or will. */
  void lose() {
    lanes.values().forEach(claim -> claim.lost = true);
    lanes.clear();
    changed();
  }
}
