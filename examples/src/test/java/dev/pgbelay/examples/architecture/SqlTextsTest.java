package dev.pgbelay.examples.architecture;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.examples.architecture.Reactor.Module;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * No SQL in the string constants of classes that are not named {@code …Sql}. It is recognised by
 * how a statement begins, or by clauses that only SQL strings together; prose that mentions SELECT
 * or COMMIT is not SQL. Held for every published module.
 */
class SqlTextsTest {
  private static final String NAME = "[\\w.\"?%$]+";
  private static final String THING =
      "(table|index|schema|sequence|type|function|procedure|trigger|view|materialized|extension|role|database|domain"
          + "|publication|subscription|policy|rule|system|user)\\b";

  private static final Pattern STATEMENT =
      Pattern.compile(
          String.join(
              "|",
              "select\\s+(\\*|\\d|'|\\?|" + NAME + "\\s*\\(|.+\\bfrom\\s+" + NAME + ")",
              "insert\\s+into\\s+" + NAME + "\\s*(\\(|values|select|default)",
              "update\\s+(only\\s+)?" + NAME + "(\\s+(as\\s+)?\\w+)?\\s+set\\s+" + NAME + "\\s*=",
              "delete\\s+from\\s+" + NAME,
              "merge\\s+into\\s+" + NAME,
              "with\\s+(recursive\\s+)?\\w+\\s*(\\([^)]*\\)\\s*)?as\\s*(not\\s+|materialized\\s+)*\\(",
              "truncate\\s+(table\\s+)?" + NAME + "\\s*$",
              "create\\s+(or\\s+replace\\s+)?(temp\\w*\\s+|unlogged\\s+|unique\\s+)*" + THING,
              "alter\\s+" + THING,
              "drop\\s+" + THING,
              "set\\s+(local|session|transaction)\\b",
              "reset\\s+\\w+$",
              "show\\s+[a-z_.]+$",
              "(un)?listen\\s+" + NAME + "$",
              "notify\\s+" + NAME + "\\s*(,|$)",
              "lock\\s+table\\b",
              "copy\\s+.+\\b(from|to)\\s+(stdin|stdout|')",
              "explain\\s+(\\(|analyze|select)",
              "vacuum\\b",
              "analyze\\s+" + NAME + "\\s*$",
              "begin(\\s*;|\\s+(isolation|read|work|transaction)\\b)",
              "start\\s+transaction\\b",
              "(commit|rollback|abort)(\\s*;|\\s+(work|and\\s+(no\\s+)?chain|prepared|to\\s+savepoint)\\b)",
              "(?-i:BEGIN|COMMIT|ROLLBACK|ABORT)$",
              "((rollback\\s+to|release)\\s+)?savepoint\\s+" + NAME + "$",
              "declare\\s+\\w+\\s+.*cursor\\b",
              "fetch\\s+(forward|next|\\d+)\\b",
              "(grant|revoke)\\s+[\\w\\s,]+\\s+on\\s+(all\\s+\\w+\\s+in\\s+)?(table|schema|database|sequence|function)s?\\b",
              "do\\s+(\\$|language)",
              "values\\s*\\(",
              "(?-i:CALL)\\s+" + NAME + "\\s*\\("),
          Pattern.CASE_INSENSITIVE | Pattern.DOTALL);

  private static final Pattern CLAUSE =
      Pattern.compile(
          String.join(
              "|",
              "\\bfrom\\s+"
                  + NAME
                  + "\\s+(\\w+\\s+)?(where|((left|inner|cross|full)\\s+)?join|order\\s+by|group\\s+by|limit)\\s",
              "\\bfor\\s+(no\\s+key\\s+|key\\s+)?(update|share)\\s+(of\\s+\\w+|skip\\s+locked|nowait)",
              "\\bfor\\s+(no\\s+key\\s+|key\\s+)?(update|share)\\s*$",
              "\\bwhere\\s+" + NAME + "\\s*(=|<|>|is\\s+(not\\s+)?null\\b)",
              "\\border\\s+by\\s+"
                  + NAME
                  + "(\\s+(asc|desc)|\\s*,\\s*\\w+\\s+(asc|desc)|\\s+limit)\\b",
              "\\bon\\s+conflict\\s*(\\(|do\\s|on\\s)",
              "\\b(pg_\\w+|current_setting|set_config|txid_\\w+)\\s*\\(\\s*('|\\?|\\$|\\))",
              "\\breturning\\s+(\\*|\\w+\\s*(,|$))"),
          Pattern.CASE_INSENSITIVE | Pattern.DOTALL);

  static boolean isSql(String text) {
    String stripped = text.strip();
    return STATEMENT.matcher(stripped).lookingAt()
        || Pattern.compile("[;\\n]")
            .splitAsStream(stripped)
            .map(String::strip)
            .anyMatch(part -> part.length() > 12 && STATEMENT.matcher(part).lookingAt())
        || CLAUSE.matcher(stripped).find();
  }

  private static List<String> sqlOutsideOfSqlClasses(Collection<SourceFile> files) {
    List<String> found = new ArrayList<>();
    for (SourceFile file : files) {
      for (SourceFile.Text text : file.texts()) {
        if (!text.topLevelName().endsWith("Sql") && isSql(text.value())) {
          found.add(
              MainClasses.REACTOR.root().relativize(file.path())
                  + ":"
                  + text.line()
                  + " "
                  + text.value().strip());
        }
      }
    }
    return found;
  }

  @Test
  void sqlInStringConstants_standsInClassesNamedSqlOnly() {
    List<SourceFile> files = new ArrayList<>();
    for (Module module : MainClasses.REACTOR.published()) {
      files.addAll(SourceFile.parse(module.mainSourceFiles()));
    }
    assertThat(files).isNotEmpty();
    assertThat(sqlOutsideOfSqlClasses(files)).isEmpty();
  }

  @Test
  void sqlInAConstantOfAnotherClass_isRefused() {
    java.nio.file.Path fixture =
        MainClasses.REACTOR
            .module("examples")
            .dir()
            .resolve("src/test/java/dev/pgbelay/examples/architecture/fixture/HoldsSqlText.java");
    assertThat(sqlOutsideOfSqlClasses(SourceFile.parse(List.of(fixture))))
        .hasSize(3)
        .anyMatch(found -> found.contains("HoldsSqlText.java:5 SELECT"))
        .anyMatch(found -> found.contains("delete from ? where id = "))
        .anyMatch(found -> found.contains("for update skip locked"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "SELECT 1",
        "select pg_current_xact_id_if_assigned()",
        "  WITH due AS (\n  SELECT id FROM job\n)",
        "insert into t (a) values (?)",
        "UPDATE ? SET a = 1",
        "delete from t",
        "CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)",
        "set local statement_timeout = 5",
        "SET LOCAL ",
        "COMMIT",
        "; select 1 from t",
        " for update skip locked",
        " WHERE a = ?",
        "set_config('a', ?, true)",
        " order by a desc, b",
        "ON CONFLICT DO NOTHING",
        " RETURNING id",
        "LISTEN jobs",
        "begin; insert into t values (1)",
        "RELEASE SAVEPOINT s",
        "grant select, insert on table t to app",
        "EXPLAIN (ANALYZE, BUFFERS) "
      })
  void sql_isRecognised(String text) {
    assertThat(isSql(text)).isTrue();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "COMMIT would have rolled back in silence: an earlier statement failed",
        "The transaction ended in COMMIT, and the connection was lost",
        "select a smaller page size",
        "Update the order of the query",
        "delete the cursor and begin again",
        "the table orders has no index that begins with its keys",
        "page size 0 is outside of 1 to 1000: set it within",
        "create the schema with SchemaInstaller first",
        "pgbelay.transaction.duration",
        "commit",
        "savepoint could not be set",
        "the user may not create one; grant TEMPORARY on the database, or write fewer rows",
        "LISTEN needs a connection of its own",
        "a cursor from another query",
        "Begin with the first page",
        "call close() when done",
        "with the key ring of yesterday",
        "set the option pageSize"
      })
  void prose_isNotTakenForSql(String text) {
    assertThat(isSql(text)).isFalse();
  }
}
