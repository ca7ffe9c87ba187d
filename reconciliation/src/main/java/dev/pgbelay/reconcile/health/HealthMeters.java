package dev.pgbelay.reconcile.health;

import dev.pgbelay.core.internal.HealthLevel;
import dev.pgbelay.reconcile.Declaration;
import dev.pgbelay.reconcile.Declarations;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.TimeGauge;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;

/** What a monitor shows. The only class of this package that needs Micrometer. */
final class HealthMeters {
  private static final String PREFIX = "pgbelay.reconcile.";

  private final MeterRegistry registry;
  private final ReconcileMonitor monitor;
  private final List<Gauge> gauges = new CopyOnWriteArrayList<>();

  HealthMeters(
      MeterRegistry registry, ReconcileMonitor monitor, String name, Declarations declarations) {
    this.registry = registry;
    this.monitor = monitor;
    Tags own = Tags.of("monitor", name);
    gauge("health", "0 up, 1 degraded, 2 down", own, is -> HealthLevel.of(is.health()));
    gauge(
        "deletes.undeclared",
        "Captured deletes of references that are not declared",
        own,
        is ->
            is.lastSnapshot().map(ReconcileSnapshot::undeclared).orElse(List.of()).stream()
                .mapToInt(one -> one.waiting() + one.held())
                .sum());
    declarations.all().forEach(each -> watch(own, each));
    declarations.references().forEach(each -> watchDeletes(own, each.name()));
  }

  private void watch(Tags own, Declaration declaration) {
    String name = declaration.name();
    Tags tags = own.and("declaration", name);
    String findings = "What is wrong and not closed";
    count(
        name, "findings", findings, tags.and("state", "confirmed"), DeclarationFigures::confirmed);
    count(
        name, "findings", findings, tags.and("state", "candidate"), DeclarationFigures::candidates);
    count(
        name,
        "last.rows",
        "Rows that the last whole run has checked",
        tags,
        DeclarationFigures::lastRowsChecked);
    age(
        "last.duration",
        "Of the last whole run, from its begin to its end",
        tags,
        of(name, DeclarationFigures::lastDuration));
    age(
        "findings.age",
        "Since the oldest open finding was first seen; NaN without one",
        tags,
        of(name, DeclarationFigures::oldestConfirmed));
    age(
        "success.age",
        "Since the last whole run ended; NaN without one",
        tags,
        of(name, DeclarationFigures::sinceSuccess));
    age(
        "full.age",
        "Since the last whole run began that looked at every row; NaN without one",
        tags,
        of(name, DeclarationFigures::sinceFullScan));
  }

  private void watchDeletes(Tags own, String reference) {
    Tags waiting = own.and("reference", reference, "state", "waiting");
    Tags held = own.and("reference", reference, "state", "held");
    String open = "Captured deletes that are not done";
    gauge(
        "deletes",
        open,
        waiting,
        is -> deletes(is, reference).map(DeleteFigures::waiting).orElse(0));
    gauge("deletes", open, held, is -> deletes(is, reference).map(DeleteFigures::held).orElse(0));
    String oldest = "Since the oldest of them was captured; NaN without one";
    age(
        "deletes.age",
        oldest,
        waiting,
        is -> deletes(is, reference).flatMap(DeleteFigures::oldestWaiting));
    age(
        "deletes.age",
        oldest,
        held,
        is -> deletes(is, reference).flatMap(DeleteFigures::oldestHeld));
  }

  private void count(
      String declaration,
      String name,
      String description,
      Tags tags,
      ToDoubleFunction<DeclarationFigures> value) {
    gauge(
        name,
        description,
        tags,
        is -> figures(is, declaration).map(value::applyAsDouble).orElse(Double.NaN));
  }

  private void gauge(
      String name, String description, Tags tags, ToDoubleFunction<ReconcileMonitor> value) {
    gauges.add(
        Gauge.builder(PREFIX + name, monitor, value)
            .description(description)
            .tags(tags)
            .strongReference(true)
            .register(registry));
  }

  private static Function<ReconcileMonitor, Optional<Duration>> of(
      String declaration, Function<DeclarationFigures, Optional<Duration>> age) {
    return is -> figures(is, declaration).flatMap(age);
  }

  /** What never was has no age: 0 would look like just now. */
  private void age(
      String name,
      String description,
      Tags tags,
      Function<ReconcileMonitor, Optional<Duration>> age) {
    gauges.add(
        TimeGauge.builder(
                PREFIX + name,
                monitor,
                TimeUnit.SECONDS,
                is -> age.apply(is).map(time -> time.toMillis() / 1e3).orElse(Double.NaN))
            .description(description)
            .tags(tags)
            .strongReference(true)
            .register(registry));
  }

  /** The monitor has ended; what it saw last would be taken for what is. */
  void close() {
    gauges.forEach(registry::remove);
    gauges.clear();
  }

  private static Optional<DeclarationFigures> figures(ReconcileMonitor monitor, String name) {
    return monitor
        .lastSnapshot()
        .flatMap(
            seen ->
                seen.declarations().stream()
                    .filter(one -> one.declaration().equals(name))
                    .findFirst());
  }

  private static Optional<DeleteFigures> deletes(ReconcileMonitor monitor, String reference) {
    return monitor
        .lastSnapshot()
        .flatMap(
            seen ->
                seen.deletes().stream()
                    .filter(one -> one.reference().equals(reference))
                    .findFirst());
  }
}
