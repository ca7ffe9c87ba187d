package dev.pgbelay.batch;

import java.util.List;

/** The statements of {@link BatchWriter}; {@link ShapeSql} fills in tables, columns and keys. */
final class WriteSql {
  /** Fails, for there is none of that name. */
  static final String ABORT = "rollback to savepoint pgbelay_rows_that_must_not_stay";

  private static final String SAVEPOINT = "savepoint ";
  private static final String RELEASE = "release savepoint ";
  private static final String ROLLBACK = "rollback to savepoint ";

  static final String INPUT_UNNEST =
      """
      select {exprs}, i.pgbelay_ord
      from unnest({arrays}) with ordinality as i({names}, pgbelay_ord)
      """;

  static final String INPUT_STAGE =
      """
      select {exprs}, i.pgbelay_ord
      from {stage} as i
      where i.pgbelay_ord >= {from} and i.pgbelay_ord < {to}
        and i.pgbelay_ord <> all ({excluded}::bigint[])
      """;

  /** Planned and not run: takes the lock that the write will take, and asks for its privilege. */
  static final String LOCK_FOR_INSERT = "explain (costs off) insert into {table} default values";

  static final String LOCK_FOR_UPDATE =
      "explain (costs off) update {table} set {column} = default where false";

  static final String LOCK_FOR_DELETE = "explain (costs off) delete from {table} where false";

  static final String CREATE_STAGE =
      """
      create temporary table {stage} ({definitions}, pgbelay_ord bigint) on commit drop
      """;

  static final String DROP_STAGE = "drop table {stage}";

  static final String COPY = "copy {table} ({names}) from stdin (format binary)";

  static final String INSERT_ALL =
      """
      insert into {table} ({columns})
      select {exprs} from unnest({arrays}) as i({names})
      """;

  static final String INSERT_MERGE =
      """
      merge into {table} using ({input}) as s on false
      when not matched then insert ({columns}) values ({values})
      returning s.pgbelay_ord, 0 as pgbelay_code{returned}
      """;

  static final String INSERT_JOIN =
      """
      with s as materialized (select i.*{generated} from ({input}) as i),
      w as (
        insert into {table} ({columns}{generatedColumns}) {overriding}
        select {values}{generatedValues} from s
        returning {keys}{returning}
      )
      select s.pgbelay_ord, 0 as pgbelay_code{returned}, c.pgbelay_count
      from (select count(*) as pgbelay_count from w) as c left join (w join s on {join}) on true
      """;

  static final String KEYED = "select i.*{keys} from ({input}) as i";

  static final String GROUPED =
      """
      select i.*, min(i.pgbelay_ord) over (partition by {distinct}) as pgbelay_first
      from ({keyed}) as i
      """;

  static final String GROUPS = "i.pgbelay_first >= {first} and i.pgbelay_first < {end}";

  static final String LIST_GROUP =
      """
      select i.pgbelay_ord from ({grouped}) as i
      where i.pgbelay_first = {first} order by i.pgbelay_ord
      """;

  /** Materialized, so that every column of every row is computed. */
  static final String EVALUATE = "with i as materialized ({keyed}) select count(*) from i";

  static final String ALL_ROWS = "s as {materialized} ({keyed})";

  static final String DISTINCT_ROWS =
      """
      s as {materialized} (
        select distinct on ({distinct}) i.* from ({rows}) as i {where}
        order by {distinct}, i.pgbelay_ord {direction}
      )
      """;

  static final String FOLDED_ROWS =
      """
      i as materialized (
        select i.*, row_number() over same_key as pgbelay_rn,
               first_value(i.pgbelay_ord) over same_key as pgbelay_first
        from ({keyed}) as i
        window same_key as (partition by {distinct} order by i.pgbelay_ord)
      ),
      f as (
        select {columns}{keys}, i.pgbelay_ord, i.pgbelay_rn, i.pgbelay_first
        from i where i.pgbelay_rn = 1{range}
        union all
        select {folded}{foldedKeys}, f.pgbelay_ord, i.pgbelay_rn, f.pgbelay_first
        from f join i on i.pgbelay_first = f.pgbelay_first and i.pgbelay_rn = f.pgbelay_rn + 1
      ),
      s as materialized (
        select distinct on (f.pgbelay_first) f.* from f
        order by f.pgbelay_first, f.pgbelay_rn desc
      )
      """;

  static final String UPSERT_COUNTED =
      """
      with recursive {s}
      insert into {table} ({columns})
      select {values} from s order by {order}
      on conflict ({target}){predicate} {action}
      """;

  static final String UPSERT_PAIRED =
      """
      with recursive {s},
      w as (
        insert into {table} ({columns})
        select {values} from s order by {order}
        on conflict ({target}){predicate} {action}
        returning {keys}, {inserted} as pgbelay_new{returning}
      )
      select s.pgbelay_ord, {code}{returned}, (select count(*) from w)
      from s left join w on {join}
      """;

  static final String DO_NOTHING = "do nothing";
  static final String DO_UPDATE = "do update set {sets}{where}";

  static final String CLASSIFY_UPSERT =
      """
      with recursive {s}
      select excluded.pgbelay_ord, {table}.xmax = 0, {changed}
      from s as excluded join {only}{table} on {join}
      """;

  static final String LOCKED =
      """
      pgbelay_l as materialized (
        select excluded.*{changed} from {s} as excluded join {only}{table} on {join}
        {lock}
      )
      """;

  static final String LOCK_IN_ORDER = "order by {order} for {strength} of {alias}";

  static final String UPDATE_COUNTED =
      """
      with {l}
      update {only}{table} set {sets} from pgbelay_l as excluded where {join}
      """;

  static final String UPDATE_COUNTED_UNORDERED =
      """
      update {only}{table} set {sets} from ({input}) as excluded where {join}
      """;

  static final String UPDATE_PAIRED =
      """
      with recursive {s},
      {l},
      pgbelay_u as (
        update {only}{table} set {sets} from pgbelay_l as excluded where {join}{where}
        returning excluded.pgbelay_ord{returning}
      )
      select s.pgbelay_ord,
             case when u.pgbelay_ord is not null then 1
                  when l.pgbelay_ord is null then 3
                  else {missing} end{returned}
      from s left join pgbelay_l as l on l.pgbelay_ord = s.pgbelay_ord
             left join pgbelay_u as u on u.pgbelay_ord = s.pgbelay_ord
      """;

  static final String DELETE_COUNTED =
      """
      with {l}
      delete from {only}{table} using pgbelay_l as excluded where {join}
      """;

  static final String DELETE_COUNTED_UNORDERED =
      """
      delete from {only}{table} using ({input}) as excluded where {join}
      """;

  static final String DELETE_PAIRED =
      """
      with recursive {s},
      {l},
      pgbelay_u as (
        delete from {only}{table} using pgbelay_l as excluded where {join}{where}
        returning excluded.pgbelay_ord{returning}
      )
      select s.pgbelay_ord, case when u.pgbelay_ord is not null then 5 else 3 end{returned}
      from s left join pgbelay_u as u on u.pgbelay_ord = s.pgbelay_ord
      """;

  private WriteSql() {}

  /** Several, the outermost first. */
  static String savepoints(List<String> names) {
    return SAVEPOINT + String.join(";\n" + SAVEPOINT, names);
  }

  static String release(String name) {
    return RELEASE + name;
  }

  static String rollback(String name) {
    return ROLLBACK + name;
  }

  /** Back to the savepoint, which is forgotten. */
  static String undo(String name) {
    return rollback(name) + ";\n" + release(name);
  }

  /** In one message: nothing is waited for between a savepoint and the statement it guards. */
  static String guarded(String before, String statement, String after) {
    return before + statement + (after.isEmpty() ? "" : ";\n" + after);
  }
}
