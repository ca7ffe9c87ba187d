package dev.pgbelay.batch.chunk;

import static dev.pgbelay.batch.chunk.ChunkFixture.doubled;
import static dev.pgbelay.batch.chunk.ChunkFixture.effects;
import static dev.pgbelay.batch.chunk.ChunkFixture.fill;
import static dev.pgbelay.batch.chunk.ChunkFixture.leftOut;
import static dev.pgbelay.batch.chunk.ChunkFixture.started;
import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.testing.PgBouncer;
import dev.pgbelay.testing.PostgresDatabase;
import dev.pgbelay.testing.PostgresExtension;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.jooq.DSLContext;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Two server connections for all: whatever stays behind on a session is met by somebody else. */
class ChunkedJobPgBouncerTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ChunkFixture.SCHEMA);

  @Test
  void jobsThroughTransactionPooling_workOnEachRowOnceAndLeaveNoSettingBehind() throws Exception {
    PostgresDatabase database = postgres.database();
    HikariConfig config = new HikariConfig();
    config.setMaximumPoolSize(8);
    try (PgBouncer bouncer = PgBouncer.inFrontOf(database.cluster().primary(), 2)) {
      config.setJdbcUrl(bouncer.jdbcUrl(database.name()) + "&prepareThreshold=0");
      try (HikariDataSource pool = new HikariDataSource(config)) {
        DSLContext direct = ChunkFixture.dsl(postgres.dataSource());
        fill(direct, 3_000);
        List<CompletableFuture<ChunkReport>> jobs = new ArrayList<>();
        for (int tenant = 0; tenant < 3; tenant++) {
          ChunkedJob job =
              effects(Transactions.of(pool), "bounced-" + tenant)
                  .where(ChunkFixture.ID.mod(3).eq((long) tenant))
                  .throttle(ThrottleSignal.defaults())
                  .chunkRows(20, 1, 20)
                  .build();
          jobs.add(started(job::run));
        }
        for (CompletableFuture<ChunkReport> job : jobs) {
          assertThat(job.join().rows()).isEqualTo(1_000);
        }

        assertThat(leftOut(direct)).isZero();
        assertThat(doubled(direct)).isZero();
        DSLContext bounced = ChunkFixture.dsl(pool);
        for (int i = 0; i < 10; i++) {
          assertThat(
                  bounced
                      .fetchSingle(
                          "select current_setting('idle_in_transaction_session_timeout') ||"
                              + " current_setting('lock_timeout') ||"
                              + " current_setting('statement_timeout')")
                      .get(0))
              .isEqualTo("000");
        }
      }
    }
  }
}
