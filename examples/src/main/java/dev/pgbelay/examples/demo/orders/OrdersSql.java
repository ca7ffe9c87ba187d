package dev.pgbelay.examples.demo.orders;

/** The statements that make the demo's data on the server, where no row has to cross the wire. */
final class OrdersSql {

  static final String CREATE_SCHEMA =
      """
      CREATE SCHEMA shop
      """;

  static final String CREATE_ORDERS =
      """
      CREATE TABLE shop.orders (
        id          bigint         NOT NULL,
        customer_id bigint         NOT NULL,
        status      text           NOT NULL,
        created_at  timestamptz    NOT NULL,
        shipped_at  timestamptz,
        total       numeric(12, 2) NOT NULL
      )
      """;

  /** Makes random() repeatable for the next statement of this connection. */
  static final String SEED_RANDOM =
      """
      SELECT setseed(?)
      """;

  /**
   * Binds: days that the data spans / rows, customers, first id, last id. One order in twenty
   * belongs to an import and has its created_at in common with 999 others, because now() is the
   * start of the transaction. Raising the number of customers to a random power between 0 and 1
   * makes the k-th customer's share proportional to 1/k.
   */
  static final String INSERT_CHUNK =
      """
      INSERT INTO shop.orders (id, customer_id, status, created_at, shipped_at, total)
      SELECT id, customer_id, status, created_at,
             CASE WHEN status IN ('delivered', 'shipped', 'returned')
                  THEN date_trunc('minute', created_at + interval '4 days' * r_shipped) END,
             (5 + 400 * r_total * r_total)::numeric(12, 2)
        FROM (SELECT id,
                     floor(power(customers, r_customer))::bigint AS customer_id,
                     CASE WHEN r_status < 0.780 THEN 'delivered'
                          WHEN r_status < 0.880 THEN 'shipped'
                          WHEN r_status < 0.900 THEN 'returned'
                          WHEN r_status < 0.945 THEN 'paid'
                          WHEN r_status < 0.980 THEN 'cancelled'
                          ELSE 'new' END AS status,
                     timestamptz '2025-01-01 00:00:00+00'
                       + CASE WHEN id % 20000 < 1000
                              THEN step * (id - id % 20000)
                              ELSE step * id + interval '10 minutes' * r_created END AS created_at,
                     r_shipped, r_total
                FROM (SELECT id, interval '1 day' * p.days AS step, p.customers,
                             random() AS r_customer, random() AS r_status, random() AS r_created,
                             random() AS r_shipped, random() AS r_total
                        FROM (SELECT ?::float8 AS days, ?::float8 AS customers) p,
                             generate_series(?::bigint, ?::bigint) id
                       OFFSET 0) dice) shaped
      """;

  static final String ADD_PRIMARY_KEY =
      """
      ALTER TABLE shop.orders ADD PRIMARY KEY (id)
      """;

  static final String INDEX_NEWEST_FIRST =
      """
      CREATE INDEX orders_newest_first ON shop.orders (created_at DESC, id DESC)
      """;

  static final String INDEX_STATUS_NEWEST_FIRST =
      """
      CREATE INDEX orders_status_newest_first ON shop.orders (status, created_at DESC, id DESC)
      """;

  static final String INDEX_SHIPPED =
      """
      CREATE INDEX orders_shipped ON shop.orders (shipped_at, id)
      """;

  static final String VACUUM =
      """
      VACUUM (ANALYZE) shop.orders
      """;

  private OrdersSql() {}
}
