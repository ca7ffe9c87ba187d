package dev.pgbelay.batch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;

import dev.pgbelay.batch.BatchResult.Outcome;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.testing.PostgresExtension;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Random calls of random writers against what a map would do, row by row. */
class BatchModelTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withPoolSize(2);

  private static final int CASES =
      "full".equals(System.getProperty("pgbelay.scale")) ? 20_000 : 2_000;
  private static final Table<?> T = DSL.table(name("public", "t"));
  private static final Field<Integer> K = field(name("k"), SQLDataType.INTEGER);
  private static final Field<String> A = field(name("a"), SQLDataType.CLOB);
  private static final Field<Integer> B = field(name("b"), SQLDataType.INTEGER);

  /** {@code b} below zero violates a check. */
  record Row(int k, @Nullable String a, int b) {}

  private record Case(
      WritePlan.Operation operation,
      WritePlan.@Nullable Path path,
      boolean partial,
      boolean ignore,
      boolean onlyIfChanged,
      boolean unordered,
      int duplicates,
      List<Row> rows) {}

  private static Case random(Random random) {
    WritePlan.Operation operation = List.of(WritePlan.Operation.values()).get(random.nextInt(4));
    WritePlan.Path path =
        switch (random.nextInt(operation == WritePlan.Operation.INSERT ? 3 : 4)) {
          case 0 -> WritePlan.Path.UNNEST;
          case 1 ->
              operation == WritePlan.Operation.INSERT ? WritePlan.Path.COPY : WritePlan.Path.STAGED;
          default -> null;
        };
    List<Row> rows = new ArrayList<>();
    int size = random.nextInt(12) + (random.nextInt(10) == 0 ? 30 : 0);
    for (int i = 0; i < size; i++) {
      rows.add(
          new Row(
              random.nextInt(20),
              random.nextInt(4) == 0 ? null : "a" + random.nextInt(2),
              random.nextInt(12) == 0 ? -1 : random.nextInt(2)));
    }
    boolean ignore = random.nextInt(5) == 0;
    return new Case(
        operation,
        path,
        random.nextBoolean(),
        ignore,
        !ignore && random.nextInt(3) == 0,
        random.nextBoolean(),
        random.nextInt(4),
        rows);
  }

  private static BatchWriter<Row> writer(Case of) {
    BatchWriter.Builder<Row> builder =
        BatchWriter.into(T, Row.class).column(K, Row::k).column(A, Row::a).column(B, Row::b);
    builder.duplicates(
        switch (of.duplicates()) {
          case 0 -> Duplicates.fail();
          case 1 -> Duplicates.first();
          case 2 -> Duplicates.last();
          default -> Duplicates.last().fold(B, (earlier, later) -> earlier.plus(later));
        });
    if (of.path() != null) {
      builder.path(of.path());
    }
    if (of.partial()) {
      builder.partial();
    }
    if (of.ignore()) {
      builder.ignoreConflicts();
    }
    if (of.onlyIfChanged()) {
      builder.onlyIfChanged();
    }
    if (of.unordered()) {
      builder.unordered();
    }
    return builder.build();
  }

  /** The expected outcomes, or null if the call must be refused; changes the table if not. */
  private static Outcome @Nullable [] model(Map<Integer, Row> table, Case of) {
    Map<Integer, Row> after = new TreeMap<>(table);
    int size = of.rows().size();
    Outcome[] outcomes = new Outcome[size];
    boolean failed = false;
    if (of.operation() == WritePlan.Operation.INSERT) {
      for (int i = 0; i < size; i++) {
        Row row = of.rows().get(i);
        if (row.b() < 0 || after.containsKey(row.k())) {
          outcomes[i] = Outcome.REJECTED;
          failed = true;
        } else {
          after.put(row.k(), row);
          outcomes[i] = Outcome.INSERTED;
        }
      }
      return settle(table, after, outcomes, failed && !of.partial());
    }
    Map<Integer, List<Integer>> groups = new LinkedHashMap<>();
    for (int i = 0; i < size; i++) {
      groups.computeIfAbsent(of.rows().get(i).k(), key -> new ArrayList<>()).add(i);
    }
    for (List<Integer> group : groups.values()) {
      failed |= write(after, of, group, outcomes);
    }
    return settle(table, after, outcomes, failed && !of.partial());
  }

  /** A check is made of what is to be inserted, even if it turns out to be an update. */
  private static boolean isRefused(Map<Integer, Row> table, Case of, Row row) {
    return switch (of.operation()) {
      case DELETE -> false;
      case UPDATE -> row.b() < 0 && table.containsKey(row.k());
      default -> row.b() < 0;
    };
  }

  private static int kept(Case of, List<Integer> group) {
    return of.duplicates() == 2 ? group.get(group.size() - 1) : group.get(0);
  }

  /** What the rows of one key come to. */
  private static Row made(Case of, List<Integer> group) {
    Row row = of.rows().get(kept(of, group));
    if (of.duplicates() != 3) {
      return row;
    }
    Row last = of.rows().get(group.get(group.size() - 1));
    return new Row(row.k(), last.a(), group.stream().mapToInt(i -> of.rows().get(i).b()).sum());
  }

  /** Of a fold that is refused: the row with which it begins to be. Else the row itself. */
  private static int toBlame(Map<Integer, Row> table, Case of, List<Integer> group) {
    if (of.duplicates() != 3) {
      return kept(of, group);
    }
    int fits = 0;
    int fails = group.size();
    while (fails - fits > 1) {
      int middle = (fits + fails) / 2;
      if (isRefused(table, of, made(of, group.subList(0, middle)))) {
        fails = middle;
      } else {
        fits = middle;
      }
    }
    return group.get(fits);
  }

  private static boolean write(
      Map<Integer, Row> table, Case of, List<Integer> given, Outcome[] outcomes) {
    boolean failed = false;
    List<Integer> group = new ArrayList<>(given);
    while (!group.isEmpty() && isRefused(table, of, made(of, group))) {
      Integer bad = toBlame(table, of, group);
      outcomes[bad] = Outcome.REJECTED;
      group.remove(bad);
      failed = true;
    }
    if (group.isEmpty()) {
      return failed;
    }
    int kept = kept(of, group);
    for (int i : group) {
      if (i != kept) {
        outcomes[i] = of.duplicates() == 0 ? Outcome.REJECTED : Outcome.DUPLICATE;
        failed |= of.duplicates() == 0;
      }
    }
    Row row = made(of, group);
    Row stored = table.get(row.k());
    if (of.operation() == WritePlan.Operation.DELETE) {
      outcomes[kept] = table.remove(row.k()) == null ? Outcome.SKIPPED : Outcome.DELETED;
    } else if (stored == null) {
      boolean inserts = of.operation() == WritePlan.Operation.UPSERT;
      outcomes[kept] = inserts ? Outcome.INSERTED : Outcome.SKIPPED;
      if (inserts) {
        table.put(row.k(), row);
      }
    } else if (of.ignore() && of.operation() == WritePlan.Operation.UPSERT) {
      outcomes[kept] = Outcome.SKIPPED;
    } else if (of.onlyIfChanged() && stored.equals(row)) {
      outcomes[kept] = Outcome.UNCHANGED;
    } else {
      table.put(row.k(), row);
      outcomes[kept] = Outcome.UPDATED;
    }
    return failed;
  }

  private static Outcome @Nullable [] settle(
      Map<Integer, Row> table, Map<Integer, Row> after, Outcome[] outcomes, boolean refused) {
    if (refused) {
      return null;
    }
    table.clear();
    table.putAll(after);
    return outcomes;
  }

  @Test
  void randomCalls_doWhatAMapWouldDo() {
    long seed = Long.getLong("pgbelay.seed", System.nanoTime());
    System.out.println("pgbelay.seed=" + seed);
    Random random = new Random(seed);
    Transactions transactions = Transactions.of(postgres.dataSource());
    transactions.execute(
        tx -> tx.dsl().execute("create table t (k int primary key, a text, b int check (b >= 0))"));
    Map<Integer, Row> table = new TreeMap<>();
    Set<Outcome> seen = new LinkedHashSet<>();
    int refusals = 0;
    for (int i = 0; i < CASES; i++) {
      Case of = random(random);
      BatchWriter<Row> writer = writer(of);
      Outcome @Nullable [] expected = model(table, of);
      List<Outcome> actual =
          transactions.run(
              tx -> {
                List<Outcome> told;
                try {
                  told = outcomes(call(writer, of, tx));
                } catch (BatchException e) {
                  told = List.of();
                  assertThat(e.rejection()).as("%s of %s", e.getMessage(), of).isPresent();
                }
                assertThat(stored(tx.dsl())).as("case %s", of).isEqualTo(table);
                return told;
              });
      if (expected == null) {
        refusals++;
        assertThat(actual).as("case %s", of).isEmpty();
      } else {
        assertThat(actual).as("case %s", of).isEqualTo(Arrays.asList(expected));
        seen.addAll(actual);
      }
    }
    assertThat(seen).containsExactlyInAnyOrder(Outcome.values());
    assertThat(refusals).isPositive();
  }

  private static BatchResult call(BatchWriter<Row> writer, Case of, dev.pgbelay.core.Tx tx) {
    return switch (of.operation()) {
      case INSERT -> writer.insert(tx, of.rows());
      case UPSERT -> writer.upsert(tx, of.rows());
      case UPDATE -> writer.update(tx, of.rows());
      case DELETE -> writer.delete(tx, of.rows());
    };
  }

  private static List<Outcome> outcomes(BatchResult result) {
    return IntStream.range(0, result.size()).mapToObj(result::outcome).toList();
  }

  private static Map<Integer, Row> stored(DSLContext dsl) {
    Map<Integer, Row> stored = new TreeMap<>();
    dsl.fetch("select k, a, b from t")
        .forEach(
            row ->
                stored.put(
                    row.get(0, Integer.class),
                    new Row(
                        row.get(0, Integer.class),
                        row.get(1, String.class),
                        row.get(2, Integer.class))));
    return stored;
  }
}
