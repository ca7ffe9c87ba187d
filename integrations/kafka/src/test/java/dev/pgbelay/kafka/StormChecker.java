package dev.pgbelay.kafka;

import dev.pgbelay.kafka.StormHistory.Committed;
import dev.pgbelay.kafka.StormHistory.Delivered;
import dev.pgbelay.kafka.StormHistory.Effect;
import dev.pgbelay.kafka.StormHistory.End;
import dev.pgbelay.kafka.StormHistory.Refused;
import dev.pgbelay.kafka.StormHistory.Relay;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/**
 * Judges a {@link StormHistory} without knowing how it came about. It uses nothing of the outbox:
 * neither its ids nor its tables, only what was committed, what arrived and what became of it.
 */
final class StormChecker {
  /** What can be wrong. */
  enum Rule {
    /** Committed, and not at the broker. */
    LOST,
    /** At the broker although it was rolled back. */
    ROLLED_BACK,
    /** At the broker, or with an effect, and nobody has committed it. */
    INVENTED,
    /** Of one key, first deliveries are not in the order of the commits. */
    ORDER,
    /** A key in two partitions, or a message under another key than it was committed with. */
    MISPLACED,
    /** At the broker twice, and nothing had happened to whoever sent it. */
    REPEATED_WITHOUT_CAUSE,
    /** Committed, and without an effect. */
    EFFECT_LOST,
    /** More than one effect. */
    EFFECT_TWICE,
    /** Of one key, effects are not in the order of the commits. */
    EFFECT_ORDER,
    /** Something is left in a table of the outbox. */
    LEFT,
    /** The history contradicts itself: versions counted under a lock are not in order. */
    HISTORY
  }

  /** What is wrong, and where. */
  record Finding(Rule rule, String what) {}

  private final StormHistory history;
  private final List<Finding> findings = new ArrayList<>();
  private final Map<String, List<Delivered>> byId = new LinkedHashMap<>();
  private final Map<String, End> ends = new HashMap<>();
  private final Map<Refused, Integer> refusals = new HashMap<>();
  private final Map<String, Integer> causes = new TreeMap<>();

  private StormChecker(StormHistory history) {
    this.history = history;
    history.records().stream()
        .sorted(Comparator.comparing(Delivered::partition).thenComparing(Delivered::offset))
        .forEach(one -> byId.computeIfAbsent(one.id(), id -> new ArrayList<>()).add(one));
    history.relays().forEach(one -> ends.put(one.claimant(), one.end()));
    history.refusals().forEach(one -> refusals.merge(one, 1, Integer::sum));
  }

  /**
   * What was found.
   *
   * @param findings empty if all is well
   * @param causes of repeats: how many had which
   */
  record Verdict(List<Finding> findings, Map<String, Integer> causes) {
    Set<Rule> broken() {
      Set<Rule> rules = new HashSet<>();
      findings.forEach(one -> rules.add(one.rule()));
      return rules;
    }
  }

  static Verdict judge(StormHistory history) {
    StormChecker checker = new StormChecker(history);
    checker.checkVersions();
    checker.checkPresence();
    checker.checkOrder();
    checker.checkRepeats();
    checker.checkEffects();
    history
        .left()
        .forEach(
            (table, rows) -> {
              if (rows != 0) {
                checker.found(Rule.LEFT, rows + " rows in " + table);
              }
            });
    return new Verdict(List.copyOf(checker.findings), Map.copyOf(checker.causes));
  }

  private void found(Rule rule, String what) {
    findings.add(new Finding(rule, what));
  }

  /** The order of commits is what everything else is measured by: so it is checked itself. */
  private void checkVersions() {
    Map<String, Long> last = new HashMap<>();
    for (Committed one : history.commits()) {
      if (one.key().isPresent() && one.version().isPresent()) {
        long version = one.version().get();
        long before = last.getOrDefault(one.key().get(), 0L);
        if (version != before && version != before + 1) {
          found(Rule.HISTORY, one + " follows version " + before);
        }
        last.put(one.key().get(), version);
      }
    }
  }

  private void checkPresence() {
    Set<String> committed = new HashSet<>();
    Map<String, Integer> partitions = new HashMap<>();
    for (Committed one : history.commits()) {
      if (!committed.add(one.id())) {
        found(Rule.HISTORY, one + " is committed twice");
      }
      List<Delivered> arrived = byId.getOrDefault(one.id(), List.of());
      if (arrived.isEmpty()) {
        found(Rule.LOST, one.toString());
      }
      for (Delivered each : arrived) {
        boolean elsewhere =
            one.key().isPresent()
                && partitions.computeIfAbsent(one.key().get(), key -> each.partition())
                    != each.partition();
        if (elsewhere || !each.key().equals(one.key())) {
          found(Rule.MISPLACED, one + " is at " + each);
        }
      }
    }
    Set<String> rolledBack = new HashSet<>(history.rolledBack());
    for (String id : byId.keySet()) {
      if (rolledBack.contains(id)) {
        found(Rule.ROLLED_BACK, id);
      } else if (!committed.contains(id)) {
        found(Rule.INVENTED, id);
      }
    }
  }

  private Map<String, List<String>> committedByKey() {
    Map<String, List<String>> byKey = new LinkedHashMap<>();
    Set<String> known = new HashSet<>();
    for (Committed one : history.commits()) {
      if (known.add(one.id())) {
        one.key().ifPresent(key -> add(byKey, key, one.id()));
      }
    }
    return byKey;
  }

  private static void add(Map<String, List<String>> byKey, String key, String id) {
    byKey.computeIfAbsent(key, first -> new ArrayList<>()).add(id);
  }

  private void checkOrder() {
    Map<String, List<String>> firsts = new HashMap<>();
    byId.forEach((id, records) -> records.get(0).key().ifPresent(key -> add(firsts, key, id)));
    compare(Rule.ORDER, committedByKey(), firsts);
  }

  /** What is missing or too much is found elsewhere: here both are reduced to what they share. */
  private void compare(
      Rule rule, Map<String, List<String>> expected, Map<String, List<String>> seen) {
    expected.forEach(
        (key, ids) -> {
          List<String> found = new ArrayList<>(seen.getOrDefault(key, List.of()));
          List<String> wanted = new ArrayList<>(ids);
          found.retainAll(new HashSet<>(wanted));
          wanted.retainAll(new HashSet<>(found));
          for (int i = 0; i < wanted.size(); i++) {
            if (!wanted.get(i).equals(found.get(i))) {
              found(
                  rule,
                  "key " + key + ", place " + i + ": " + found.get(i) + " before " + wanted.get(i));
              return;
            }
          }
        });
  }

  private void checkRepeats() {
    for (List<Delivered> records : byId.values()) {
      Map<String, Integer> refusalsUsed = new HashMap<>();
      for (int i = 1; i < records.size(); i++) {
        Delivered before = records.get(i - 1);
        Delivered repeat = records.get(i);
        Optional<String> cause = cause(before, repeat, refusalsUsed);
        if (cause.isEmpty()) {
          found(Rule.REPEATED_WITHOUT_CAUSE, repeat + " after " + before);
        } else {
          causes.merge(cause.get(), 1, Integer::sum);
        }
      }
    }
  }

  private Optional<String> cause(
      Delivered before, Delivered repeat, Map<String, Integer> refusalsUsed) {
    if (!before.claim().equals(repeat.claim())) {
      // Whoever was given up can also be the later one: what it had sent arrived late.
      for (Delivered one : List.of(before, repeat)) {
        End end = ends.get(one.claimant());
        if (end == End.EXPIRED || end == End.RENEWED) {
          return Optional.of("relay given up (" + end + ")");
        }
      }
    }
    for (Delivered one : List.of(before, repeat)) {
      int refused = refusals.getOrDefault(new Refused(one.id(), one.claim()), 0);
      int used = refusalsUsed.getOrDefault(one.claim(), 0);
      if (used < refused) {
        refusalsUsed.put(one.claim(), used + 1);
        return Optional.of("no answer from the broker");
      }
    }
    return Optional.empty();
  }

  private void checkEffects() {
    Map<String, Integer> counts = new HashMap<>();
    Map<String, List<String>> byKey = new HashMap<>();
    for (Effect one : history.effects()) {
      if (counts.merge(one.id(), 1, Integer::sum) == 1) {
        one.key().ifPresent(key -> add(byKey, key, one.id()));
      } else {
        found(Rule.EFFECT_TWICE, one.toString());
      }
    }
    Set<String> invented = new HashSet<>(counts.keySet());
    for (Committed one : history.commits()) {
      if (!counts.containsKey(one.id())) {
        found(Rule.EFFECT_LOST, one.toString());
      }
      invented.remove(one.id());
    }
    invented.forEach(id -> found(Rule.INVENTED, "effect of " + id));
    compare(Rule.EFFECT_ORDER, committedByKey(), byKey);
  }

  /** The nodes whose identities ended so. */
  static List<String> nodes(StormHistory history, End end) {
    return history.relays().stream().filter(one -> one.end() == end).map(Relay::node).toList();
  }
}
