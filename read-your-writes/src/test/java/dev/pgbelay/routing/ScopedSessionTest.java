package dev.pgbelay.routing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.routing.jdbc.ScopedSession;
import java.lang.ref.WeakReference;
import java.lang.reflect.Method;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicReference;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class ScopedSessionTest {
  private final ReadYourWrites db = unconnected();
  private ExecutorService executor;

  /** Sessions are told apart by it; it is asked nothing. */
  @SuppressWarnings("NullAway")
  private static ReadYourWrites unconnected() {
    return new ReadYourWrites(null, null, null, null, null, null);
  }

  @BeforeEach
  void start() {
    executor = Executors.newSingleThreadExecutor();
  }

  @AfterEach
  void stop() {
    executor.shutdownNow();
    assertThat(current()).as("left behind by the test").isEmpty();
  }

  private Optional<Session> current() {
    return ScopedSession.current(db);
  }

  @Test
  void innermostScope_counts_andTheOneAroundItIsBackAfterwards() {
    Session outer = db.session();
    Session inner = db.session();

    try (ScopedSession first = ScopedSession.open(outer)) {
      assertThat(current()).containsSame(outer);
      try (ScopedSession second = ScopedSession.open(inner)) {
        assertThat(current()).containsSame(second.session());
      }
      assertThat(current()).containsSame(first.session());
    }

    assertThat(current()).isEmpty();
  }

  @Test
  void eachCluster_hasItsOwnSession() {
    ReadYourWrites other = unconnected();
    Session here = db.session();
    Session there = other.session();

    try (ScopedSession first = ScopedSession.open(here);
        ScopedSession second = ScopedSession.open(there)) {
      assertThat(current()).containsSame(first.session());
      assertThat(ScopedSession.current(other)).containsSame(second.session());
    }
  }

  @Test
  void outerScopeClosedFirst_endsTheInnerOneToo() {
    ScopedSession outer = ScopedSession.open(db.session());
    ScopedSession inner = ScopedSession.open(db.session());

    outer.close();
    assertThat(current()).isEmpty();
    inner.close();
    inner.close();

    assertThat(current()).isEmpty();
  }

  @Test
  void scopeInTheMiddleClosedFirst_leavesTheOuterOne() {
    try (ScopedSession outer = ScopedSession.open(db.session())) {
      ScopedSession middle = ScopedSession.open(db.session());
      ScopedSession inner = ScopedSession.open(db.session());
      middle.close();
      assertThat(current()).containsSame(outer.session());
      ScopedSession next = ScopedSession.open(db.session());
      inner.close();
      assertThat(current()).containsSame(next.session());
      next.close();
    }
  }

  @Test
  void otherThread_hasNoSession_unlessItIsCarried() throws Exception {
    Session session = db.session();
    Callable<Optional<Session>> carried;
    try (ScopedSession scope = ScopedSession.open(session)) {
      assertThat(executor.submit(this::current).get()).isEmpty();
      carried = ScopedSession.carry(this::current);
      assertThat(executor.submit(carried).get()).containsSame(scope.session());
      assertThat(
              CompletableFuture.supplyAsync(this::current, ScopedSession.carrying(executor)).get())
          .containsSame(session);
    }

    assertThat(executor.submit(carried).get()).containsSame(session);
    assertThat(executor.submit(this::current).get()).as("kept by the pool's thread").isEmpty();
  }

  @Test
  void taskCarriedWithoutASession_hasNone_alsoWhereTheThreadHasOne() throws Exception {
    AtomicReference<Optional<Session>> seen = new AtomicReference<>();
    Runnable carried = ScopedSession.carry(() -> seen.set(current()));
    try (ScopedSession scope = ScopedSession.open(db.session())) {
      carried.run();
      assertThat(seen.get()).isEmpty();
      assertThat(current()).containsSame(scope.session());
    }
  }

  @Test
  void taskThatFails_leavesTheThreadAsItWas() {
    Runnable carried;
    try (ScopedSession scope = ScopedSession.open(db.session())) {
      assertThat(scope.session()).isNotNull();
      carried =
          ScopedSession.carry(
              (Runnable)
                  () -> {
                    ScopedSession leftOpen = ScopedSession.open(db.session());
                    assertThat(leftOpen.session()).isNotNull();
                    throw new IllegalStateException("leaves its scope open");
                  });
    }
    assertThatThrownBy(carried::run).isInstanceOf(IllegalStateException.class);
    assertThat(current()).isEmpty();
  }

  @Test
  void scopeClosedOnAnotherThread_isRefusedByName() {
    try (ScopedSession scope = ScopedSession.open(db.session())) {
      assertThatThrownBy(() -> executor.submit(scope::close).get())
          .hasRootCauseInstanceOf(PgBelayException.class)
          .rootCause()
          .hasMessageContaining(Thread.currentThread().getName())
          .hasMessageContaining("ScopedSession.carry");
      assertThat(current()).isPresent();
    }
  }

  @Test
  void virtualThread_inheritsNothing_andIsCarriedTo() throws Exception {
    Method startVirtual;
    try {
      startVirtual = Thread.class.getMethod("startVirtualThread", Runnable.class);
    } catch (NoSuchMethodException e) {
      Assumptions.abort("this JDK has no virtual threads");
      return;
    }
    AtomicReference<Optional<Session>> plain = new AtomicReference<>();
    AtomicReference<Optional<Session>> carried = new AtomicReference<>();
    Session session = db.session();
    Runnable toCarry;
    try (ScopedSession scope = ScopedSession.open(session)) {
      toCarry = ScopedSession.carry(() -> carried.set(current()));
      assertThat(scope.session()).isSameAs(session);
      ((Thread) startVirtual.invoke(null, (Runnable) () -> plain.set(current()))).join();
    }
    ((Thread) startVirtual.invoke(null, toCarry)).join();

    assertThat(plain.get()).isEmpty();
    assertThat(carried.get()).containsSame(session);
  }

  @Test
  void threadThatGoesOn_keepsNothingOfAClosedScope() throws Exception {
    WeakReference<Session> forgotten =
        executor
            .submit(
                () -> {
                  Session session = db.session();
                  try (ScopedSession scope = ScopedSession.open(session)) {
                    return new WeakReference<>(scope.session());
                  }
                })
            .get();

    Awaitility.await()
        .atMost(Duration.ofSeconds(20))
        .until(
            () -> {
              System.gc();
              return forgotten.get() == null;
            });
  }
}
