package dev.pgbelay.examples.demo.reconcile;

final class RulesSql {
  static final String CREATE_HOT =
      """
      DROP TABLE IF EXISTS shop.hot_child_key, shop.hot_child, shop.hot_parent;
      CREATE TABLE shop.hot_parent (id bigint PRIMARY KEY, name text NOT NULL);
      INSERT INTO shop.hot_parent VALUES (1, 'everybody''s');
      CREATE TABLE shop.hot_child_key (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                                       parent bigint NOT NULL REFERENCES shop.hot_parent);
      CREATE TABLE shop.hot_child (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, parent bigint NOT NULL)
      """;

  static final String INSERT_WITH_KEY = "INSERT INTO shop.hot_child_key (parent) VALUES (1)";
  static final String INSERT = "INSERT INTO shop.hot_child (parent) VALUES (1)";
  static final String LOCK = "SELECT name FROM shop.hot_parent WHERE id = 1 FOR UPDATE";

  static final String CREATE_RULES =
      """
      DROP TABLE IF EXISTS shop.rule_line, shop.rule_order, shop.rule_customer;
      CREATE TABLE shop.rule_customer (id bigint PRIMARY KEY);
      CREATE TABLE shop.rule_order (id bigint PRIMARY KEY, customer_id bigint, status text NOT NULL,
                                    total numeric NOT NULL);
      CREATE TABLE shop.rule_line (id bigint PRIMARY KEY, order_id bigint NOT NULL, amount numeric NOT NULL);
      INSERT INTO shop.rule_customer SELECT generate_series(1, 20000);
      INSERT INTO shop.rule_order SELECT n, n, 'paid', 20.00 FROM generate_series(1, 20000) n;
      INSERT INTO shop.rule_line SELECT n, 1 + n % 20000, 10.00 FROM generate_series(1, 40000) n;
      CREATE INDEX ON shop.rule_order (customer_id);
      CREATE INDEX ON shop.rule_line (order_id);
      """;

  static final String ANALYZE = "ANALYZE shop.rule_customer, shop.rule_order, shop.rule_line";

  /** Every 500th customer is deleted, every 300th total lost; nine services, nine spellings. */
  static final String NEGLECT =
      """
      DELETE FROM shop.rule_customer WHERE id % 500 = 1;
      UPDATE shop.rule_order SET total = total + 0.10 WHERE id % 300 = 2;
      UPDATE shop.rule_order
         SET status = (ARRAY['canceled', 'Cancelled', 'CANCELLED', 'cancel', 'CANCELED', 'Canceled',
                             'cancelled ', 'cancelld', 'storno'])[1 + id % 9]
       WHERE id % 250 = 3
      """;

  static final String COUNT_ORPHANS =
      """
      SELECT count(*) FROM shop.rule_order o
       WHERE NOT EXISTS (SELECT FROM shop.rule_customer c WHERE c.id = o.customer_id)
      """;

  static final String COUNT_WRONG_TOTALS =
      """
      SELECT count(*) FROM shop.rule_order o
       WHERE o.total <> (SELECT coalesce(sum(l.amount), 0) FROM shop.rule_line l WHERE l.order_id = o.id)
      """;

  static final String COUNT_STATUSES =
      """
      SELECT count(*) FROM shop.rule_order WHERE status NOT IN ('open', 'paid', 'cancelled')
      """;

  static final String CANCEL =
      """
      UPDATE shop.rule_order SET status = 'cancelled' WHERE id = CAST(CAST({0} AS jsonb) ->> 0 AS bigint)
      """;

  private RulesSql() {}
}
