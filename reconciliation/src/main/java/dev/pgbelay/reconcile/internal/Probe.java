package dev.pgbelay.reconcile.internal;

import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import org.jooq.Condition;
import org.jooq.Field;
import org.jooq.JSONB;
import org.jooq.Record1;
import org.jooq.Record2;
import org.jooq.Record4;
import org.jooq.Select;
import org.jooq.Table;

/**
 * What the checker asks of one declaration: for each row, whether it is in scope, and whether it is
 * wrong. One question for the scan, the confirmation and the repair, so that they cannot differ.
 *
 * @param walked the table that is walked; the query itself where there is no such table
 * @param key its columns that tell a row from the others
 * @param keyTypes of these, as SQL writes them
 * @param inScope rows that are looked at at all
 * @param question makes the query from a condition over the walked rows
 * @param tally the same answers for very many rows at once; empty where the question is as good
 */
public record Probe(
    Table<?> walked,
    List<Field<?>> key,
    List<String> keyTypes,
    Condition inScope,
    boolean isWalkable,
    Question question,
    Optional<Tally> tally) {
  /** Makes the query. */
  @FunctionalInterface
  public interface Question {
    /** The row's key, the evidence, whether it is in scope, whether it is wrong. */
    Select<Record4<JSONB, JSONB, Boolean, Boolean>> over(Condition rows);
  }

  /**
   * Asks first whether all is well, by queries that read indexes alone where there are such.
   *
   * @param totals how many rows there are, and for how many of them all is well
   * @param skipped how many rows are out of scope
   * @param wrong key and evidence of the rows that are wrong
   */
  public record Tally(
      Function<Condition, Select<Record2<Integer, Integer>>> totals,
      Function<Condition, Select<Record1<Integer>>> skipped,
      Function<Condition, Select<Record2<JSONB, JSONB>>> wrong) {}

  /** The query over the rows for which {@code rows} holds. */
  public Select<Record4<JSONB, JSONB, Boolean, Boolean>> over(Condition rows) {
    return question.over(rows.and(inScope));
  }
}
