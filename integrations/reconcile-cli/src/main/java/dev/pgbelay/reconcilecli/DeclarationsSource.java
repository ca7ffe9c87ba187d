package dev.pgbelay.reconcilecli;

import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.repair.RepairPolicy;
import java.util.Map;

/**
 * Where the command line has its declarations from: a public class of the service with a public
 * constructor without parameters, on the class path. It is found by {@link
 * java.util.ServiceLoader}, or named by {@code --declarations}. Asked on one thread, once.
 */
public interface DeclarationsSource {
  /** What is checked. */
  Declarations declarations();

  /** What {@code repair} does about a declaration's findings; those without one are reported. */
  default Map<String, RepairPolicy> policies() {
    return Map.of();
  }

  /** Columns that need no declaration, as {@code schema.table.column}, to the reason. */
  default Map<String, String> exclusions() {
    return Map.of();
  }
}
