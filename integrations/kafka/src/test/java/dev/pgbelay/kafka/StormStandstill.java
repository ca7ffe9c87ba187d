package dev.pgbelay.kafka;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.jooq.exception.DataAccessException;

/** Writes down where everybody stands when a storm does not go on. */
final class StormStandstill {
  private static final List<String> QUESTIONS =
      List.of(
          "select pid, application_name, state, wait_event_type, wait_event, xact_start,"
              + " pg_blocking_pids(pid) as blocked_by, left(query, 200) as query"
              + " from pg_stat_activity where backend_type = 'client backend'",
          "select * from pgbelay.outbox_relay",
          "select claimant, claim_number, count(*), array_agg(lane order by lane)"
              + " from pgbelay.outbox_lane group by 1, 2",
          "select count(*), min(id), max(id), array_agg(distinct lane) from pgbelay.outbox_message",
          "select count(*), min(id), max(id) from pgbelay.outbox_held",
          "select * from pgbelay.outbox_held_key limit 50",
          "select * from storm_identity order by place",
          "select c.* from storm_commit as c where not exists"
              + " (select from storm_effect as e where e.message_id = c.message_id)"
              + " order by place limit 50");

  private StormStandstill() {}

  /** The file with the answers; each process writes its threads into its own log. */
  static Path write(Path folder, StormTables tables, Collection<Process> processes)
      throws IOException, InterruptedException {
    List<String> lines = new ArrayList<>();
    for (String question : QUESTIONS) {
      lines.add(question);
      try {
        lines.add(tables.dsl().fetch(question).format(200));
      } catch (DataAccessException e) {
        lines.add(e.toString());
      }
    }
    lines.add("threads of this JVM");
    for (Map.Entry<Thread, StackTraceElement[]> one : Thread.getAllStackTraces().entrySet()) {
      lines.add(one.getKey().toString());
      for (StackTraceElement frame : one.getValue()) {
        lines.add("  " + frame);
      }
    }
    Path file = folder.resolve("standstill");
    Files.write(file, lines, UTF_8);
    for (Process process : processes) {
      if (process.isAlive()) {
        new ProcessBuilder("kill", "-QUIT", Long.toString(process.pid())).start().waitFor();
      }
    }
    TimeUnit.SECONDS.sleep(1);
    return file;
  }
}
