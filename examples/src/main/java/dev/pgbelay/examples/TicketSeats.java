package dev.pgbelay.examples;

import static org.jooq.impl.DSL.constraint;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Failures;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.lock.LockClass;
import dev.pgbelay.lock.LockOptions;
import dev.pgbelay.lock.LockOrder;
import dev.pgbelay.lock.Resource;
import dev.pgbelay.testing.PostgresCluster;
import java.io.PrintStream;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.BrokenBarrierException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import javax.sql.DataSource;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.SQLDialect;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;

/**
 * Two customers book the same two seats, each in the order of their own wish list. Locked as the
 * request lists them, one of the two transactions is killed as a deadlock; locked through a {@link
 * LockOrder}, one waits for the other and then sees that the seats are taken.
 */
public final class TicketSeats {
  private static final Table<Record> SEAT = table(name("seat"));
  private static final Field<Integer> NUMBER = field(name("number"), SQLDataType.INTEGER);
  private static final Field<String> TAKEN_BY = field(name("taken_by"), SQLDataType.CLOB);

  // tag::order[]
  static final LockClass SEATS = LockClass.rows(SEAT, NUMBER);

  /** Every class that this service locks, in the one order; lower ranks first. */
  static final LockOrder ORDER = LockOrder.builder().rank(100, SEATS).build();

  // end::order[]

  private final DSLContext dsl;
  private final Transactions transactions;

  TicketSeats(DataSource dataSource) {
    this.dsl = DSL.using(dataSource, SQLDialect.POSTGRES);
    this.transactions = Transactions.builder(dataSource).retry(TxOptions.Retry.none()).build();
  }

  public static void main(String[] args) {
    HikariConfig config = new HikariConfig();
    try (PostgresCluster cluster = PostgresCluster.builder().start()) {
      config.setJdbcUrl(cluster.primary().jdbcUrl());
      try (HikariDataSource pool = new HikariDataSource(config)) {
        new TicketSeats(pool).run(System.out);
      }
    }
  }

  void run(PrintStream out) {
    createSeats();
    CyclicBarrier firstSeatIsLocked = new CyclicBarrier(2);
    out.println(
        "naive: "
            + both(
                tx -> bookAsListed(tx, "Ada", List.of(11, 12), firstSeatIsLocked),
                tx -> bookAsListed(tx, "Bo", List.of(12, 11), firstSeatIsLocked)));
    createSeats();
    out.println(
        "safe:  "
            + both(tx -> book(tx, "Ada", List.of(11, 12)), tx -> book(tx, "Bo", List.of(12, 11))));
  }

  // tag::naive[]
  String bookAsListed(Tx tx, String customer, List<Integer> seats, CyclicBarrier firstIsLocked) {
    for (int seat : seats) {
      tx.dsl().selectFrom(SEAT).where(NUMBER.eq(seat)).forUpdate().fetchSingle();
      if (seat == seats.get(0)) {
        await(firstIsLocked); // each has one of the two now, and wants the other's
      }
    }
    return take(tx, customer, seats);
  }

  // end::naive[]

  // tag::safe[]
  String book(Tx tx, String customer, List<Integer> seats) {
    List<Resource> asked = SEATS.rows(seats);
    var locked =
        ORDER.acquire(
            tx, LockOptions.defaults().waitAtMost(Duration.ofSeconds(5)).returningRows(), asked);
    boolean free = locked.rows(SEATS).stream().allMatch(seat -> seat.get("taken_by") == null);
    return free ? take(tx, customer, seats) : "sold out";
  }

  // end::safe[]

  private static String take(Tx tx, String customer, List<Integer> seats) {
    tx.dsl().update(SEAT).set(TAKEN_BY, customer).where(NUMBER.in(seats)).execute();
    return "booked";
  }

  private interface Booking {
    String in(Tx tx);
  }

  /** Runs both at once, and says what became of them, sorted. */
  private List<String> both(Booking one, Booking other) {
    return List.of(start(one), start(other)).stream()
        .map(CompletableFuture::join)
        .sorted()
        .toList();
  }

  private CompletableFuture<String> start(Booking booking) {
    // Each on a thread of its own, for one may wait for the other.
    return CompletableFuture.supplyAsync(
            () -> transactions.run(booking::in), task -> new Thread(task).start())
        .exceptionally(failed -> Failures.classify(failed).toString());
  }

  private static void await(CyclicBarrier barrier) {
    try {
      barrier.await(30, TimeUnit.SECONDS);
    } catch (InterruptedException | BrokenBarrierException | TimeoutException e) {
      throw new IllegalStateException(e);
    }
  }

  private void createSeats() {
    dsl.dropTableIfExists(SEAT).execute();
    dsl.createTable(SEAT)
        .columns(NUMBER, TAKEN_BY)
        .constraint(constraint().primaryKey(NUMBER))
        .execute();
    dsl.insertInto(SEAT, NUMBER).values(11).values(12).execute();
  }
}
