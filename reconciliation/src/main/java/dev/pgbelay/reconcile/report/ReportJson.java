package dev.pgbelay.reconcile.report;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.reconcile.check.Blocker;
import dev.pgbelay.reconcile.check.CheckReport;
import dev.pgbelay.reconcile.check.DeclarationReport;
import dev.pgbelay.reconcile.check.Finding;
import dev.pgbelay.reconcile.internal.Given;
import dev.pgbelay.reconcile.repair.RepairReport;
import dev.pgbelay.reconcile.repair.UndoLog.Undone;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import org.jooq.JSONB;
import org.jspecify.annotations.Nullable;

/**
 * Reports for programs: JSON objects of a shape that the guide has. Members may be added; none gets
 * another meaning or goes without another number behind the slash of {@code format}. Times are
 * ISO-8601 in UTC, durations whole milliseconds, and what is not there is null. Findings show data
 * of the tables.
 *
 * <p>Needs {@code jackson-databind}, which the service brings along. Has no state.
 */
public final class ReportJson {
  private static final ObjectMapper MAPPER = JsonMapper.builder().build();

  private ReportJson() {}

  /** The verdict is that of the check. */
  public static String of(CheckReport report) {
    Given.required("the report", report);
    return write(check(report));
  }

  /** The same with {@code coverage} in it; the verdict is that of the check alone. */
  public static String of(CheckReport report, CoverageReport coverage) {
    Given.required("the report", report);
    Given.required("the coverage", coverage);
    ObjectNode root = check(report);
    root.set("coverage", coverage(coverage));
    return write(root);
  }

  public static String of(CoverageReport report) {
    Given.required("the report", report);
    return write(coverage(report));
  }

  /** Findings with their evidence, which is data of the tables. */
  public static String of(List<Finding> findings) {
    Given.required("the findings", findings);
    ObjectNode root = format("findings");
    ArrayNode all = root.putArray("findings");
    findings.forEach(each -> finding(all.addObject(), each));
    return write(root);
  }

  public static String of(RepairReport report) {
    Given.required("the report", report);
    ObjectNode root = format("repair");
    root.put("batch", report.dryRun() ? null : report.batch().toString());
    root.put("dryRun", report.dryRun());
    ArrayNode all = root.putArray("declarations");
    for (RepairReport.OfDeclaration each : report.declarations()) {
      ObjectNode one =
          all.addObject()
              .put("declaration", each.declaration())
              .put("action", each.action().name())
              .put("outcome", each.outcome().name())
              .put("open", each.open())
              .put("repaired", each.repaired())
              .put("gone", each.gone())
              .put("failed", each.failed());
      strings(one.putArray("failures"), each.failures());
      ArrayNode samples = one.putArray("samples");
      each.samples().forEach(sample -> finding(samples.addObject(), sample));
    }
    return write(root);
  }

  public static String of(Undone undone) {
    Given.required("the undo", undone);
    ObjectNode root = format("undo").put("restored", undone.restored());
    strings(root.putArray("conflicts"), undone.conflicts());
    return write(root);
  }

  private static ObjectNode check(CheckReport report) {
    ObjectNode root =
        format("check")
            .put("verdict", Verdict.of(report).name())
            .put("version", report.version())
            .put("elapsedMillis", report.elapsed().toMillis());
    ArrayNode all = root.putArray("declarations");
    for (DeclarationReport each : report.declarations()) {
      ObjectNode one =
          all.addObject()
              .put("declaration", each.declaration())
              .put("outcome", each.outcome().name())
              .put("mode", each.mode().name())
              .put("whyFull", each.whyFull().orElse(null))
              .put("lastFullScan", text(each.lastFullScan()))
              .put("rowsInScope", each.rowsInScope())
              .put("rowsNotReached", each.rowsNotReached())
              .put("rowsChecked", each.rowsChecked())
              .put("rowsSkipped", each.rowsSkipped())
              .put("candidates", each.candidates())
              .put("notKept", each.notKept())
              .put("confirmed", each.confirmed())
              .put("resolved", each.resolved())
              .put("unsettled", each.unsettled())
              .put("open", each.open())
              .put("elapsedMillis", each.elapsed().toMillis())
              .put("reason", each.reason().orElse(null));
      ArrayNode blockers = one.putArray("blockers");
      each.blockers().forEach(blocker -> blocker(blockers.addObject(), blocker));
    }
    return root;
  }

  private static void blocker(ObjectNode node, Blocker blocker) {
    node.put("transaction", blocker.transaction())
        .put("pid", blocker.pid().orElse(null))
        .put("application", blocker.application())
        .put("since", text(blocker.since()));
  }

  private static ObjectNode coverage(CoverageReport report) {
    ObjectNode root = format("coverage").put("verdict", Verdict.of(report).name());
    ObjectNode counts = root.putObject("counts");
    for (CoverageReport.State state : CoverageReport.State.values()) {
      counts.put(state.name(), report.count(state));
    }
    ArrayNode all = root.putArray("columns");
    for (CoverageReport.Column each : report.columns()) {
      all.addObject()
          .put("schema", each.schema())
          .put("table", each.table())
          .put("column", each.column())
          .put("type", each.type())
          .put("state", each.state().name())
          .put("by", each.by().orElse(null));
    }
    strings(root.putArray("unusedExclusions"), report.unusedExclusions());
    return root;
  }

  private static void finding(ObjectNode node, Finding finding) {
    node.put("id", finding.id()).put("declaration", finding.declaration());
    json(node, "rowKey", finding.rowKey());
    node.put("state", finding.state().name());
    json(node, "evidence", finding.evidence());
    node.put("firstSeen", finding.firstSeen().toString())
        .put("lastSeen", finding.lastSeen().toString())
        .put("confirmedAt", text(finding.confirmedAt()))
        .put("closedAt", text(finding.closedAt()))
        .put("reopened", finding.reopened());
  }

  private static @Nullable String text(Optional<Instant> time) {
    return time.map(Instant::toString).orElse(null);
  }

  private static void json(ObjectNode node, String member, JSONB value) {
    try {
      node.set(member, MAPPER.readTree(value.data()));
    } catch (JsonProcessingException e) {
      throw new PgBelayException(member + " of a finding is not JSON", e);
    }
  }

  private static void strings(ArrayNode array, List<String> texts) {
    texts.forEach(array::add);
  }

  private static ObjectNode format(String what) {
    return MAPPER.createObjectNode().put("format", "pgbelay.reconcile." + what + "/1");
  }

  private static String write(ObjectNode root) {
    try {
      return MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(root);
    } catch (JsonProcessingException e) {
      throw new PgBelayException("a report could not be written as JSON", e);
    }
  }
}
