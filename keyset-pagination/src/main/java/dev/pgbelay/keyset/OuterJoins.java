package dev.pgbelay.keyset;

import java.util.LinkedHashSet;
import java.util.Set;

/**
 * Which tables of a plan stand on the side of an outer join that is filled with NULLs where it has
 * no row. What the planner proved to be an inner join is none here.
 */
record OuterJoins(Set<String> aliases) {

  static OuterJoins in(PlanNode plan) {
    Set<String> aliases = new LinkedHashSet<>();
    collect(plan, false, aliases);
    return new OuterJoins(aliases);
  }

  private static void collect(PlanNode node, boolean mayMiss, Set<String> aliases) {
    if (mayMiss) {
      node.attribute("Alias").ifPresent(aliases::add);
    }
    String join = node.attribute("Join Type").orElse("");
    for (PlanNode child : node.children()) {
      String side = child.attribute("Parent Relationship").orElse("");
      boolean filled =
          join.equals("Full")
              || (join.equals("Left") && side.equals("Inner"))
              || (join.equals("Right") && side.equals("Outer"));
      collect(child, mayMiss || filled, aliases);
    }
  }

  boolean mayMiss(String alias) {
    return aliases.contains(alias);
  }

  boolean isEmpty() {
    return aliases.isEmpty();
  }

  @Override
  public String toString() {
    return String.join(", ", aliases);
  }
}
