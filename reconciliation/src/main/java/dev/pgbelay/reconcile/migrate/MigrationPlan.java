package dev.pgbelay.reconcile.migrate;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.migrate.KeyState.Leaf;
import dev.pgbelay.reconcile.migrate.MigrationStep.Name;
import dev.pgbelay.reconcile.migrate.MigrationStep.State;
import dev.pgbelay.reconcile.propagate.DeleteCapture;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/** The steps as the catalog stands. */
final class MigrationPlan {
  private static final String NONE = "none that anybody waits for";

  private static final TxOptions READ =
      TxOptions.builder()
          .path("reconcile-migration")
          .readOnly(true)
          .deadline(Duration.ofSeconds(30))
          .build();

  private final Transactions transactions;
  private final Reference reference;
  private final DeleteCapture capture;
  private final String keyName;

  MigrationPlan(Transactions transactions, Reference reference, String schema, String keyName) {
    this.transactions = transactions;
    this.reference = reference;
    this.capture =
        DeleteCapture.inSchema(transactions, Declarations.of("migration", reference), schema);
    this.keyName = keyName;
  }

  private KeySql look() {
    return transactions.run(READ, tx -> new KeySql(tx.dsl(), reference));
  }

  List<String> differences() {
    KeyState state = look().state();
    List<String> ofKeys =
        Stream.concat(
                state.keys().stream(),
                state.leaves().stream().flatMap(leaf -> leaf.keys().stream()))
            .flatMap(each -> each.differences().stream())
            .toList();
    return Stream.concat(ofKeys.stream(), KeySql.beyondKeys(reference).stream())
        .distinct()
        .toList();
  }

  List<MigrationStep> toApplication(boolean guarded, Set<Name> done) {
    KeySql sql = look();
    KeyState state = sql.state();
    boolean gone = state.isWithoutKeys();
    List<String> drops = drops(sql, state);
    String install = String.join(";\n", capture.ddl());
    String locksOfBoth =
        "ACCESS EXCLUSIVE on %s and %s for a moment: readers and writers of both wait"
            .formatted(sql.parent(), sql.child());
    return List.of(
        new MigrationStep(
            Name.GUARD_INSERTS,
            guarded ? State.DONE : State.BY_HAND,
            List.of(),
            NONE,
            "measure a ShadowGuard in every writer of %s beside the key, then enforce the guard"
                .formatted(sql.child())),
        new MigrationStep(
            Name.CAPTURE_DELETES,
            state(capture.state() == DeleteCapture.State.INSTALLED),
            List.of(install),
            "SHARE ROW EXCLUSIVE on %s: its writers wait for a moment".formatted(sql.parent()),
            "triggers on %s see its rows go; start the propagation".formatted(sql.parent())),
        new MigrationStep(
            Name.CHECK,
            state(done.contains(Name.CHECK) || gone),
            List.of(),
            NONE,
            "the checker looks at every row while the key is there; it must end CLEAN"),
        new MigrationStep(
            Name.DROP_KEY,
            state(gone),
            drops.isEmpty()
                ? List.of()
                : List.of(sql.lockBoth() + ";\n" + install + ";\n" + String.join(";\n", drops)),
            locksOfBoth,
            "the key goes in the transaction that makes sure of the triggers"));
  }

  /** With a key of the whole table go those that partitions have from it. */
  private static List<String> drops(KeySql sql, KeyState state) {
    if (!state.keys().isEmpty()) {
      return state.keys().stream().map(each -> sql.drop(sql.child(), each.name())).toList();
    }
    return state.leaves().stream()
        .flatMap(leaf -> leaf.keys().stream().map(each -> sql.drop(leaf.table(), each.name())))
        .toList();
  }

  List<MigrationStep> toForeignKey(Set<Name> done) {
    KeySql sql = look();
    KeyState state = sql.state();
    boolean byPartition = state.byPartition() && !state.hasKey();
    List<String> adds = new ArrayList<>();
    List<String> validations = new ArrayList<>();
    if (byPartition) {
      for (Leaf leaf : state.leaves()) {
        if (!leaf.has()) {
          adds.add(sql.add(leaf.table(), keyName, true));
        } else if (!leaf.isValid()) {
          validations.add(sql.validate(leaf.table(), nameOf(leaf.keys())));
        }
      }
    } else if (!state.hasKey()) {
      adds.add(sql.add(sql.child(), state.idle(), keyName, true));
    } else if (!state.isValid()) {
      validations.add(sql.validate(sql.child(), nameOf(state.enforced())));
    }
    boolean added = adds.isEmpty();
    boolean valid = added && validations.isEmpty();
    List<MigrationStep> steps = new ArrayList<>();
    steps.add(
        new MigrationStep(
            Name.ADD_KEY,
            state(added),
            adds,
            (state.idle().isEmpty() || state.hasKey()
                    ? "SHARE ROW EXCLUSIVE on %s and %s: writers of both wait for a moment, nothing is scanned"
                    : "ACCESS EXCLUSIVE on %s and %s, since a key that is NOT ENFORCED goes: readers and writers of both wait for a moment, nothing is scanned")
                .formatted(sql.child(), sql.parent()),
            byPartition
                ? "PostgreSQL before 18 refuses NOT VALID on the partitioned %s, so each partition gets a key of its own"
                    .formatted(sql.child())
                : "the key holds for what is written from now on; the guard may go when all is done"));
    steps.add(
        new MigrationStep(
            Name.REPAIR,
            state(valid || done.contains(Name.REPAIR)),
            List.of(),
            NONE,
            "the checker looks at every row, and orphans are repaired by the policy that was given"));
    steps.add(
        new MigrationStep(
            Name.VALIDATE_KEY,
            state(valid),
            validations.isEmpty() && !valid
                ? List.of(sql.validate(sql.child(), keyName))
                : validations,
            "SHARE UPDATE EXCLUSIVE on %s, ROW SHARE on %s while it scans: nobody waits but VACUUM and DDL"
                .formatted(sql.child(), sql.parent()),
            "the key is valid for every row"));
    if (state.byPartition()) {
      steps.add(
          new MigrationStep(
              Name.ADD_KEY_OF_ALL,
              state(state.hasKey()),
              List.of(sql.add(sql.child(), keyName, false)),
              "SHARE ROW EXCLUSIVE on %s, its partitions and %s: writers wait for a moment; valid keys of partitions are taken over, not scanned again"
                  .formatted(sql.child(), sql.parent()),
              "one key of the whole table, also for partitions to come"));
    }
    steps.add(
        new MigrationStep(
            Name.STOP_CAPTURE,
            state(capture.state() == DeleteCapture.State.GONE),
            List.of(String.join(";\n", capture.uninstallDdl())),
            "ACCESS EXCLUSIVE on %s for a moment: its readers and writers wait"
                .formatted(sql.parent()),
            "the triggers go; the guard may go as well"));
    return steps;
  }

  private static String nameOf(List<KeyState.Key> keys) {
    return keys.get(0).name();
  }

  private static State state(boolean done) {
    return done ? State.DONE : State.TO_DO;
  }
}
