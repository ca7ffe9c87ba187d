package dev.pgbelay.lock.witness;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.lock.witness.Piece.Touch;
import java.util.List;
import java.util.Random;
import java.util.stream.Collectors;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class StatementReaderTest {
  private static String tables(String sql) {
    return StatementReader.read(sql).pieces().stream()
        .filter(Touch.class::isInstance)
        .map(Touch.class::cast)
        .map(
            touch ->
                touch.verb()
                    + " "
                    + (touch.name().schema() == null ? "" : touch.name().schema() + ".")
                    + touch.name().name()
                    + (touch.row() == null ? "" : " " + touch.row())
                    + (touch.waits() ? "" : " gives way"))
        .collect(Collectors.joining("; "));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "select * from a for update | LOCK_ROWS a UPDATE",
        "select * from only a * for share | LOCK_ROWS a SHARE",
        "select * from db.s.a x for key share of x nowait | LOCK_ROWS s.a KEY_SHARE gives way",
        "select * from a, b for no key update | LOCK_ROWS a NO_KEY_UPDATE; LOCK_ROWS b NO_KEY_UPDATE",
        "select * from a left join lateral (select * from b where b.x = a.x) c on true for update of c"
            + " | LOCK_ROWS b UPDATE",
        "select * from (a join b using (id)) cross join c for share of a, c skip locked"
            + " | LOCK_ROWS a SHARE gives way; LOCK_ROWS c SHARE gives way",
        "select * from a for share of a for update of b | LOCK_ROWS a SHARE",
        "select * from f(1) g, unnest(array[1]) u, a for update | LOCK_ROWS a UPDATE",
        "(select * from a for update) | LOCK_ROWS a UPDATE",
        "select (select 1 from a for update), x from b | LOCK_ROWS a UPDATE",
        "select a is distinct from b from t where a is not distinct from b for update"
            + " | LOCK_ROWS t UPDATE",
        "select extract(year from d), substring(x from 1 for 3) from a | ''",
        "select 1 from a where x = any(array[1,2]) order by y limit 1 for update | LOCK_ROWS a UPDATE",
        "update only a set x = 1 from b where a.id = b.id | UPDATE a",
        "update s.a as t set (x, y) = (select 1, 2 from b for share) | LOCK_ROWS b SHARE; UPDATE s.a",
        "delete from a x using b where x.id = b.id returning * | DELETE a",
        "insert into a default values | INSERT a",
        "insert into a (x) select y from b for update | LOCK_ROWS b UPDATE; INSERT a",
        "insert into a as t values (1) on conflict (id) where x do update set y = 1 | UPSERT a",
        "insert into a values (1) on conflict do nothing returning id | INSERT_UNLESS_THERE a",
        "insert into a with w as (update b set x = 1 returning *) select * from w"
            + " | UPDATE b; INSERT a",
        "merge into a using b on a.id = b.id when matched and b.x then delete"
            + " when matched then update set x = 1 when not matched then do nothing"
            + " | DELETE a; UPDATE a",
        "lock a, s.b in access share mode nowait | LOCK_TABLE a gives way; LOCK_TABLE s.b gives way",
        "truncate table only a, b restart identity | TRUNCATE a; TRUNCATE b",
        "truncate a cascade | TRUNCATE_CASCADE a",
        "copy s.a (x, y) from stdin with (format csv) | INSERT s.a",
        "copy a to stdout | ''",
        "copy (delete from a returning *) to stdout | DELETE a",
        "select * from a, b for share for update of b, a | LOCK_ROWS a UPDATE; LOCK_ROWS b UPDATE",
        "select * from a, b for update of b, a | LOCK_ROWS b UPDATE; LOCK_ROWS a UPDATE",
        "with w as (update b set x = 1), v as (delete from c returning *) update a set x = 1 from v"
            + " | DELETE c; UPDATE a; UPDATE b",
        "with w as (select * from b for update) select 1 | ''",
        "declare c cursor for select * from a for update | LOCK_ROWS a UPDATE",
        "explain select * from a for update | ''",
        "select 1; update a set x = 1; delete from b | UPDATE a; DELETE b",
        "update \"A\" set \"for\" = 'update' | UPDATE A",
        "update a set x = $$ ; delete from b $$ where y = E'\\'; delete from c' | UPDATE a",
        "with recursive w(n) as (values (1) union all select n + 1 from w), v as (select 1)"
            + " update a set x = n from w | UPDATE a",
        "select * from a where b ?? 'x' and c = ? for update | LOCK_ROWS a UPDATE",
        "table a | ''",
        "begin; set local x = 1; show y; commit | ''"
      })
  void tables_areReadWithTheirModes(String sql, String expected) {
    assertThat(tables(sql)).isEqualTo(expected);
  }

  @Test
  void parametersAreCountedOverTheWholeText_andCastsAreSeenThrough() {
    Touch touch =
        (Touch)
            StatementReader.read(
                    "update a set x = ?, y = '?' /* ? */ where (a.id = cast(? as bigint)) and b = ?::uuid"
                        + " and -5 = c and d = 'it''s' and e > ? and f in (?)")
                .pieces()
                .get(0);
    assertThat(touch.keys())
        .containsExactly(
            java.util.Map.of(
                "id", new Piece.Value(2, "", false),
                "b", new Piece.Value(3, "", false),
                "c", new Piece.Value(0, "-5", false),
                "d", new Piece.Value(0, "it's", true)));
  }

  @Test
  void or_leavesTheRowsUnknown() {
    Touch touch =
        (Touch) StatementReader.read("delete from a where id = 1 or id = 2").pieces().get(0);
    assertThat(touch.keys()).isEmpty();
  }

  @Test
  void whatIsNotUnderstood_isSaidToBe() {
    assertThat(
            List.of("call p(1)", "do $$ x $$", "execute q(1)", "copy 'a'", "§").stream()
                .map(sql -> StatementReader.read(sql).pieces().get(0))
                .map(Piece.Unknown.class::cast)
                .map(Piece.Unknown::what))
        .containsExactly("call", "do", "execute", "copy", "statement");
  }

  @Test
  void namesOfLockOrder_areLeftToIt() {
    assertThat(
            StatementReader.read(
                    "select pg_advisory_xact_lock(k), current_setting('pgbelay.lock_epoch') from unnest(?) k")
                .pieces())
        .isEmpty();
    assertThat(StatementReader.read("select pg_advisory_xact_lock(k) from unnest(?) k").pieces())
        .hasSize(1);
  }

  @Test
  void values_areMasked() {
    assertThat(
            StatementReader.read(
                    "update a set x = 'secret', y = 4711, z = E'sec\\'ret', w = $$secret$$ -- secret\n"
                        + " where id = $1")
                .masked())
        .isEqualTo("update a set x = ?, y = ?, z = ?, w = ? where id = ?");
  }

  /** Cut, doubled and shuffled statements: no exception, no endless loop, nothing unmasked. */
  @RepeatedTest(3)
  void brokenText_neverHarmsTheApplication() {
    long seed = Long.getLong("pgbelay.seed", System.nanoTime());
    System.out.println("seed: -Dpgbelay.seed=" + seed);
    Random random = new Random(seed);
    List<String> parts =
        List.of(
            "select",
            "update",
            "insert into",
            "delete from",
            "merge into",
            "with",
            "as",
            "(",
            ")",
            "from",
            "where",
            "for update",
            "of",
            "a",
            "b",
            "\"c",
            "'secret'",
            "'secret",
            "$$secret$$",
            "$x$ secret",
            "/* secret",
            "-- secret\n",
            "?",
            "=",
            ",",
            ";",
            "on conflict",
            "do update set",
            "values",
            "lock table",
            "truncate",
            "rollback to",
            "savepoint",
            "E'\\'secret'",
            "[",
            "]",
            "pg_advisory_xact_lock(",
            "::",
            "cast(",
            "using",
            "then",
            "when",
            "for",
            "in",
            "or",
            "and");
    for (int i = 0; i < 5_000; i++) {
      StringBuilder sql = new StringBuilder();
      for (int n = random.nextInt(12); n >= 0; n--) {
        sql.append(parts.get(random.nextInt(parts.size()))).append(random.nextBoolean() ? " " : "");
      }
      Footprint footprint = StatementReader.read(sql.toString());
      assertThat(footprint.masked().replaceAll("\"[^\"]*(\"|$)", "\"\""))
          .as(sql.toString())
          .doesNotContain("'");
    }
  }
}
