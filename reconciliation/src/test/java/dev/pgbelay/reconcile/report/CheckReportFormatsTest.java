package dev.pgbelay.reconcile.report;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.pgbelay.reconcile.check.Blocker;
import dev.pgbelay.reconcile.check.CheckReport;
import dev.pgbelay.reconcile.check.DeclarationReport;
import dev.pgbelay.reconcile.check.DeclarationReport.Mode;
import dev.pgbelay.reconcile.check.DeclarationReport.Outcome;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** What reports of checks come to, and how they are written. */
class CheckReportFormatsTest {
  private static DeclarationReport one(Outcome outcome, long open) {
    boolean whole = outcome == Outcome.CLEAN || outcome == Outcome.FINDINGS;
    return new DeclarationReport(
        "d",
        outcome,
        Mode.INCREMENTAL,
        Optional.empty(),
        Optional.of(Instant.EPOCH),
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        8,
        9,
        open,
        Duration.ofMillis(1500),
        whole ? Optional.empty() : Optional.of("too slow"),
        whole
            ? List.of()
            : List.of(new Blocker("3/17", Optional.empty(), "gid-1", Optional.of(Instant.EPOCH))));
  }

  private static CheckReport report(DeclarationReport... all) {
    return new CheckReport("v1", Arrays.asList(all), Duration.ofSeconds(2));
  }

  @Test
  void findings_areWorseThanIncomplete_andIncompleteIsNotClean() {
    DeclarationReport clean = one(Outcome.CLEAN, 0);
    DeclarationReport incomplete = one(Outcome.INCOMPLETE, 0);
    assertThat(Verdict.of(report(clean, clean))).isEqualTo(Verdict.CLEAN);
    assertThat(Verdict.of(report(clean, incomplete))).isEqualTo(Verdict.INCOMPLETE);
    assertThat(Verdict.of(report(clean, one(Outcome.HELD_ELSEWHERE, 0))))
        .isEqualTo(Verdict.INCOMPLETE);
    assertThat(Verdict.of(report(incomplete, one(Outcome.FINDINGS, 1), clean)))
        .isEqualTo(Verdict.FINDINGS);
    assertThat(Verdict.of(report(one(Outcome.INCOMPLETE, 1)))).isEqualTo(Verdict.FINDINGS);
    assertThat(Verdict.of(report())).isEqualTo(Verdict.INCOMPLETE);
    assertThat(Arrays.stream(Verdict.values()).map(Verdict::exitCode)).containsExactly(0, 1, 2, 3);
  }

  @Test
  void json_hasTheDocumentedShape() throws Exception {
    JsonNode json = new ObjectMapper().readTree(ReportJson.of(report(one(Outcome.INCOMPLETE, 0))));
    assertThat(json.toString())
        .isEqualTo(
            "{\"format\":\"pgbelay.reconcile.check/1\",\"verdict\":\"INCOMPLETE\",\"version\":\"v1\","
                + "\"elapsedMillis\":2000,\"declarations\":[{\"declaration\":\"d\",\"outcome\":\"INCOMPLETE\","
                + "\"mode\":\"INCREMENTAL\",\"whyFull\":null,\"lastFullScan\":\"1970-01-01T00:00:00Z\","
                + "\"rowsInScope\":1,\"rowsNotReached\":2,\"rowsChecked\":3,\"rowsSkipped\":4,"
                + "\"candidates\":5,\"notKept\":6,\"confirmed\":7,\"resolved\":8,\"unsettled\":9,"
                + "\"open\":0,\"elapsedMillis\":1500,\"reason\":\"too slow\",\"blockers\":"
                + "[{\"transaction\":\"3/17\",\"pid\":null,\"application\":\"gid-1\","
                + "\"since\":\"1970-01-01T00:00:00Z\"}]}]}");
  }

  @Test
  void text_namesWhatIsNotWhole() {
    assertThat(ReportText.of(report(one(Outcome.INCOMPLETE, 0))))
        .contains("INCOMPLETE: declarations of version v1")
        .contains("INCOMPLETE    d, incremental: 3 rows checked, 4 skipped, 2 not reached")
        .contains("too slow")
        .contains("waited for prepared transaction 'gid-1' since 1970-01-01T00:00:00Z");
  }
}
