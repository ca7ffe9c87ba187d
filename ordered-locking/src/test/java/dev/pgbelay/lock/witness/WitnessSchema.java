package dev.pgbelay.lock.witness;

import dev.pgbelay.testing.TemplateInitializer;
import java.sql.Connection;
import java.sql.Statement;

/** Tables with every kind of key and reference that the witness must know of. */
final class WitnessSchema {
  static final TemplateInitializer TABLES =
      dataSource -> {
        try (Connection connection = dataSource.getConnection();
            Statement statement = connection.createStatement()) {
          statement.execute(
              """
              create table account(id bigint primary key, email text unique, owner text,
                                   balance bigint not null default 0);
              create table ledger(id bigint generated always as identity primary key,
                                  account_id bigint references account, amount bigint);
              create table stock(id int primary key, item text, quantity int not null default 0);
              create table customer(id uuid primary key, name text);
              create table orders(id bigint primary key, customer_id uuid references customer,
                                  note text);
              create table order_line(order_id bigint references orders on delete cascade,
                                      position int, stock_id int references stock, quantity int,
                                      primary key (order_id, position));
              create table code_c(code text collate "C" primary key, n int);
              create table code_icu(code text collate "en-x-icu" primary key, n int);
              create table price(id numeric primary key, n int);
              create table event(id int, region int, n int, primary key (id, region))
                partition by list (region);
              create table event_1 partition of event for values in (1);
              create table invoice(id bigint primary key,
                                   account_id bigint references account
                                     deferrable initially deferred);
              create view rich_account as select * from account where balance > 1000;
              create schema side;
              create table side.stock(id int primary key, n int);
              insert into account(id, email, balance)
                select n, 'owner' || n || '@example.org', 100 from generate_series(1, 20) n;
              insert into ledger(account_id, amount) select n, n from generate_series(1, 20) n;
              insert into stock select n, 'item ' || n, 100 from generate_series(1, 20) n;
              insert into side.stock select n, n from generate_series(1, 20) n;
              insert into customer values
                ('00000000-0000-0000-0000-000000000001', 'low'),
                ('7fffffff-0000-0000-0000-000000000000', 'middle'),
                ('80000000-0000-0000-0000-000000000000', 'high');
              insert into orders
                select n, '00000000-0000-0000-0000-000000000001', '' from generate_series(1, 20) n;
              insert into order_line select n, 1, n, 1 from generate_series(1, 20) n;
              insert into code_c values ('a', 1), ('B', 1), ('c', 1);
              insert into code_icu values ('a', 1), ('B', 1), ('c', 1);
              insert into price select n, n from generate_series(1, 20) n;
              insert into event select n, 1, n from generate_series(1, 20) n;
              """);
        }
      };

  private WitnessSchema() {}
}
