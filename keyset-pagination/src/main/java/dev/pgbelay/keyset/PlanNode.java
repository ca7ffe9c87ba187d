package dev.pgbelay.keyset;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import org.jooq.exception.DataAccessException;
import org.jooq.tools.json.JSONParser;
import org.jooq.tools.json.ParseException;

/** A node of EXPLAIN's JSON. */
record PlanNode(Map<?, ?> attributes, List<PlanNode> children) {
  private static final Set<String> KEEP_ROW_COUNT =
      Set.of("Subquery Scan", "Append", "Merge Append", "Result", "Sort", "Incremental Sort");

  /** A table that stands in several branches has numbered aliases: {@code orders_1.id}. */
  private static final Pattern ALIAS_NUMBER = Pattern.compile("_\\d+\\.");

  static PlanNode parse(String json) {
    try {
      List<?> statements = (List<?>) new JSONParser().parse(json);
      if (statements.get(0) instanceof Map<?, ?> statement
          && statement.get("Plan") instanceof Map<?, ?> plan) {
        return of(plan);
      }
      throw new DataAccessException("EXPLAIN gave something that is not a plan");
    } catch (ParseException | ClassCastException | IndexOutOfBoundsException e) {
      throw new DataAccessException("EXPLAIN gave something that is not a plan", e);
    }
  }

  private static PlanNode of(Map<?, ?> attributes) {
    List<PlanNode> children = new ArrayList<>();
    if (attributes.get("Plans") instanceof List<?> plans) {
      for (Object plan : plans) {
        children.add(of((Map<?, ?>) plan));
      }
    }
    return new PlanNode(attributes, children);
  }

  String type() {
    return attribute("Node Type").orElse("");
  }

  Optional<String> attribute(String name) {
    return Optional.ofNullable(attributes.get(name)).map(Object::toString);
  }

  boolean isSort() {
    return type().equals("Sort") || type().equals("Incremental Sort");
  }

  /** Whether no more rows than one page's can come out of this node. */
  boolean isLimited() {
    if (type().equals("Limit")) {
      return true;
    }
    return KEEP_ROW_COUNT.contains(type())
        && !children.isEmpty()
        && children.stream().allMatch(PlanNode::isLimited);
  }

  void walk(Consumer<PlanNode> visitor) {
    visitor.accept(this);
    children.forEach(child -> child.walk(visitor));
  }

  /** The conditions in these attributes of all nodes, taken apart at their ANDs. */
  Set<String> conditions(String... names) {
    Set<String> all = new LinkedHashSet<>();
    walk(
        node -> {
          for (String name : names) {
            node.attribute(name)
                .ifPresent(
                    text -> all.addAll(conjuncts(ALIAS_NUMBER.matcher(text).replaceAll("."))));
          }
        });
    return all;
  }

  /** {@code ((a = 1) AND (b > 2))} as its two parts. */
  static List<String> conjuncts(String condition) {
    List<String> parts = new ArrayList<>();
    int depth = 0;
    int start = condition.startsWith("((") ? 1 : 0;
    int outer = start;
    boolean quoted = false;
    for (int i = start; i < condition.length(); i++) {
      char c = condition.charAt(i);
      if (c == '\'') {
        quoted = !quoted;
      } else if (!quoted && c == '(') {
        depth++;
      } else if (!quoted && c == ')') {
        depth--;
      } else if (!quoted && depth == 0 && condition.startsWith(" AND ", i)) {
        parts.add(condition.substring(start, i));
        start = i + 5;
      }
    }
    if (parts.isEmpty()) {
      return List.of(condition);
    }
    parts.add(condition.substring(start, condition.length() - outer));
    return parts;
  }

  /** One line a node, with what a reader looks for first. */
  String describe() {
    StringBuilder text = new StringBuilder();
    describe(text, 0);
    return text.toString();
  }

  private void describe(StringBuilder text, int depth) {
    text.append("  ".repeat(depth)).append(type());
    for (String name : List.of("Index Name", "Relation Name", "Index Cond", "Filter", "Sort Key")) {
      attribute(name).ifPresent(value -> text.append(' ').append(name).append('=').append(value));
    }
    text.append('\n');
    children.forEach(child -> child.describe(text, depth + 1));
  }
}
