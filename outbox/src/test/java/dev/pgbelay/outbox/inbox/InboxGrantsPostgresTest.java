package dev.pgbelay.outbox.inbox;

import static dev.pgbelay.outbox.inbox.Inbox.Outcome.DUPLICATE;
import static dev.pgbelay.outbox.inbox.Inbox.Outcome.PROCESSED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.Failures;
import dev.pgbelay.testing.PostgresExtension;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.stream.IntStream;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The grants of the guide are enough, and a consumer without one of them is refused. */
class InboxGrantsPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(InboxFixture.SCHEMA);

  private static final List<String> CONSUMER =
      List.of(
          "INSERT ON pgbelay.inbox_mark",
          "SELECT ON pgbelay.inbox_mark",
          "INSERT ON pgbelay.inbox_other_mark",
          "SELECT ON pgbelay.inbox_other_mark");

  private final InboxFixture owner = new InboxFixture(postgres.dataSource());

  private interface AsRole {
    void run(InboxFixture fixture) throws Exception;
  }

  private static void withGrants(List<String> grants, AsRole test) throws Exception {
    DSLContext dsl = DSL.using(postgres.dataSource(), SQLDialect.POSTGRES);
    String role = "r" + UUID.randomUUID().toString().replace("-", "");
    dsl.execute("create role " + role + " login");
    try {
      dsl.execute("grant usage on schema pgbelay to " + role);
      dsl.execute("grant insert on effect to " + role);
      for (String grant : grants) {
        dsl.execute("grant " + grant + " to " + role);
      }
      HikariConfig config = new HikariConfig();
      config.setJdbcUrl(postgres.jdbcUrl());
      config.setMaximumPoolSize(3);
      config.setConnectionInitSql("set role " + role);
      try (HikariDataSource pool = new HikariDataSource(config)) {
        test.run(new InboxFixture(pool));
      }
    } finally {
      dsl.execute("drop owned by " + role);
      dsl.execute("drop role " + role);
    }
  }

  @Test
  void consumer_needsSelectAndInsertOnBothTables() throws Exception {
    withGrants(
        CONSUMER,
        fixture -> {
          for (int age : List.of(0, 6, 99)) {
            String id = owner.bornDaysAgo(age);
            assertThat(fixture.process(id)).isEqualTo(PROCESSED);
            assertThat(fixture.process(id)).isEqualTo(DUPLICATE);
          }
        });
  }

  @Test
  void consumerWithoutOneOfThem_isRefused() throws Exception {
    for (String missing : CONSUMER) {
      List<String> less = new ArrayList<>(CONSUMER);
      less.remove(missing);
      withGrants(
          less,
          fixture ->
              assertThatThrownBy(() -> fixture.process(owner.bornDaysAgo(6)))
                  .as(missing)
                  .satisfies(
                      e -> assertThat(Failures.classify(e)).isEqualTo(FailureKind.NOT_PERMITTED)));
    }
  }

  @Test
  void retention_needsTruncateOnTheDaysAndDeleteOnTheOthers() throws Exception {
    List<String> grants = new ArrayList<>();
    grants.add("SELECT ON pgbelay.inbox_mark");
    grants.add("SELECT, DELETE ON pgbelay.inbox_other_mark");
    grants.add("SELECT, INSERT, UPDATE, DELETE ON pgbelay.chunk_job");
    IntStream.range(0, MarkDays.SLOTS)
        .forEach(slot -> grants.add("TRUNCATE ON pgbelay.inbox_mark_%02d".formatted(slot)));
    owner.process(owner.bornDaysAgo(0));
    owner.process("any");
    withGrants(
        grants,
        fixture -> {
          assertThat(fixture.inbox.ahead(16).retention(fixture.transactions).emptyDays().emptied())
              .isGreaterThanOrEqualTo(1);
          fixture.inbox.retention(fixture.transactions).purge().build().run();
        });
  }
}
