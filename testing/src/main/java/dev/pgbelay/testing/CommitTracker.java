package dev.pgbelay.testing;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Knows for one session which message runs a COMMIT, and which answer of the server belongs to it.
 * Statements are prepared once and bound later by name, and several are sent before the first is
 * answered; hence the names kept here, and the queue of what is not answered yet.
 */
final class CommitTracker {
  /** What is to happen to one COMMIT. */
  enum Fate {
    PASS,
    CUT_BEFORE,
    CUT_AFTER
  }

  /** Asked once for each COMMIT, in the order in which the client sends them. */
  interface Judge {
    Fate next();
  }

  /**
   * The answers one message will get: one for each statement, and the end of a round trip or not.
   */
  private record Expected(List<Fate> answers, boolean endsRoundTrip) {}

  private final Judge judge;
  private final Set<String> commitStatements = new HashSet<>();
  private final Map<String, Boolean> portals = new HashMap<>();
  private final Deque<Expected> pending = new ArrayDeque<>();

  CommitTracker(Judge judge) {
    this.judge = judge;
  }

  /** Takes note of a message on its way to the server; true when it must not get there. */
  synchronized boolean cutBefore(WireMessages message) {
    switch (message.type()) {
      case 'P' -> {
        String name = message.nextString();
        if (TransactionText.isCommit(message.nextString())) {
          commitStatements.add(name);
        } else {
          commitStatements.remove(name);
        }
      }
      case 'B' -> {
        String portal = message.nextString();
        portals.put(portal, commitStatements.contains(message.nextString()));
      }
      case 'C' -> {
        char kind = message.nextByte();
        String name = message.nextString();
        if (kind == 'S') {
          commitStatements.remove(name);
        } else {
          portals.remove(name);
        }
      }
      case 'E' -> {
        boolean commit = portals.getOrDefault(message.nextString(), false);
        return expect(List.of(commit), false);
      }
      case 'Q' -> {
        String sql = message.nextString();
        return expect(TransactionText.commits(sql), true);
      }
      case 'S', 'F' -> {
        return expect(List.of(), true);
      }
      default -> {
        return false;
      }
    }
    return false;
  }

  private boolean expect(List<Boolean> commits, boolean endsRoundTrip) {
    List<Fate> fates = new ArrayList<>(commits.size());
    for (boolean commit : commits) {
      fates.add(commit ? judge.next() : Fate.PASS);
    }
    if (fates.contains(Fate.CUT_BEFORE)) {
      return true;
    }
    pending.add(new Expected(fates, endsRoundTrip));
    return false;
  }

  /**
   * Takes note of an answer on its way to the client; true when it and all that follows must not
   * get there, because it answers a COMMIT that is to be cut after the server has seen it, or is an
   * error that keeps the server from running it.
   */
  synchronized boolean cutAfter(WireMessages message) {
    return switch (message.type()) {
      case 'C', 'I', 's' -> {
        Expected first = pending.peek();
        if (first == null || first.answers().isEmpty()) {
          yield false;
        }
        Fate fate = first.answers().get(0);
        if (first.answers().size() > 1 || first.endsRoundTrip()) {
          pending.poll();
          List<Fate> rest = first.answers().subList(1, first.answers().size());
          pending.addFirst(new Expected(List.copyOf(rest), first.endsRoundTrip()));
        } else {
          pending.poll();
        }
        yield fate == Fate.CUT_AFTER;
      }
      case 'E' -> {
        boolean cut = false;
        for (Expected expected : pending) {
          cut |= expected.answers().contains(Fate.CUT_AFTER);
          if (expected.endsRoundTrip()) {
            break;
          }
        }
        yield cut;
      }
      case 'Z' -> {
        Expected ended;
        do {
          ended = pending.poll();
        } while (ended != null && !ended.endsRoundTrip());
        yield false;
      }
      default -> false;
    };
  }
}
