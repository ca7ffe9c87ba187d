package dev.pgbelay.batch;

/** What a writer must know of its table before it writes. */
final class CatalogSql {
  /**
   * Changes with whatever a shape is made of: xmin is that of the catalog's rows. Not that of
   * pg_class, which TRUNCATE changes as well. Of a partitioned table the triggers of all partitions
   * count.
   */
  private static final String FINGERPRINT =
      """
      hashtextextended(concat_ws('|', c.relnamespace, c.relname, c.relkind, c.relhasrules,
        c.relrowsecurity, c.relforcerowsecurity,
        row_security_active(c.oid), has_database_privilege(current_database(), 'TEMP'),
        (select string_agg(concat(a.attnum, ':', a.xmin, ':',
                  (select d.xmin from pg_type d where d.oid = a.atttypid and d.typtype = 'd')),
                  ',' order by a.attnum)
         from pg_attribute a where a.attrelid = c.oid and a.attnum > 0),
        (select string_agg(concat(d.oid, ':', d.xmin), ',' order by d.oid)
         from pg_attrdef d where d.adrelid = c.oid),
        (select string_agg(concat(i.indexrelid, ':', i.xmin), ',' order by i.indexrelid)
         from pg_index i where i.indrelid = c.oid),
        (select string_agg(concat(t.oid, ':', t.xmin), ',' order by t.oid)
         from pg_trigger t
         where not t.tgisinternal
           and (t.tgrelid = c.oid
                or t.tgrelid in (select p.relid from pg_partition_tree(c.oid) p))),
        case when c.relhasrules then
          (select string_agg(concat(r.oid, ':', r.xmin), ',' order by r.oid)
           from pg_rewrite r where r.ev_class = c.oid)
        end), 0)
      """;

  static final String FIND_TABLE =
      """
      select c.oid::bigint,
             format('%I.%I', n.nspname, c.relname),
             format('%I', c.relname),
             c.relkind::text,
             coalesce((select bit_or(1 << r.ev_type::text::int) from pg_rewrite r
                       where r.ev_class = c.oid and r.ev_type <> '1' and c.relkind <> 'v'), 0),
             coalesce(row_security_active(c.oid), false),
             has_database_privilege(current_database(), 'TEMP'),
             current_setting('server_version_num')::int / 10000,
             {fingerprint},
             coalesce((select bit_or(t.tgtype::int) from pg_trigger t
                       where (t.tgrelid = c.oid
                              or t.tgrelid in (select p.relid from pg_partition_tree(c.oid) p))
                         and not t.tgisinternal and t.tgenabled <> 'D'
                         and (t.tgtype & 1) = 1 and (t.tgtype & 66) <> 0), 0),
             current_setting('search_path')
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.oid = to_regclass(?)
      """
          .replace("{fingerprint}", FINGERPRINT);

  private static final String LOOK =
      """
      select c.oid::bigint, {fingerprint}, transaction_timestamp()::text
      from pg_class c where c.oid = to_regclass(?)
      """
          .replace("{fingerprint}", FINGERPRINT);

  private static final String LOCKED_LOOK =
      """
      savepoint pgbelay_look;
      {lock};
      release savepoint pgbelay_look;
      """;

  static final String UNDO_LOOK =
      """
      rollback to savepoint pgbelay_look;
      release savepoint pgbelay_look
      """;

  /** So that the catalog writes every name with its schema, whoever uses the text later. */
  static final String QUALIFYING_PATH = "pg_catalog";

  static final String SET_PATH = "select set_config('search_path', ?, true)";

  static final String LIST_COLUMNS =
      """
      with recursive typed(attnum, typ, typmod, depth) as (
        select a.attnum, a.atttypid, a.atttypmod, 0
        from pg_attribute a
        where a.attrelid = ?::bigint::oid and a.attnum > 0 and not a.attisdropped
        union all
        select b.attnum, t.typbasetype, case when b.typmod >= 0 then b.typmod else t.typtypmod end,
               b.depth + 1
        from typed b join pg_type t on t.oid = b.typ
        where t.typtype = 'd'
      )
      select a.attname,
             a.attnum,
             a.attnotnull or wt.typnotnull,
             a.attidentity::text,
             a.attgenerated::text,
             format_type(a.atttypid, -1),
             bt.typname,
             bt.typtype::text,
             bn.nspname = 'pg_catalog',
             b.typmod,
             format_type(b.typ, b.typmod),
             case
               when a.attgenerated <> '' then null
               when a.attidentity <> '' then
                 (select format('nextval(%s::regclass)', s.oid)
                  from pg_depend d
                       join pg_class s on s.oid = d.objid and s.relkind = 'S'
                  where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass
                    and d.refobjid = a.attrelid and d.refobjsubid = a.attnum and d.deptype = 'i')
               else coalesce(
                 (select pg_get_expr(d.adbin, d.adrelid) from pg_attrdef d
                  where d.adrelid = a.attrelid and d.adnum = a.attnum),
                 wt.typdefault)
             end
      from typed b
           join pg_attribute a on a.attrelid = ?::bigint::oid and a.attnum = b.attnum
           join pg_type wt on wt.oid = a.atttypid
           join pg_type bt on bt.oid = b.typ
           join pg_namespace bn on bn.oid = bt.typnamespace
      where bt.typtype <> 'd'
      order by a.attnum
      """;

  /** {@code indnullsnotdistinct} came with 15; read through json so that 14 can answer too. */
  static final String LIST_UNIQUE_INDEXES =
      """
      select c.relname,
             i.indisprimary,
             i.indimmediate,
             i.indisexclusion,
             coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false),
             pg_get_expr(i.indpred, i.indrelid),
             array(select k.attnum::int
                   from unnest(i.indkey::int2[]) with ordinality k(attnum, n)
                   where k.n <= i.indnkeyatts order by k.n),
             array(select pg_get_indexdef(i.indexrelid, k.n::int, true)
                   from generate_series(1, i.indnkeyatts) k(n) order by k.n),
             array(select case when k.coll = 0 then ''
                               else (select format('%I.%I', cn.nspname, co.collname)
                                     from pg_collation co
                                          join pg_namespace cn on cn.oid = co.collnamespace
                                     where co.oid = k.coll) end
                   from unnest(i.indcollation::oid[]) with ordinality k(coll, n)
                   where k.n <= i.indnkeyatts order by k.n),
             array(select distinct d.refobjsubid
                   from pg_depend d
                   where d.classid = 'pg_class'::regclass and d.objid = i.indexrelid
                     and d.refclassid = 'pg_class'::regclass and d.refobjid = i.indrelid
                     and d.refobjsubid > 0
                     and not exists (select from unnest(i.indkey::int2[]) with ordinality k(c, n)
                                     where k.n > i.indnkeyatts and k.c = d.refobjsubid))
      from pg_index i join pg_class c on c.oid = i.indexrelid
      where i.indrelid = ?::bigint::oid and i.indisunique and i.indisvalid and i.indislive
      order by i.indisprimary desc, c.relname
      """;

  private CatalogSql() {}

  /**
   * What the table is now.
   *
   * @param lock a statement that locks it and does nothing else; empty for none
   */
  static String look(String lock) {
    return lock.isEmpty() ? LOOK : LOCKED_LOOK.replace("{lock}", lock) + LOOK;
  }
}
