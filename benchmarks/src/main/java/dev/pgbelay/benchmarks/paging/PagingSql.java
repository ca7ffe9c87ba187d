package dev.pgbelay.benchmarks.paging;

/**
 * Every hand-written way to page through the events of one account, by shape of the order. The size
 * of a page is a literal: with a bound LIMIT the server does not know how cheap the generic plan is
 * and plans every execution anew. {@code order by resolved_at, id} where all {@code resolved_at}
 * are NULL: only this spelling tells the planner that the index is in order.
 */
final class PagingSql {
  static final String UNIFORM_FIRST =
      """
      select id, account_id, created_at, status, resolved_at, amount, payload
      from events
      where account_id = ?
      order by created_at desc, id desc
      limit 50
      """;

  static final String UNIFORM_OFFSET =
      """
      select id, account_id, created_at, status, resolved_at, amount, payload
      from events
      where account_id = ?
      order by created_at desc, id desc
      limit ?
      offset ?
      """;

  static final String UNIFORM_ROW_VALUE =
      """
      select id, account_id, created_at, status, resolved_at, amount, payload
      from events
      where account_id = ? and (created_at, id) < (?, ?)
      order by created_at desc, id desc
      limit 50
      """;

  static final String UNIFORM_REDUNDANT_BOUND =
      """
      select id, account_id, created_at, status, resolved_at, amount, payload
      from events
      where account_id = ? and created_at <= ? and (created_at < ? or id < ?)
      order by created_at desc, id desc
      limit 50
      """;

  static final String UNIFORM_OR =
      """
      select id, account_id, created_at, status, resolved_at, amount, payload
      from events
      where account_id = ? and (created_at < ? or (created_at = ? and id < ?))
      order by created_at desc, id desc
      limit 50
      """;

  static final String MIXED_FIRST =
      """
      select id, account_id, created_at, status, resolved_at, amount, payload
      from events
      where account_id = ?
      order by created_at desc, id
      limit 50
      """;

  static final String MIXED_OFFSET =
      """
      select id, account_id, created_at, status, resolved_at, amount, payload
      from events
      where account_id = ?
      order by created_at desc, id
      limit ?
      offset ?
      """;

  static final String MIXED_BRANCHES =
      """
      (
        select id, account_id, created_at, status, resolved_at, amount, payload
        from events
        where account_id = ? and created_at = ? and id > ?
        order by id
        limit 50
      )
      union all
      (
        select id, account_id, created_at, status, resolved_at, amount, payload
        from events
        where account_id = ? and created_at < ?
        order by created_at desc, id
        limit 50
      )
      order by created_at desc, id
      limit 50
      """;

  static final String MIXED_REDUNDANT_BOUND =
      """
      select id, account_id, created_at, status, resolved_at, amount, payload
      from events
      where account_id = ? and created_at <= ? and (created_at < ? or id > ?)
      order by created_at desc, id
      limit 50
      """;

  static final String MIXED_OR =
      """
      select id, account_id, created_at, status, resolved_at, amount, payload
      from events
      where account_id = ? and (created_at < ? or (created_at = ? and id > ?))
      order by created_at desc, id
      limit 50
      """;

  static final String LOW_CARDINALITY_FIRST =
      """
      select id, account_id, created_at, status, resolved_at, amount, payload
      from events
      where account_id = ?
      order by status, id desc
      limit 50
      """;

  static final String LOW_CARDINALITY_OFFSET =
      """
      select id, account_id, created_at, status, resolved_at, amount, payload
      from events
      where account_id = ?
      order by status, id desc
      limit ?
      offset ?
      """;

  static final String LOW_CARDINALITY_BRANCHES =
      """
      (
        select id, account_id, created_at, status, resolved_at, amount, payload
        from events
        where account_id = ? and status = ? and id < ?
        order by id desc
        limit 50
      )
      union all
      (
        select id, account_id, created_at, status, resolved_at, amount, payload
        from events
        where account_id = ? and status > ?
        order by status, id desc
        limit 50
      )
      order by status, id desc
      limit 50
      """;

  static final String LOW_CARDINALITY_REDUNDANT_BOUND =
      """
      select id, account_id, created_at, status, resolved_at, amount, payload
      from events
      where account_id = ? and status >= ? and (status > ? or id < ?)
      order by status, id desc
      limit 50
      """;

  static final String LOW_CARDINALITY_OR =
      """
      select id, account_id, created_at, status, resolved_at, amount, payload
      from events
      where account_id = ? and (status > ? or (status = ? and id < ?))
      order by status, id desc
      limit 50
      """;

  static final String NULLABLE_FIRST =
      """
      select id, account_id, created_at, status, resolved_at, amount, payload
      from events
      where account_id = ?
      order by resolved_at nulls last, id
      limit 50
      """;

  static final String NULLABLE_OFFSET =
      """
      select id, account_id, created_at, status, resolved_at, amount, payload
      from events
      where account_id = ?
      order by resolved_at nulls last, id
      limit ?
      offset ?
      """;

  static final String NULLABLE_BRANCHES =
      """
      (
        select id, account_id, created_at, status, resolved_at, amount, payload
        from events
        where account_id = ? and (resolved_at, id) > (?, ?)
        order by resolved_at, id
        limit 50
      )
      union all
      (
        select id, account_id, created_at, status, resolved_at, amount, payload
        from events
        where account_id = ? and resolved_at is null
        order by resolved_at, id
        limit 50
      )
      order by resolved_at nulls last, id
      limit 50
      """;

  static final String NULLABLE_INSIDE_NULLS =
      """
      select id, account_id, created_at, status, resolved_at, amount, payload
      from events
      where account_id = ? and resolved_at is null and id > ?
      order by resolved_at, id
      limit 50
      """;

  static final String NULLABLE_OR =
      """
      select id, account_id, created_at, status, resolved_at, amount, payload
      from events
      where account_id = ? and (resolved_at > ? or (resolved_at = ? and id > ?) or resolved_at is null)
      order by resolved_at nulls last, id
      limit 50
      """;

  private PagingSql() {}
}
