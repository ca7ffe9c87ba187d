package dev.pgbelay.testing;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.observe.TransactionEvent.Outcome;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TransactionTextTest {
  @ParameterizedTest
  @ValueSource(
      strings = {
        "COMMIT",
        "commit;",
        "end",
        "  /* why /* not */ */ Commit work",
        "-- a word\ncommit and chain",
        "commit prepared 'x'"
      })
  void commitInAnySpelling_isSeen(String sql) {
    assertThat(TransactionText.isCommit(sql)).isTrue();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "select 'a; commit'",
        "select \"x; commit\"",
        "select $$; commit; $$, $b$ ; commit $b$",
        "select e'\\'; commit'",
        "select 1 -- ; commit",
        "select 1 /* ; commit */",
        "update commit set x = $1",
        "rollback",
        ""
      })
  void wordInsideAnotherStatement_isNotACommit(String sql) {
    assertThat(TransactionText.commits(sql)).doesNotContain(true);
  }

  @Test
  void severalStatements_areTakenApart() {
    assertThat(TransactionText.commits("select 1; COMMIT ;; select ';' ; end"))
        .containsExactly(false, true, false, true);
  }

  @Test
  void ends_areToldApart() {
    assertThat(
            TransactionText.ends(
                "begin; rollback to savepoint a; rollback work to a; commit prepared 'x';"
                    + " Rollback ; commit; abort work; end"))
        .containsExactly(
            Outcome.ROLLED_BACK, Outcome.COMMITTED, Outcome.ROLLED_BACK, Outcome.COMMITTED);
  }
}
