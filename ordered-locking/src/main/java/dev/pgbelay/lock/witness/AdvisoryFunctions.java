package dev.pgbelay.lock.witness;

import dev.pgbelay.lock.witness.Piece.Value;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** PostgreSQL's functions that take and give back advisory locks. */
final class AdvisoryFunctions {
  private static final Pattern LOCK = Pattern.compile("pg_(try_)?advisory(_xact)?_lock(_shared)?");
  private static final Pattern UNLOCK = Pattern.compile("pg_advisory_unlock(_shared|_all)?");

  private AdvisoryFunctions() {}

  static boolean isOne(String function) {
    return function.startsWith("pg_")
        && (LOCK.matcher(function).matches() || UNLOCK.matcher(function).matches());
  }

  static Piece read(String function, TokenRange inside) {
    List<@Nullable Value> arguments = new ArrayList<>();
    if (!inside.isEmpty()) {
      inside.split(",").forEach(part -> arguments.add(Equalities.value(part)));
    }
    if (UNLOCK.matcher(function).matches()) {
      return new Piece.Unlock(arguments);
    }
    return new Piece.Advisory(
        arguments,
        function.endsWith("_shared"),
        !function.startsWith("pg_try"),
        !function.contains("_xact_"));
  }
}
