package dev.pgbelay.lock.witness;

import dev.pgbelay.testing.TemplateInitializer;
import java.sql.Connection;
import java.sql.Statement;

/** What is rarer than the tables of {@link WitnessSchema}, beside them. */
final class UnusualSchema {
  static final TemplateInitializer TABLES =
      dataSource -> {
        WitnessSchema.TABLES.initialize(dataSource);
        try (Connection connection = dataSource.getConnection();
            Statement statement = connection.createStatement()) {
          statement.execute(
              """
              create table tree(id int primary key, parent int references tree);
              create table reading(id int, region int, account_id bigint references account,
                                   n int, primary key (id, region)) partition by list (region);
              create table reading_1 partition of reading for values in (1);
              create table site(id int, region int, primary key (id, region))
                partition by list (region);
              create table site_1 partition of site for values in (1);
              create table visit(id int primary key, site int, region int,
                                 foreign key (site, region) references site on delete cascade);
              create table "Quoted Table"(id int primary key, "N" int);
              create table pg_like(id int primary key, n int);
              insert into tree values (1, null);
              insert into reading select n, 1, n, n from generate_series(1, 5) n;
              insert into site select n, 1 from generate_series(1, 5) n;
              insert into visit select n, n, 1 from generate_series(1, 5) n;
              insert into "Quoted Table" values (1, 1), (2, 2);
              insert into pg_like values (1, 1);
              """);
        }
      };

  private UnusualSchema() {}
}
