package dev.pgbelay.examples.demo.report;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Writes a report as {@code report.json}, for programs, and {@code index.html}, for people. */
public final class ReportFiles {
  private static final ObjectMapper JSON =
      new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);

  private final Path directory;

  public ReportFiles(Path directory) {
    this.directory = directory;
  }

  /** Writes both files, replacing those of an earlier run, and returns the page. */
  public Path write(Report report) throws IOException {
    Files.createDirectories(directory);
    JSON.writeValue(directory.resolve("report.json").toFile(), json(report));
    return Files.writeString(directory.resolve("index.html"), HtmlPage.render(report));
  }

  private static ObjectNode json(Report report) {
    ObjectNode root = JSON.createObjectNode();
    root.put("createdAt", report.createdAt())
        .put("postgres", report.postgres())
        .put("java", report.java())
        .put("processors", report.processors())
        .put("rows", report.rows())
        .put("seed", report.seed())
        .put("loadMillis", report.loadTime().toMillis())
        .put("command", report.command());
    ArrayNode scenarios = root.putArray("scenarios");
    report.scenarios().forEach(scenario -> scenarios.add(json(scenario)));
    return root;
  }

  private static ObjectNode json(ScenarioResult scenario) {
    ObjectNode node = JSON.createObjectNode();
    node.put("id", scenario.id())
        .put("title", scenario.title())
        .put("tookMillis", scenario.took().toMillis());
    ArrayNode comparisons = node.putArray("comparisons");
    scenario.comparisons().forEach(comparison -> comparisons.add(json(comparison)));
    ArrayNode charts = node.putArray("charts");
    scenario.charts().forEach(chart -> charts.add(json(chart)));
    scenario.caveats().forEach(node.putArray("caveats")::add);
    return node;
  }

  private static ObjectNode json(Comparison comparison) {
    ObjectNode node = JSON.createObjectNode();
    node.put("id", comparison.id()).put("what", comparison.what());
    node.set("naive", json(comparison.naiveWay(), comparison.naive()));
    node.set("safe", json(comparison.safeWay(), comparison.safe()));
    comparison.factor().ifPresent(factor -> node.put("factor", factor));
    ArrayNode damage = node.putArray("damage");
    comparison.damage().forEach(damage::addPOJO);
    return node.put("verdict", comparison.verdict());
  }

  private static ObjectNode json(String way, Measure measure) {
    return JSON.createObjectNode()
        .put("way", way)
        .put("value", measure.value())
        .put("unit", measure.unit().name())
        .put("estimated", measure.estimated());
  }

  private static ObjectNode json(Chart chart) {
    ObjectNode node = JSON.createObjectNode().put("title", chart.title());
    if (chart instanceof LineChart lines) {
      node.putPOJO("x", lines.x()).putPOJO("y", lines.y()).putPOJO("lines", lines.lines());
    } else if (chart instanceof ShareChart shares) {
      node.putPOJO("bars", shares.bars());
    }
    return node;
  }
}
