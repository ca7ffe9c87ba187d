package dev.pgbelay.batch.chunk;

import dev.pgbelay.batch.chunk.JobRefusedException.Reason;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.jooq.Condition;
import org.jooq.Field;
import org.jooq.QueryPart;
import org.jooq.SQLDialect;
import org.jooq.Table;
import org.jooq.impl.DSL;

/**
 * What is done with each range.
 *
 * @param kind in a word
 * @param details that tell it from other work of the same kind
 * @param changed columns of the walked table that it is known to change
 * @param target that it is known to insert into
 * @param function that does it
 */
record JobWork(
    String kind,
    String details,
    List<Field<?>> changed,
    Optional<Table<?>> target,
    Chunk.Work function) {
  static JobWork delete() {
    return new JobWork(
        "delete",
        "",
        List.of(),
        Optional.empty(),
        chunk -> chunk.tx().dsl().deleteFrom(chunk.table()).where(chunk.rows()).execute());
  }

  static JobWork update(Map<? extends Field<?>, ?> assignments) {
    Map<Field<?>, Object> copy = new LinkedHashMap<>(assignments);
    return new JobWork(
        "update",
        inlined(copy),
        List.copyOf(copy.keySet()),
        Optional.empty(),
        chunk -> chunk.tx().dsl().update(chunk.table()).set(copy).where(chunk.rows()).execute());
  }

  static JobWork insertInto(Table<?> target, Map<? extends Field<?>, ? extends Field<?>> columns) {
    List<Field<?>> into = List.copyOf(columns.keySet());
    List<Field<?>> values = List.copyOf(columns.values());
    return new JobWork(
        "insert",
        inlined(columns),
        List.of(),
        Optional.of(target),
        chunk ->
            chunk
                .tx()
                .dsl()
                .insertInto(target, into)
                .select(DSL.select(values).from(chunk.table()).where(chunk.rows()))
                .execute());
  }

  static JobWork function(String version, Chunk.Work function) {
    return new JobWork("apply", version, List.of(), Optional.empty(), function);
  }

  /** Refuses what would move rows across the position. */
  void requireUnchanged(String job, List<Field<?>> key) {
    for (Field<?> column : changed) {
      if (key.stream().anyMatch(each -> each.getName().equals(column.getName()))) {
        throw new JobRefusedException(
            Reason.KEY_CHANGED_BY_WORK,
            "job '"
                + job
                + "': updates "
                + column.getName()
                + ", by which it walks: rows would move across the position, to be met twice or"
                + " never. Walk by columns that the update leaves alone");
      }
    }
  }

  /**
   * In short, with a hash where values could show.
   *
   * @param table with its schema, as {@code into}: tables of one name are not one table
   */
  String over(String table, Optional<String> into, List<Field<?>> key, Condition filter) {
    String columns = String.join(", ", key.stream().map(Field::getName).toList());
    String hashed = hash(details + "\0" + inlined(filter));
    String done = kind + into.map(name -> " into " + name).orElse("");
    return done + " over " + table + " by " + columns + ", " + hashed;
  }

  private static String inlined(QueryPart part) {
    return DSL.using(SQLDialect.POSTGRES).renderInlined(part);
  }

  private static String inlined(Map<? extends Field<?>, ?> assignments) {
    // Sorted, because the order of Map.of is another one in each JVM.
    Map<String, String> sorted = new TreeMap<>();
    assignments.forEach(
        (column, value) ->
            sorted.put(
                column.getName(),
                inlined(value instanceof QueryPart part ? part : DSL.val(value))));
    StringBuilder text = new StringBuilder();
    sorted.forEach((column, value) -> text.append(column).append(" = ").append(value).append('\0'));
    return text.toString();
  }

  private static String hash(String text) {
    try {
      byte[] digest =
          MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
      return HexFormat.of().formatHex(digest, 0, 8);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java platform has SHA-256", e);
    }
  }
}
