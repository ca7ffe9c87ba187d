package dev.pgbelay.idempotency.payment;

import dev.pgbelay.core.PgBelayException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The steps of an operation in their order, and what takes them back. Immutable.
 *
 * @param compensations by the name of the step that they take back
 */
record StepList<Q>(
    String operation,
    int version,
    List<Step<Q, ?>> steps,
    Map<String, Step.Provider<Q, ?>> compensations) {

  StepList {
    steps = List.copyOf(steps);
    compensations = Map.copyOf(new LinkedHashMap<>(compensations));
  }

  /** What comes next; null if the answer does. */
  @Nullable Step<Q, ?> after(Progress progress) {
    return progress.refusal() == null ? forward(progress) : back(progress);
  }

  private @Nullable Step<Q, ?> forward(Progress progress) {
    return steps.size() > progress.done().size() ? steps.get(progress.done().size()) : null;
  }

  private @Nullable Step<Q, ?> back(Progress progress) {
    for (int i = progress.done().size() - 1; i >= 0; i--) {
      Step.Provider<Q, ?> undo = compensations.get(progress.done().get(i));
      if (undo != null && !progress.done().contains(undo.name())) {
        return undo;
      }
    }
    return null;
  }

  /** The provider step of this name, compensations included. */
  Step.@Nullable Provider<Q, ?> provider(String name) {
    for (Step<Q, ?> step : steps) {
      if (step instanceof Step.Provider<Q, ?> provider && provider.name().equals(name)) {
        return provider;
      }
    }
    for (Step.Provider<Q, ?> undo : compensations.values()) {
      if (undo.name().equals(name)) {
        return undo;
      }
    }
    return null;
  }

  /**
   * The provider step of this very key: a key of another type or codec would store what the step
   * cannot read.
   */
  Step.Provider<Q, ?> requireProvider(StepKey<?> key) {
    Step.Provider<Q, ?> found = provider(key.name());
    if (found == null) {
      throw new PgBelayException(
          "operation \"" + operation + "\" has no provider step \"" + key + "\"");
    }
    if (!found.key().equals(key)) {
      throw new PgBelayException(
          "operation \""
              + operation
              + "\" has a step \""
              + key
              + "\" of another StepKey: keep the one that it was declared with, and give that");
    }
    return found;
  }

  boolean isCompensation(String name) {
    return compensations.values().stream().anyMatch(undo -> undo.name().equals(name));
  }

  /**
   * Why a payment cannot go on with these steps: what it has done must be how this list begins, and
   * whom it has asked must come next. Null if it can.
   */
  @Nullable String unfit(int writtenBy, Progress progress) {
    int at = 0;
    for (String name : progress.done()) {
      if (at < steps.size() && steps.get(at).name().equals(name)) {
        at++;
      } else if (progress.refusal() == null || !isCompensation(name)) {
        return unfit(writtenBy, progress, "\"" + name + "\" is not step " + (at + 1));
      }
    }
    String asked = progress.asked();
    if (asked != null) {
      Step<Q, ?> next = after(progress.askingNobody());
      if (next == null || !next.name().equals(asked)) {
        return unfit(writtenBy, progress, "\"" + asked + "\" was asked and does not come next");
      }
    }
    return null;
  }

  private String unfit(int writtenBy, Progress progress, String why) {
    return "steps changed: version "
        + writtenBy
        + " did "
        + progress.done()
        + ", and in version "
        + version
        + " "
        + why
        + "; deploy steps that begin the same, or decide by hand";
  }

  void check() {
    if (version < 1) {
      throw new PgBelayException("version must be 1 or more, is " + version);
    }
    Map<String, Boolean> names = new LinkedHashMap<>();
    steps.forEach(step -> declare(names, step.name()));
    compensations.values().forEach(step -> declare(names, step.name()));
    for (String of : compensations.keySet()) {
      if (steps.stream().noneMatch(step -> step.name().equals(of))) {
        throw new PgBelayException(
            "operation \"" + operation + "\" has no step \"" + of + "\" to compensate");
      }
    }
  }

  private void declare(Map<String, Boolean> names, String name) {
    if (names.put(name, true) != null) {
      throw new PgBelayException(
          "operation \"" + operation + "\" has two steps \"" + name + "\"; name them apart");
    }
  }
}
