package dev.pgbelay.lock.hotrow;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.testing.TemplateInitializer;
import java.sql.Connection;
import java.sql.Statement;
import java.time.Duration;
import javax.sql.DataSource;

final class HotRowSchema {
  static final TemplateInitializer TABLES =
      dataSource -> {
        SchemaInstaller.builder(dataSource).modules("hotrow").build().install();
        try (Connection connection = dataSource.getConnection();
            Statement statement = connection.createStatement()) {
          statement.execute(
              """
              create extension citext;
              create table seat(id bigint primary key, quantity int not null check (quantity >= 0));
              create table part(code citext primary key, quantity bigint not null);
              create table ticket(id uuid primary key, quantity smallint not null);
              """);
        }
      };

  private HotRowSchema() {}

  /** Runs again, as often as it takes, what others were quicker at. */
  static Transactions patient(DataSource dataSource) {
    return Transactions.builder(dataSource)
        .retry(
            TxOptions.Retry.defaults().withMaxAttempts(100).withMaxElapsed(Duration.ofMinutes(2)))
        .build();
  }
}
