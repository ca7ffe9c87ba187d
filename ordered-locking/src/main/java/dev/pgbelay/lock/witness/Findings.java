package dev.pgbelay.lock.witness;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What a witness found: each told once, the benign ones only counted. Safe for several threads. */
final class Findings {
  private static final Logger LOG = LoggerFactory.getLogger(LockWitness.class);
  private static final int MAX_FINDINGS = 200;

  private final Map<Set<String>, String> benign;
  private final WitnessEvents events;
  private final List<LockFinding> told = new ArrayList<>();
  private final Set<Object> reported = ConcurrentHashMap.newKeySet();

  Findings(Map<Set<String>, String> benign, WitnessEvents events) {
    this.benign = benign;
    this.events = events;
  }

  /** Oldest first. */
  List<LockFinding> all() {
    synchronized (told) {
      return List.copyOf(told);
    }
  }

  void found(LockFinding finding) {
    String reason = benign.get(Set.copyOf(finding.classes()));
    if (reason == null && finding.kind() == LockFinding.Kind.CIRCLE) {
      List<String> classes = finding.classes();
      for (int i = 0; i < classes.size() && reason == null; i++) {
        reason = benign.get(Set.of(classes.get(i), classes.get((i + 1) % classes.size())));
      }
    }
    if (reason != null) {
      events.benign(finding);
      return;
    }
    events.found(finding);
    if (isPartlyTold(finding)
        || reported.size() >= MAX_FINDINGS
        || !reported.add(identity(finding))) {
      return;
    }
    LOG.warn("{}", finding);
    synchronized (told) {
      told.add(finding);
    }
  }

  /** A circle through two classes that are told to be inverted says nothing new. */
  private boolean isPartlyTold(LockFinding finding) {
    if (finding.kind() != LockFinding.Kind.CIRCLE) {
      return false;
    }
    for (String first : finding.classes()) {
      for (String second : finding.classes()) {
        if (!first.equals(second)
            && reported.contains(List.of(LockFinding.Kind.ORDER, Set.of(first, second)))) {
          return true;
        }
      }
    }
    return false;
  }

  /** Between classes one report is enough; within one, each pair of statements has its own. */
  private static Object identity(LockFinding finding) {
    Set<String> classes = Set.copyOf(finding.classes());
    return classes.size() > 1
        ? List.of(finding.kind(), classes)
        : List.of(
            finding.kind(),
            classes,
            finding.paths().get(0).held().statement(),
            finding.paths().get(0).wanted().statement());
  }
}
