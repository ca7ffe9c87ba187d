package dev.pgbelay.core.schema;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.schema.SchemaException.Reason;
import dev.pgbelay.testing.PostgresDatabase;
import dev.pgbelay.testing.PostgresExtension;
import java.io.IOException;
import java.io.OutputStream;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import javax.sql.DataSource;
import org.assertj.core.api.AbstractThrowableAssert;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

@ExtendWith(PostgresExtension.class)
@Timeout(60)
class SchemaInstallerTest {
  private static final String PROBE = "installerprobe";

  private final PostgresDatabase database;
  private final DataSource dataSource;

  SchemaInstallerTest(PostgresDatabase database) {
    this.database = database;
    this.dataSource = database.dataSource();
  }

  private SchemaInstaller installer(String schema, ClassLoader scripts, String... modules) {
    return SchemaInstaller.builder(dataSource)
        .schema(schema)
        .classLoader(scripts)
        .modules(modules)
        .build();
  }

  private static AbstractThrowableAssert<?, ?> refused(Reason reason, ThrowingCallable call) {
    SchemaException refusal = catchThrowableOfType(SchemaException.class, call);
    assertThat(refusal).isNotNull();
    assertThat(refusal.reason()).isEqualTo(reason);
    return assertThat(refusal);
  }

  @Test
  void scriptsOfAModule_areInstalledOnceAndRecorded() throws SQLException {
    SchemaInstaller installer =
        SchemaInstaller.builder(dataSource).schema("once").modules(PROBE).build();

    SchemaInstallation first = installer.install();
    SchemaInstallation second = installer.install();

    assertThat(first.applied()).extracting(SchemaScript::number).containsExactly(1, 2);
    assertThat(second.applied()).isEmpty();
    assertThat(installer.requireInstalled().newer()).isEmpty();
    assertThat(
            Sql.texts(
                dataSource,
                """
                SELECT concat_ws(' ', module, number, name, length(checksum), installed_by,
                                 installed_at BETWEEN now() - interval '1 min' AND now())
                  FROM once.pgbelay_schema_history ORDER BY number"""))
        .containsExactly(
            "installerprobe 1 0001_note.sql 64 postgres t",
            "installerprobe 2 0002_note_author.sql 64 postgres t");
  }

  @Test
  void bodiesLiteralsAndEscapes_reachTheServerAsWritten() throws SQLException {
    SchemaInstaller.builder(dataSource)
        .schema("as written; \u00e9")
        .modules(PROBE)
        .build()
        .install();

    Sql.execute(dataSource, "INSERT INTO \"as written; \u00e9\".note DEFAULT VALUES");

    assertThat(Sql.text(dataSource, "SELECT body FROM \"as written; \u00e9\".note"))
        .isEqualTo("a ; b -- {no escape} ?");
    assertThat(Sql.text(dataSource, "SELECT \"as written; \u00e9\".shout('a;b')"))
        .isEqualTo("A;B;");
    assertThat(Sql.text(dataSource, "SELECT \"as written; \u00e9\".count_notes()")).isEqualTo("1");
  }

  @Test
  void installersAtTheSameTime_runEachScriptOnceWhateverThePoolsIsolation() throws Exception {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(database.jdbcUrl());
    config.setTransactionIsolation("TRANSACTION_REPEATABLE_READ");
    try (HikariDataSource pool = new HikariDataSource(config)) {
      installTogether(pool);
    }
  }

  private static void installTogether(DataSource pool) throws Exception {
    String[] scripts = new String[8];
    for (int i = 0; i < scripts.length; i++) {
      // Without IF NOT EXISTS: a script run twice fails.
      scripts[i] = "CREATE TABLE ${schema}.t" + i + " (); SELECT pg_sleep(0.01)";
    }
    ScriptsInMemory loader = new ScriptsInMemory().module("crowd", scripts);
    int installers = 6;
    CyclicBarrier together = new CyclicBarrier(installers);
    ExecutorService threads = Executors.newFixedThreadPool(installers);
    try {
      List<Future<SchemaInstallation>> installations = new ArrayList<>();
      for (int i = 0; i < installers; i++) {
        installations.add(
            threads.submit(
                () -> {
                  together.await();
                  return SchemaInstaller.builder(pool)
                      .schema("crowd")
                      .classLoader(loader)
                      .modules("crowd")
                      .build()
                      .install();
                }));
      }
      List<Integer> applied = new ArrayList<>();
      for (Future<SchemaInstallation> installation : installations) {
        installation.get().applied().forEach(script -> applied.add(script.number()));
      }
      assertThat(applied).containsExactlyInAnyOrder(1, 2, 3, 4, 5, 6, 7, 8);
    } finally {
      threads.shutdownNow();
    }
  }

  @Test
  void failingScript_leavesNothingBehindAndNamesItself() throws SQLException {
    ScriptsInMemory loader =
        new ScriptsInMemory()
            .module(
                "halfway",
                "CREATE TABLE ${schema}.one ()",
                "CREATE TABLE ${schema}.two (); SELECT 1 / 0; CREATE TABLE ${schema}.three ()");

    refused(Reason.SCRIPT_FAILED, () -> installer("halfway", loader, "halfway").install())
        .hasMessageContaining("halfway/0002_step.sql")
        .hasMessageContaining("22012");

    assertThat(Sql.text(dataSource, "SELECT to_regclass('halfway.one') IS NOT NULL"))
        .isEqualTo("t");
    assertThat(Sql.text(dataSource, "SELECT to_regclass('halfway.two')")).isEqualTo("null");
    assertThat(Sql.text(dataSource, "SELECT max(number) FROM halfway.pgbelay_schema_history"))
        .isEqualTo("1");

    loader.module(
        "halfway", "CREATE TABLE ${schema}.one ()", "CREATE TABLE ${schema}.two (mended int)");
    assertThat(installer("halfway", loader, "halfway").install().applied()).hasSize(1);
  }

  @Test
  void scriptThatForgetsTheSchema_doesNotLandInTheSearchPath() throws SQLException {
    ScriptsInMemory loader = new ScriptsInMemory().module("forgot", "CREATE TABLE stray ()");

    refused(Reason.SCRIPT_FAILED, () -> installer("forgot", loader, "forgot").install());

    assertThat(Sql.text(dataSource, "SELECT to_regclass('public.stray')")).isEqualTo("null");
  }

  @Test
  void scriptThatCommits_isRefusedAndLeavesNothing() throws SQLException {
    ScriptsInMemory loader =
        new ScriptsInMemory().module("ender", "CREATE TABLE ${schema}.one (); COMMIT; SELECT 1");

    refused(Reason.SCRIPT_FAILED, () -> installer("ender", loader, "ender").install())
        .hasMessageContaining("ender/0001_step.sql")
        .hasMessageContaining("0A000");

    assertThat(Sql.text(dataSource, "SELECT to_regclass('ender.one')")).isEqualTo("null");
  }

  @Test
  void changedScript_isRefusedWithBothChecksums() {
    installer("changed", new ScriptsInMemory().module("changed", "SELECT 1"), "changed").install();
    SchemaInstaller other =
        installer("changed", new ScriptsInMemory().module("changed", "SELECT 2"), "changed");

    refused(Reason.CHANGED_SCRIPT, other::install)
        .hasMessageContaining("changed/0001_step.sql")
        .hasMessageContaining(other.scripts().get(0).checksum());
    refused(Reason.CHANGED_SCRIPT, other::requireInstalled);
  }

  @Test
  void lineEndsOfAnotherPlatform_areNoChange() {
    installer("ends", new ScriptsInMemory().module("ends", "SELECT 1;\nSELECT 2"), "ends")
        .install();

    assertThat(
            installer("ends", new ScriptsInMemory().module("ends", "SELECT 1;\r\nSELECT 2"), "ends")
                .requireInstalled()
                .applied())
        .isEmpty();
  }

  @Test
  void newerSchema_isAcceptedByOlderCode() {
    installer("newer", new ScriptsInMemory().module("newer", "SELECT 1", "SELECT 2"), "newer")
        .install();
    SchemaInstaller older =
        installer("newer", new ScriptsInMemory().module("newer", "SELECT 1"), "newer");

    assertThat(older.install().applied()).isEmpty();
    assertThat(older.requireInstalled().newer())
        .containsExactly(new SchemaInstallation.Newer("newer", 2, "0002_step.sql"));
  }

  @Test
  void gapInTheHistory_isRefused() throws SQLException {
    ScriptsInMemory loader =
        new ScriptsInMemory().module("gap", "SELECT 1", "SELECT 2", "SELECT 3");
    installer("gap", loader, "gap").install();
    Sql.execute(dataSource, "DELETE FROM gap.pgbelay_schema_history WHERE number = 2");

    refused(Reason.HISTORY_GAP, () -> installer("gap", loader, "gap").install())
        .hasMessageContaining("script 3 recorded")
        .hasMessageContaining("not script 2");
  }

  @Test
  void missingSchema_isNamedTogetherWithTheRemedy() {
    ScriptsInMemory loader = new ScriptsInMemory().module("absent", "SELECT 1", "SELECT 2");

    refused(Reason.NOT_INSTALLED, () -> installer("absent", loader, "absent").requireInstalled())
        .hasMessageContaining("absent/0001_step.sql, absent/0002_step.sql")
        .hasMessageContaining("SchemaInstaller.install()")
        .hasMessageContaining("printMissing()");
  }

  @Test
  void printedDdl_doesWhatInstallingDoes() throws SQLException {
    SchemaInstaller installer =
        SchemaInstaller.builder(dataSource).schema("printed 100%").modules(PROBE).build();
    assertThat(installer.printMissing()).isEqualTo(installer.print());

    SafeDdl.of(dataSource).run(installer.print());

    assertThat(installer.requireInstalled().applied()).isEmpty();
    assertThat(installer.install().applied()).isEmpty();
    assertThat(installer.printMissing()).isEmpty();
    assertThat(Sql.text(dataSource, "SELECT \"printed 100%\".shout('a')")).isEqualTo("A");
  }

  @Test
  void scriptBehindALongTransaction_givesWayAndComesThroughLater() throws Exception {
    ScriptsInMemory loader =
        new ScriptsInMemory().module("busy", "CREATE TABLE ${schema}.t (a int)");
    installer("busy", loader, "busy").install();
    loader.module(
        "busy", "CREATE TABLE ${schema}.t (a int)", "ALTER TABLE ${schema}.t ADD COLUMN b int");
    SchemaInstaller impatient =
        SchemaInstaller.builder(dataSource)
            .schema("busy")
            .classLoader(loader)
            .modules("busy")
            .lockTimeout(Duration.ofMillis(50))
            .maxAttempts(2)
            .build();
    try (Connection holder = dataSource.getConnection()) {
      holder.setAutoCommit(false);
      Sql.execute(holder, "SELECT * FROM busy.t");
      refused(Reason.LOCK_NOT_ACQUIRED, impatient::install).hasMessageContaining("2 attempts");
      holder.rollback();
    }
    assertThat(impatient.install().applied()).hasSize(1);
  }

  @Test
  void modulesWithoutScriptsOrWithBrokenOnes_areRefusedBeforeAnythingIsSent() {
    ScriptsInMemory loader =
        new ScriptsInMemory()
            .put("hole", "index", "0001_a.sql\n0003_c.sql")
            .put("hole", "0001_a.sql", "SELECT 1")
            .put("lost", "index", "0001_a.sql")
            .put("misnamed", "index", "1-a.sql")
            .put("placeholder", "index", "0001_a.sql")
            .put("placeholder", "0001_a.sql", "CREATE TABLE ${schem}.t ()")
            .put("nothing", "index", "# none\n");

    refused(Reason.MODULE_NOT_FOUND, () -> installer("s", loader, "nowhere"))
        .hasMessageContaining("dev/pgbelay/nowhere/schema/index");
    refused(Reason.BROKEN_SCRIPTS, () -> installer("s", loader, "hole"))
        .hasMessageContaining("0003_c.sql where number 0002 belongs");
    refused(Reason.BROKEN_SCRIPTS, () -> installer("s", loader, "lost"))
        .hasMessageContaining("not in the jar");
    refused(Reason.BROKEN_SCRIPTS, () -> installer("s", loader, "misnamed"));
    refused(Reason.BROKEN_SCRIPTS, () -> installer("s", loader, "placeholder"))
        .hasMessageContaining("${schem}");
    refused(Reason.BROKEN_SCRIPTS, () -> installer("s", loader, "nothing"));
    assertThatThrownBy(() -> installer("s", loader, "Not.A.Segment"))
        .isInstanceOf(PgBelayException.class);
    assertThatThrownBy(() -> installer("s", loader)).hasMessageContaining("modules is empty");
    for (String schema : List.of("", "a\"b", "a'b", "a$b", "pg_mine", "x".repeat(64))) {
      assertThatThrownBy(() -> installer(schema, loader, "hole"))
          .isInstanceOf(PgBelayException.class)
          .hasMessageContaining("schema is");
    }
  }

  @Test
  void fatJarWithoutFolderEntries_isRead(@TempDir Path folder) throws IOException {
    Path jar = folder.resolve("fat.jar");
    try (OutputStream file = Files.newOutputStream(jar);
        JarOutputStream out = new JarOutputStream(file)) {
      for (String entry : List.of("index", "0001_step.sql")) {
        out.putNextEntry(new JarEntry("dev/pgbelay/fat/schema/" + entry));
        out.write(
            (entry.equals("index") ? "0001_step.sql" : "SELECT 1")
                .getBytes(StandardCharsets.UTF_8));
      }
    }
    try (URLClassLoader loader = new URLClassLoader(new URL[] {jar.toUri().toURL()}, null)) {
      assertThat(installer("fat", loader, "fat").install().applied()).hasSize(1);
    }
  }
}
