package dev.pgbelay.examples;

import static org.jooq.impl.DSL.constraint;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxWork;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.jobqueue.JobContext;
import dev.pgbelay.jobqueue.JobKind;
import dev.pgbelay.jobqueue.JobOutcome;
import dev.pgbelay.jobqueue.JobQueue;
import dev.pgbelay.jobqueue.JobWorker;
import dev.pgbelay.jobqueue.RetryPolicy;
import dev.pgbelay.testing.PostgresCluster;
import java.io.IOException;
import java.io.PrintStream;
import java.time.Duration;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import javax.sql.DataSource;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.SQLDialect;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;

/**
 * A signup sends a welcome e-mail. Sent from inside the transaction, the e-mail goes out although
 * the signup fails; enqueued in the transaction, it is sent exactly if there is an account, and
 * again if the mail server was away.
 */
public final class WelcomeMail {
  private static final Table<Record> ACCOUNT = table(name("account"));
  private static final Field<String> EMAIL = field(name("email"), SQLDataType.VARCHAR(200));
  private static final Field<Boolean> WELCOMED = field(name("welcomed"), SQLDataType.BOOLEAN);

  // tag::kind[]
  static final JobKind<String> WELCOME = JobKind.text("welcome-mail");

  // end::kind[]

  private final DataSource dataSource;
  private final Transactions transactions;
  private final MailServer mails = new MailServer();
  private final JobQueue jobs = JobQueue.create();
  private final AtomicInteger attemptThatSent = new AtomicInteger();

  WelcomeMail(DataSource dataSource) {
    this.dataSource = dataSource;
    this.transactions = Transactions.of(dataSource);
  }

  public static void main(String[] args) throws Exception {
    HikariConfig config = new HikariConfig();
    try (PostgresCluster cluster = PostgresCluster.builder().start()) {
      config.setJdbcUrl(cluster.primary().jdbcUrl());
      try (HikariDataSource pool = new HikariDataSource(config)) {
        new WelcomeMail(pool).run(System.out);
      }
    }
  }

  void run(PrintStream out) throws Exception {
    DSL.using(dataSource, SQLDialect.POSTGRES)
        .createTable(ACCOUNT)
        .column(EMAIL, SQLDataType.VARCHAR(200).nullable(false))
        .column(WELCOMED, SQLDataType.BOOLEAN.nullable(true))
        .constraint(constraint("account_pk").primaryKey(EMAIL))
        .execute();
    SchemaInstaller.builder(dataSource).modules("jobqueue").build().install();
    signUpNaively("ada@example.org");
    signUpNaively("ada@example.org");
    out.println("naive: " + mails.sent() + " mails for 1 account");
    signUp("bo@example.org");
    signUp("bo@example.org");
    work();
    out.println(
        "safe:  "
            + mails.sentTo("bo@example.org")
            + " mail for 1 account, sent at attempt "
            + attemptThatSent.get());
  }

  private void signUpNaively(String email) {
    ignoringDuplicates(
        tx -> {
          mails.send(email); // gone, whatever becomes of the transaction
          tx.dsl().insertInto(ACCOUNT).set(EMAIL, email).execute();
        });
  }

  private void signUp(String email) {
    ignoringDuplicates(tx -> signUp(tx, email));
  }

  // tag::enqueue[]
  void signUp(Tx tx, String email) {
    tx.dsl().insertInto(ACCOUNT).set(EMAIL, email).execute();
    jobs.enqueue(tx, WELCOME.job(email).withMaxAttempts(20));
  }

  // end::enqueue[]

  private void ignoringDuplicates(TxWork.Action<Exception> signUp) {
    try {
      transactions.execute(signUp);
    } catch (Exception duplicate) {
      // The second signup with one address fails; the transaction is rolled back.
      return;
    }
  }

  private void work() throws InterruptedException {
    mails.refuse(1);
    // tag::worker[]
    JobWorker worker =
        JobWorker.builder(transactions, dataSource) // a small pool of its own in a real service
            .queue("default", 4)
            .handle(
                WELCOME,
                RetryPolicy.exponential(Duration.ofMillis(50), Duration.ofMinutes(10)),
                this::welcome)
            .build();
    worker.start();
    // end::worker[]
    while (!isWelcomed("bo@example.org")) {
      Thread.sleep(10);
    }
    worker.stop(Duration.ofSeconds(10));
  }

  // tag::handler[]
  JobOutcome welcome(JobContext context, String email) throws IOException {
    mails.send(email, "job-" + context.jobId()); // a key by which the other side knows a repeat
    attemptThatSent.set(context.attempt());
    transactions.execute(
        tx -> {
          tx.dsl().update(ACCOUNT).set(WELCOMED, true).where(EMAIL.eq(email)).execute();
          context.complete(tx); // with the update, or not at all
        });
    return JobOutcome.done();
  }

  // end::handler[]

  private boolean isWelcomed(String email) {
    return DSL.using(dataSource, SQLDialect.POSTGRES)
        .fetchExists(ACCOUNT, EMAIL.eq(email).and(WELCOMED.isTrue()));
  }

  /** Somebody else's server. */
  private static final class MailServer {
    private final Queue<String> sent = new ConcurrentLinkedQueue<>();
    private final Map<String, String> keys = new ConcurrentHashMap<>();
    private final AtomicInteger refusing = new AtomicInteger();

    void refuse(int times) {
      refusing.set(times);
    }

    void send(String to) {
      sent.add(to);
    }

    void send(String to, String key) throws IOException {
      if (refusing.getAndUpdate(left -> Math.max(0, left - 1)) > 0) {
        throw new IOException("mail server is away");
      }
      if (keys.putIfAbsent(key, to) == null) {
        sent.add(to);
      }
    }

    int sent() {
      return sent.size();
    }

    long sentTo(String to) {
      return sent.stream().filter(to::equals).count();
    }
  }
}
