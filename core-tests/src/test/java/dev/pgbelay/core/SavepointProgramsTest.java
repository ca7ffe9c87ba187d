package dev.pgbelay.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.TxOptions.Nesting;
import dev.pgbelay.testing.PostgresDatabase;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ThreadLocalRandom;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.exception.DataAccessException;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;

/** A savepoint block is committed or undone as a whole, whatever fails and is swallowed in it. */
@ExtendWith(PostgresExtension.class)
@Timeout(120)
class SavepointProgramsTest {
  private static final long SEED =
      Long.getLong("pgbelay.seed", ThreadLocalRandom.current().nextInt(1_000_000));
  private static final int PROGRAMS =
      "full".equals(System.getProperty("pgbelay.scale")) ? 10_000 : 1_500;
  private static final TxOptions JOIN =
      TxOptions.builder().path("inner").nesting(Nesting.JOIN).build();
  private static final TxOptions APART =
      TxOptions.builder().path("inner").nesting(Nesting.INDEPENDENT).build();

  private final DSLContext dsl;
  private final Transactions transactions;

  SavepointProgramsTest(PostgresDatabase database) {
    this.dsl = DSL.using(database.dataSource(), SQLDialect.POSTGRES);
    this.transactions = Transactions.of(database.dataSource());
  }

  @BeforeEach
  void makeTable() {
    dsl.execute("drop table if exists note");
    dsl.execute("create table note (id int primary key)");
  }

  private Set<Integer> notes() {
    return new TreeSet<>(dsl.fetch("select id from note").getValues(0, Integer.class));
  }

  private static void insert(DSLContext dsl, int id) {
    dsl.execute("insert into note values (?)", id);
  }

  private static void swallowFailedStatement(DSLContext dsl) {
    try {
      dsl.execute("select 1/0");
    } catch (DataAccessException swallowed) {
      assertThat(swallowed.sqlState()).isIn("22012", "25P02");
    }
  }

  @Test
  void blockThatSwallowedAFailedStatement_isUndoneAndTheTransactionGoesOn() {
    List<String> seen = new ArrayList<>();
    transactions.execute(
        tx -> {
          insert(tx.dsl(), 1);
          assertThatThrownBy(
                  () ->
                      tx.dsl()
                          .transaction(
                              block -> {
                                insert(block.dsl(), 2);
                                tx.afterCommit(commit -> seen.add("never"));
                                swallowFailedStatement(block.dsl());
                              }))
              .isInstanceOf(DataAccessException.class)
              .hasMessageContaining("could not be released");
          insert(tx.dsl(), 3);
        });
    assertThat(notes()).containsExactly(1, 3);
    assertThat(seen).isEmpty();
  }

  @Test
  void blockThatThrew_isUndoneAsAWholeThoughABlockInsideSwallowedAFailedStatement() {
    transactions.execute(
        tx -> {
          assertThatThrownBy(
                  () ->
                      tx.dsl()
                          .transaction(
                              outer -> {
                                insert(outer.dsl(), 10);
                                assertThatThrownBy(
                                        () ->
                                            outer
                                                .dsl()
                                                .transaction(
                                                    inner -> swallowFailedStatement(inner.dsl())))
                                    .isInstanceOf(DataAccessException.class);
                                insert(outer.dsl(), 11);
                                throw new IllegalStateException("10 and 11 must go");
                              }))
              .hasMessage("10 and 11 must go");
          insert(tx.dsl(), 3);
        });
    assertThat(notes()).containsExactly(3);
  }

  @Test
  void blockThatCannotBegin_leavesTheBlockAroundItAlone() {
    transactions.execute(
        tx -> {
          assertThatThrownBy(
                  () ->
                      tx.dsl()
                          .transaction(
                              outer -> {
                                insert(outer.dsl(), 10);
                                swallowFailedStatement(outer.dsl());
                                outer.dsl().transaction(inner -> insert(inner.dsl(), 11));
                              }))
              .hasMessageContaining("could not be set");
          insert(tx.dsl(), 3);
        });
    assertThat(notes()).containsExactly(3);
  }

  @Test
  void randomPrograms_commitWhatTheModelSays() {
    System.out.println("SavepointProgramsTest: -Dpgbelay.seed=" + SEED);
    for (int i = 0; i < PROGRAMS; i++) {
      Program program = new Program(new Random(SEED + i));
      boolean committed = program.run();
      State state = program.state;
      Set<Integer> rows = new TreeSet<>(program.apart);
      rows.addAll(committed ? state.rows : Set.of());
      String what = "program of seed " + (SEED + i) + ": " + program.text;
      assertThat(notes()).as(what).isEqualTo(rows);
      assertThat(program.called).as(what).isEqualTo(committed ? state.hooks : List.of());
      if (committed) {
        assertThat(state.aborted || state.joinedRunFailed).as(what).isFalse();
      }
      dsl.execute("delete from note");
    }
  }

  /** What is right at a point of a program. */
  private record State(
      Set<Integer> rows, List<Integer> hooks, boolean aborted, boolean joinedRunFailed) {
    State copy(boolean nowAborted, boolean nowFailed) {
      return new State(new TreeSet<>(rows), new ArrayList<>(hooks), nowAborted, nowFailed);
    }
  }

  private static final class Bang extends RuntimeException {
    private static final long serialVersionUID = 1L;
  }

  /** Blocks in blocks: savepoints, joined and independent runs, stretches, hooks, failures. */
  private final class Program {
    private static final int DEEPEST = 4;

    private final Random random;
    private final StringBuilder text = new StringBuilder();
    private final Set<Integer> apart = new TreeSet<>();
    private final List<Integer> called = new ArrayList<>();
    private State state = new State(new TreeSet<>(), new ArrayList<>(), false, false);
    private int next;

    Program(Random random) {
      this.random = random;
    }

    boolean run() {
      try {
        transactions.execute(tx -> block(tx, tx.dsl(), 0));
        return true;
      } catch (TransactionAbortedException told) {
        assertThat(state.aborted || state.joinedRunFailed).as(text.toString()).isTrue();
        return false;
      } catch (Bang | DataAccessException | TransactionException thrown) {
        return false;
      }
    }

    private void block(Tx tx, DSLContext within, int depth) {
      for (int left = 1 + random.nextInt(4); left > 0; left--) {
        switch (random.nextInt(depth < DEEPEST ? 12 : 6)) {
          case 0, 1, 2 -> insertNext(within);
          case 3 -> addHook(tx);
          case 4 -> failInSilence(within);
          case 5 -> bang();
          case 6, 7 -> savepoint(tx, within, depth);
          case 8, 9 -> joined(within, depth);
          case 10 -> independent();
          default -> stretch(tx, depth);
        }
      }
    }

    private void insertNext(DSLContext within) {
      int id = next++;
      text.append("insert ").append(id).append("; ");
      insert(within, id);
      state.rows.add(id);
    }

    private void addHook(Tx tx) {
      int id = next++;
      text.append("hook ").append(id).append("; ");
      tx.afterCommit(commit -> called.add(id));
      state.hooks.add(id);
    }

    private void failInSilence(DSLContext within) {
      if (random.nextInt(4) == 0) {
        text.append("swallowed error; ");
        swallowFailedStatement(within);
        state = state.copy(true, state.joinedRunFailed);
      }
    }

    private void bang() {
      if (random.nextInt(4) == 0) {
        text.append("bang; ");
        throw new Bang();
      }
    }

    private void savepoint(Tx tx, DSLContext within, int depth) {
      text.append("savepoint { ");
      State before = state.copy(state.aborted, state.joinedRunFailed);
      try {
        within.transaction(block -> block(tx, block.dsl(), depth + 1));
        text.append("} ");
      } catch (Bang | DataAccessException | TransactionException e) {
        text.append("}! ");
        state = before;
        if (random.nextInt(3) == 0) {
          throw e;
        }
        return;
      }
      assertThat(state.aborted).as("released though aborted: " + text).isFalse();
    }

    private void joined(DSLContext within, int depth) {
      text.append("join { ");
      try {
        transactions.execute(JOIN, inner -> block(inner, within, depth + 1));
        text.append("} ");
      } catch (Bang | DataAccessException | TransactionException e) {
        text.append("}! ");
        state = state.copy(state.aborted, true);
        if (random.nextBoolean()) {
          throw e;
        }
      }
    }

    private void independent() {
      text.append("independent; ");
      boolean fails = random.nextBoolean();
      int id = next++;
      try {
        transactions.execute(
            APART,
            inner -> {
              insert(inner.dsl(), id);
              if (fails) {
                throw new Bang();
              }
            });
        apart.add(id);
      } catch (Bang expected) {
        assertThat(fails).isTrue();
      }
    }

    private void stretch(Tx tx, int depth) {
      text.append("stretch { ");
      tx.within(
          Duration.ofSeconds(60),
          inner -> {
            block(inner, inner.dsl(), depth + 1);
            return true;
          });
      text.append("} ");
    }
  }
}
