package dev.pgbelay.examples;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.jobqueue.JobKind;
import dev.pgbelay.jobqueue.JobOutcome;
import dev.pgbelay.jobqueue.JobQueue;
import dev.pgbelay.jobqueue.JobWorker;
import dev.pgbelay.jobqueue.JobWorkerBuilder;
import dev.pgbelay.jobqueue.RetryPolicy;
import dev.pgbelay.jobqueue.testing.EnqueuedJobs;
import dev.pgbelay.jobqueue.testing.HandlerFault;
import dev.pgbelay.jobqueue.testing.ManualWorker;
import dev.pgbelay.testing.PostgresExtension;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import javax.sql.DataSource;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** How a service tests its handlers with the kit of the queue. */
@ExtendWith(PostgresExtension.class)
class WelcomeMailHandlerTest {
  private static final JobKind<String> WELCOME = JobKind.text("welcome-mail");

  @Test
  void handler_bearsARetryAndAKill(DataSource dataSource) {
    SchemaInstaller.builder(dataSource).modules("jobqueue").build().install();
    Transactions transactions = Transactions.of(dataSource);
    JobQueue jobs = JobQueue.create();
    List<String> refusedOnce = new ArrayList<>();
    Set<String> sent = new LinkedHashSet<>();
    JobWorkerBuilder builder =
        JobWorker.builder(transactions, dataSource)
            .handle(
                WELCOME,
                RetryPolicy.exponential(Duration.ofMinutes(1), Duration.ofHours(1)),
                (context, to) -> {
                  if (!refusedOnce.contains(to)) {
                    refusedOnce.add(to);
                    throw new IOException("mail server is away");
                  }
                  sent.add("job-" + context.jobId() + " to " + to); // the server knows a repeat
                  return JobOutcome.done();
                });
    // tag::kit[]
    transactions.execute(tx -> jobs.enqueue(tx, WELCOME.job("ada@example.org")));
    EnqueuedJobs.in(DSL.using(dataSource, SQLDialect.POSTGRES))
        .assertOne(WELCOME, to -> to.endsWith("@example.org"));
    try (ManualWorker worker = ManualWorker.of(builder)) { // the builder that the service uses
      assertThat(worker.drain().retried()).isEqualTo(1);
      worker.drainAfter(Duration.ofMinutes(2)).assertDone(1); // no test waits two minutes

      transactions.execute(tx -> jobs.enqueue(tx, WELCOME.job("bo@example.org")));
      worker.drain();
      worker.advance(Duration.ofMinutes(2));
      assertThat(worker.drainWith(HandlerFault.KILLED_BEFORE_ACKNOWLEDGEMENT).attempts())
          .isEqualTo(2);
      assertThat(sent).hasSize(2); // attempts that the other side knows as one
    }
    // end::kit[]
  }
}
