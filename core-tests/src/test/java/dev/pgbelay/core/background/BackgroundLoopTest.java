package dev.pgbelay.core.background;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.pgbelay.core.PgBelayException;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class BackgroundLoopTest {
  private static final Duration FOR_EVER = Duration.ofHours(1);
  private static final Duration SOON = Duration.ofSeconds(5);

  private final AtomicInteger passes = new AtomicInteger();
  private @Nullable BackgroundLoop loop;

  @AfterEach
  void stopLoop() {
    if (loop != null) {
      loop.stop(Duration.ofSeconds(1));
    }
  }

  private BackgroundLoop.Builder builder(BackgroundLoop.Work work) {
    return BackgroundLoop.builder(
            "test",
            () -> {
              passes.incrementAndGet();
              return work.runOnce();
            })
        .idlePause(FOR_EVER, FOR_EVER)
        .failurePause(Duration.ofMillis(20), Duration.ofMillis(50));
  }

  private BackgroundLoop started(BackgroundLoop.Builder builder) {
    BackgroundLoop built = builder.build();
    loop = built;
    built.start();
    return built;
  }

  private void awaitPasses(int atLeast) {
    await().atMost(SOON).until(() -> passes.get() >= atLeast);
  }

  private Thread thread() {
    return Thread.getAllStackTraces().keySet().stream()
        .filter(candidate -> candidate.getName().equals("pgbelay-test"))
        .findAny()
        .orElseThrow();
  }

  @Test
  void passesFollowEachOtherWhileThereIsWork() {
    started(builder(() -> Pass.worked(passes.get() < 1000 ? 1 : 0)));
    awaitPasses(1000);
    assertThat(thread().isDaemon()).isTrue();
  }

  @Test
  void wakeUpDuringAPass_isNotLost() throws Exception {
    CountDownLatch inPass = new CountDownLatch(1);
    CountDownLatch woken = new CountDownLatch(1);
    BackgroundLoop running =
        started(
            builder(
                () -> {
                  inPass.countDown();
                  woken.await();
                  return Pass.idle();
                }));
    inPass.await();
    running.wakeUp();
    woken.countDown();
    awaitPasses(2);
  }

  @Test
  void wakeUpsInQuickSuccession_leaveNothingUndone() {
    ConcurrentLinkedQueue<Integer> todo = new ConcurrentLinkedQueue<>();
    AtomicInteger done = new AtomicInteger();
    BackgroundLoop running =
        started(
            builder(
                () -> {
                  // One thing a pass and no word of more: what is left depends on wake-ups alone.
                  if (todo.poll() != null) {
                    done.incrementAndGet();
                  }
                  return Pass.idle();
                }));
    for (int i = 1; i <= 20_000; i++) {
      todo.add(i);
      running.wakeUp();
      int expected = i;
      if (done.get() < expected) {
        long start = System.nanoTime();
        while (done.get() < expected && System.nanoTime() - start < SOON.toNanos()) {
          Thread.onSpinWait();
        }
      }
      assertThat(done.get()).isEqualTo(expected);
    }
  }

  @Test
  void failingPasses_areRepeatedWithBackOffThatWakeUpsCannotOverrun() {
    AtomicBoolean broken = new AtomicBoolean(true);
    BackgroundLoop running =
        started(
            builder(
                () -> {
                  if (broken.get()) {
                    throw new IllegalStateException("broken on purpose");
                  }
                  return Pass.idle();
                }));
    long start = System.nanoTime();
    while (passes.get() < 10) {
      running.wakeUp();
    }
    // Nine pauses of at least three quarters of the first step.
    assertThat(Duration.ofNanos(System.nanoTime() - start))
        .isGreaterThan(Duration.ofMillis(9 * 15));
    assertThat(running.consecutiveFailures()).isBetween(9, 10);

    broken.set(false);
    await().atMost(SOON).until(() -> running.consecutiveFailures() == 0);
  }

  @Test
  void wakeUpAfterAFailure_endsTheLongPauseAfterItsFirstStep() {
    BackgroundLoop running =
        started(
            builder(
                    () -> {
                      if (passes.get() <= 3) {
                        throw new OutOfMemoryError("made up");
                      }
                      return Pass.idle();
                    })
                .failurePause(Duration.ofMillis(20), FOR_EVER));
    awaitPasses(1);
    for (int i = 2; i <= 4; i++) {
      running.wakeUp();
      awaitPasses(i);
    }
  }

  @Test
  void errors_doNotEndTheLoop() {
    started(
        builder(
            () -> {
              switch (passes.get()) {
                case 1 -> throw new OutOfMemoryError("made up");
                case 2 -> throw new NoClassDefFoundError("made up");
                case 3 -> throw new StackOverflowError("made up");
                case 4 -> throw new Exception("made up");
                default -> {
                  return Pass.idle();
                }
              }
            }));
    awaitPasses(5);
  }

  @Test
  void brokenBookkeeping_doesNotEndTheLoop() {
    AtomicInteger calls = new AtomicInteger();
    started(
        builder(Pass::idle)
            .nanoClock(
                () -> {
                  if (Thread.currentThread().getName().equals("pgbelay-test")
                      && calls.incrementAndGet() <= 5) {
                    throw new OutOfMemoryError("made up");
                  }
                  return System.nanoTime();
                }));
    awaitPasses(1);
  }

  @Test
  void interruptsByOthers_doNotEndTheLoop() {
    BackgroundLoop running =
        started(
            builder(
                () -> {
                  if (passes.get() == 2) {
                    Thread.sleep(FOR_EVER.toMillis());
                  }
                  return Pass.idle();
                }));
    awaitPasses(1);
    thread().interrupt();
    running.wakeUp();
    awaitPasses(2);
    // The second pass may have met the first interrupt; another does no harm.
    thread().interrupt();
    running.wakeUp();
    awaitPasses(3);
    assertThat(running.isRunning()).isTrue();
  }

  @Test
  void stop_letsThePassEndAndStartsNoOther() throws Exception {
    CountDownLatch inPass = new CountDownLatch(1);
    CompletableFuture<BackgroundLoop> self = new CompletableFuture<>();
    BackgroundLoop running =
        builder(
                () -> {
                  inPass.countDown();
                  while (!self.join().isStopping()) {
                    Thread.onSpinWait();
                  }
                  return Pass.worked(1);
                })
            .build();
    loop = running;
    self.complete(running);
    running.start();
    inPass.await();

    assertThat(running.stop(SOON)).isEqualTo(BackgroundLoop.StopOutcome.FINISHED);

    assertThat(passes).hasValue(1);
    assertThat(running.isRunning()).isFalse();
    assertThat(running.stop(SOON)).isEqualTo(BackgroundLoop.StopOutcome.FINISHED);
    assertThatThrownBy(running::start).isInstanceOf(PgBelayException.class);
  }

  @Test
  void stopOfAnIdleLoop_doesNotWaitForItsPause() {
    BackgroundLoop running = started(builder(Pass::idle));
    awaitPasses(1);
    assertThat(running.stop(SOON)).isEqualTo(BackgroundLoop.StopOutcome.FINISHED);
  }

  @Test
  void passThatOutlivesTheDeadline_isInterrupted() throws Exception {
    CountDownLatch inPass = new CountDownLatch(1);
    BackgroundLoop running =
        started(
            builder(
                () -> {
                  inPass.countDown();
                  Thread.sleep(FOR_EVER.toMillis());
                  return Pass.idle();
                }));
    inPass.await();
    assertThat(running.stop(Duration.ofMillis(50)))
        .isEqualTo(BackgroundLoop.StopOutcome.INTERRUPTED);
    assertThat(passes).hasValue(1);
  }

  @Test
  void passDeafToItsInterrupt_isReportedAndIsTheLast() throws Exception {
    CountDownLatch inPass = new CountDownLatch(1);
    AtomicBoolean release = new AtomicBoolean();
    BackgroundLoop running =
        started(
            builder(
                () -> {
                  inPass.countDown();
                  while (!release.get()) {
                    Thread.onSpinWait();
                  }
                  return Pass.worked(1);
                }));
    inPass.await();
    assertThat(running.stop(Duration.ofMillis(10)))
        .isEqualTo(BackgroundLoop.StopOutcome.STILL_RUNNING);
    assertThat(running.isRunning()).isTrue();
    release.set(true);
    await().atMost(SOON).until(() -> !running.isRunning());
    assertThat(passes).hasValue(1);
  }

  @Test
  void stopFromThePassItself_makesItTheLast() {
    CompletableFuture<BackgroundLoop> self = new CompletableFuture<>();
    AtomicReference<BackgroundLoop.StopOutcome> outcome = new AtomicReference<>();
    BackgroundLoop running =
        builder(
                () -> {
                  outcome.set(self.join().stop(SOON));
                  return Pass.worked(1);
                })
            .build();
    loop = running;
    self.complete(running);
    running.start();
    await().atMost(SOON).until(() -> !running.isRunning());
    assertThat(outcome).hasValue(BackgroundLoop.StopOutcome.LAST_PASS);
    assertThat(passes).hasValue(1);
  }

  @Test
  void secondStart_isRefused() {
    BackgroundLoop running = started(builder(Pass::idle));
    assertThatThrownBy(running::start)
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("\"test\" was started");
  }

  @Test
  void loopStoppedBeforeItsStart_doesNotStart() {
    BackgroundLoop never = builder(Pass::idle).build();
    assertThat(never.stop(SOON)).isEqualTo(BackgroundLoop.StopOutcome.FINISHED);
    assertThatThrownBy(never::start).isInstanceOf(PgBelayException.class);
  }

  @Test
  void runOnce_keepsTheBooksWithoutAThread() throws Exception {
    AtomicLong clock = new AtomicLong(Duration.ofDays(-3).toNanos());
    AtomicBoolean broken = new AtomicBoolean();
    BackgroundLoop idle =
        builder(
                () -> {
                  clock.addAndGet(5);
                  if (broken.get()) {
                    throw new java.io.IOException("broken on purpose");
                  }
                  return Pass.worked(7);
                })
            .nanoClock(clock::get)
            .build();
    clock.addAndGet(1000);
    assertThat(idle.sinceLastSuccess()).isEqualTo(Duration.ofNanos(1000));
    assertThat(idle.runOnce()).isEqualTo(Pass.worked(7));
    assertThat(idle.sinceLastSuccess()).isZero();
    broken.set(true);
    assertThatThrownBy(idle::runOnce).isInstanceOf(java.io.IOException.class);
    assertThat(idle.sinceLastSuccess()).isEqualTo(Duration.ofNanos(5));
    assertThat(idle.consecutiveFailures()).isEqualTo(1);
  }

  @Test
  void meters_tellWorkFailuresAgeAndLife() throws Exception {
    MeterRegistry registry = new SimpleMeterRegistry();
    AtomicLong clock = new AtomicLong();
    BackgroundLoop metered =
        builder(
                () -> {
                  clock.addAndGet(Duration.ofSeconds(2).toNanos());
                  return switch (passes.get()) {
                    case 1 -> Pass.worked(40);
                    case 2 -> Pass.worked(2);
                    case 3 -> throw new IllegalStateException("broken on purpose");
                    default -> Pass.idle();
                  };
                })
            .nanoClock(clock::get)
            .meterRegistry(registry)
            .build();
    loop = metered;
    metered.runOnce();
    metered.runOnce();
    assertThatThrownBy(metered::runOnce).isInstanceOf(IllegalStateException.class);

    assertThat(registry.get("pgbelay.background.work").tag("name", "test").counter().count())
        .isEqualTo(42);
    assertThat(registry.get("pgbelay.background.pass").tag("outcome", "worked").timer().count())
        .isEqualTo(2);
    assertThat(registry.get("pgbelay.background.pass").tag("outcome", "failed").timer().count())
        .isEqualTo(1);
    assertThat(registry.find("pgbelay.background.running").gauge()).isNull();

    metered.start();
    awaitPasses(4);
    await()
        .atMost(SOON)
        .until(
            () ->
                registry.get("pgbelay.background.pass").tag("outcome", "idle").timer().count()
                    == 1);
    clock.addAndGet(Duration.ofSeconds(9).toNanos());
    assertThat(registry.get("pgbelay.background.running").gauge().value()).isEqualTo(1);
    assertThat(registry.get("pgbelay.background.success.age").gauge().value()).isEqualTo(9);
    assertThat(registry.get("pgbelay.background.failures.consecutive").gauge().value()).isZero();

    assertThatThrownBy(() -> builder(Pass::idle).meterRegistry(registry).build().start())
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("Another background loop named \"test\"");

    metered.close();
    assertThat(registry.find("pgbelay.background.success.age").gauge()).isNull();
    assertThat(registry.find("pgbelay.background.running").gauge()).isNull();
    BackgroundLoop successor = started(builder(Pass::idle).meterRegistry(registry));
    assertThat(successor.isRunning()).isTrue();
  }

  @Test
  void optionsOutOfRange_areNamed() {
    assertThatThrownBy(() -> BackgroundLoop.builder("Bad name", Pass::idle))
        .hasMessageContaining("name is \"Bad name\"");
    assertThatThrownBy(
            () -> builder(Pass::idle).idlePause(Duration.ofSeconds(2), Duration.ofSeconds(1)))
        .hasMessageContaining("idlePause is PT2S to PT1S");
    assertThatThrownBy(() -> builder(Pass::idle).failurePause(Duration.ZERO, SOON))
        .hasMessageContaining("failurePause is PT0S");
    assertThatThrownBy(() -> builder(Pass::idle).closeDeadline(Duration.ofSeconds(-1)))
        .hasMessageContaining("closeDeadline");
    assertThatThrownBy(() -> Pass.worked(-1)).hasMessageContaining("work is -1");
  }
}
