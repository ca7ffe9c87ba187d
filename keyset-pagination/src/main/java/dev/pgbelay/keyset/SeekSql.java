package dev.pgbelay.keyset;

import static org.jooq.impl.DSL.noCondition;
import static org.jooq.impl.DSL.param;

import dev.pgbelay.keyset.PageStatement.FilterSlot;
import dev.pgbelay.keyset.PageStatement.KeySlot;
import dev.pgbelay.keyset.PageStatement.LeadArraySlot;
import dev.pgbelay.keyset.PageStatement.Limit;
import dev.pgbelay.keyset.PageStatement.LimitSlot;
import dev.pgbelay.keyset.PageStatement.Slot;
import java.util.ArrayList;
import java.util.List;
import org.jooq.Condition;
import org.jooq.Field;
import org.jooq.Param;
import org.jooq.RowN;
import org.jooq.Select;
import org.jooq.SortField;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;

/** Narrows a select to one branch: its conditions, its order, its limit. */
final class SeekSql {
  private static final String KEY_PARAM = "pgbelay_k";
  private static final String ARRAY_PARAM = "pgbelay_lead";
  private static final String LIMIT_PARAM = "pgbelay_limit_";

  private final List<SortKey> keys;
  private final boolean leadAsArray;

  SeekSql(List<SortKey> keys, boolean leadAsArray) {
    this.keys = keys;
    this.leadAsArray = leadAsArray && keys.get(0).type().fitsIntoAnArray();
  }

  /** A branch's rows, in the order of a walk, the first {@code limit} of them. */
  Select<?> ordered(
      Select<?> select, SeekBranch branch, boolean backward, Field<? extends Number> limit) {
    Condition where = noCondition();
    for (SeekBranch.Term term : branch.terms()) {
      where = where.and(condition(term, backward));
    }
    List<SortField<?>> order = new ArrayList<>();
    for (SortKey key : keys) {
      order.add((backward ? key.flipped() : key).orderBy());
    }
    Condition filters = select.$where();
    Condition all = filters == null ? where : filters.and(where);
    return select.$where(all).$orderBy(order).$limit(limit);
  }

  private Condition condition(SeekBranch.Term term, boolean backward) {
    SortKey first = keys.get(term.first());
    return switch (term.kind()) {
      case IS_NULL -> first.field().isNull();
      case IS_NOT_NULL -> first.field().isNotNull();
      case EQUAL -> {
        Condition equal = noCondition();
        for (int k = term.first(); k <= term.last(); k++) {
          Field<Object> key = untyped(keys.get(k).field());
          equal =
              equal.and(
                  k == 0 && leadAsArray
                      ? DSL.condition("{0} = any ({1})", key, param(ARRAY_PARAM, SQLDataType.OTHER))
                      : key.eq(keyParam(k)));
        }
        yield equal;
      }
      case BEYOND, AT_OR_BEYOND ->
          compare(term, first.descending() != backward, term.kind() == SeekBranch.Term.Kind.BEYOND);
    };
  }

  private Condition compare(SeekBranch.Term term, boolean descending, boolean strict) {
    List<Field<?>> compared = new ArrayList<>();
    List<Field<?>> values = new ArrayList<>();
    for (int k = term.first(); k <= term.last(); k++) {
      compared.add(keys.get(k).field());
      values.add(keyParam(k));
    }
    if (compared.size() == 1) {
      Field<Object> key = untyped(compared.get(0));
      Field<Object> value = untyped(values.get(0));
      if (descending) {
        return strict ? key.lt(value) : key.le(value);
      }
      return strict ? key.gt(value) : key.ge(value);
    }
    RowN left = DSL.row(compared);
    RowN right = DSL.row(values);
    if (descending) {
      return strict ? left.lt(right) : left.le(right);
    }
    return strict ? left.gt(right) : left.ge(right);
  }

  /** Comparisons here are with untyped parameters: the server takes the type from the key. */
  @SuppressWarnings("unchecked")
  private static Field<Object> untyped(Field<?> field) {
    return (Field<Object>) field;
  }

  private static Param<Object> keyParam(int key) {
    return param(KEY_PARAM + (key + 1), SQLDataType.OTHER);
  }

  /** A limit that is written into the text as a number. */
  static Param<Long> limit(Limit limit) {
    return param(LIMIT_PARAM + limit, SQLDataType.BIGINT);
  }

  /** What a parameter of a rendered statement stands for. */
  static Slot slot(Param<?> param) {
    String name = param.getParamName();
    if (name != null && name.startsWith(KEY_PARAM)) {
      return new KeySlot(Integer.parseInt(name.substring(KEY_PARAM.length())) - 1);
    }
    if (ARRAY_PARAM.equals(name)) {
      return new LeadArraySlot();
    }
    if (name != null && name.startsWith(LIMIT_PARAM)) {
      return new LimitSlot(Limit.valueOf(name.substring(LIMIT_PARAM.length())));
    }
    return new FilterSlot(param);
  }
}
