package dev.pgbelay.idempotency.payment;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.idempotency.payment.PaymentOperation.Settlement;
import dev.pgbelay.idempotency.payment.StormProcess.Mode;
import dev.pgbelay.idempotency.testing.FakeProvider;
import dev.pgbelay.idempotency.testing.ProviderFault;
import dev.pgbelay.testing.FaultProxy;
import dev.pgbelay.testing.PostgresCluster;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.awaitility.Awaitility;
import org.awaitility.core.ConditionFactory;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;

/** Two processes, a server, a provider of each regime, and what happens to them. */
final class PaymentStorm implements AutoCloseable {
  private static final double CUT = 0.01;
  private static final Duration FULL_PATIENCE = Duration.ofMinutes(20);

  /** What happens to processes and server. */
  enum Fault {
    KILL,
    STOP,
    TERMINATE,
    CRASH
  }

  private record Running(String name, Process process, URI webhooks, String claimant) {}

  private final long seed = Long.getLong("pgbelay.seed", System.nanoTime());
  private final Random random = new Random(seed);
  private final Mode mode;
  private final int keys;
  private final int rounds;
  private final Path folder;
  private final PostgresCluster cluster;
  private final FaultProxy proxy;
  private final HikariDataSource own;
  private final DSLContext dsl;
  private final StormProviders providers = new StormProviders(new Random(seed + 2));
  private final Map<Fault, Integer> faults = new EnumMap<>(Fault.class);
  private final List<Running> both = new ArrayList<>();
  private final List<Process> all = new ArrayList<>();
  private final StormWebhooks webhooks;
  private final long begin = System.nanoTime();
  private int named;
  private int terminated;
  private int stops;
  private int settledAtTheEnd;

  PaymentStorm(Mode mode, int keys, int rounds) throws Exception {
    this.mode = mode;
    this.keys = keys;
    this.rounds = rounds;
    System.out.println("storm " + mode + " " + seed());
    this.folder = Files.createTempDirectory(Files.createDirectories(Path.of("target")), "storm-");
    this.cluster = PostgresCluster.builder().start();
    this.proxy = FaultProxy.inFrontOf(cluster.primary());
    this.own = StormProcess.pool(StormProcess.driver(cluster.primary().jdbcUrl()), 4);
    this.dsl = DSL.using(own, SQLDialect.POSTGRES);
    StormShop.SCHEMA.initialize(own);
    this.webhooks = new StormWebhooks(providers.all(), new Random(seed + 1));
  }

  String seed() {
    return "-Dpgbelay.seed=" + seed;
  }

  /** Until every key has its answer, or is unknown where the provider never acted. */
  void rage() throws Exception {
    proxy.cutCommitsAtRandom(seed, CUT, CUT);
    both.add(start());
    both.add(start());
    List<Fault> plan = plan();
    for (int i = 0; i < plan.size(); i++) {
      long share = (long) total() * (i + 1) / (plan.size() + 2);
      await("progress").until(() -> progress() >= share);
      provoke(plan.get(i));
    }
    await("everything to come to rest").until(this::isOver);
    proxy.cutCommitsAtRandom(seed, 0, 0);
    providers.calmDown();
    for (Running one : both) {
      webhooks.notTo(one.webhooks());
      one.process().destroy();
    }
    for (Running one : both) {
      assertThat(one.process().waitFor(2, TimeUnit.MINUTES)).isTrue();
    }
    webhooks.close();
  }

  private int total() {
    return keys * StormRegime.values().length;
  }

  private static ConditionFactory await(String what) {
    return Awaitility.await(what)
        .atMost(FULL_PATIENCE)
        .pollDelay(Duration.ZERO)
        .pollInterval(Duration.ofMillis(50))
        .ignoreExceptions();
  }

  private int progress() {
    return count(
        mode == Mode.FREE_ON_EXCEPTION
            ? "select count(*) from naive_key where response is not null"
            : "select count(*) from pgbelay.payment where state <> 'RUNNING'");
  }

  private int count(String query, Object... values) {
    return dsl.fetchSingle(query, values).get(0, Integer.class);
  }

  private boolean isOver() {
    return progress() == total() && (mode != Mode.PGBELAY || truth().isAtRest());
  }

  StormTruth truth() {
    return new StormTruth(dsl, providers.all(), total());
  }

  private List<Fault> plan() {
    List<Fault> plan = new ArrayList<>();
    for (int round = 0; round < rounds; round++) {
      List<Fault> kinds = new ArrayList<>(List.of(Fault.values()));
      if (rounds > 1) {
        kinds.addAll(List.of(Fault.STOP, Fault.STOP));
      }
      Collections.shuffle(kinds, random);
      plan.addAll(kinds);
    }
    return plan;
  }

  private Running start() throws IOException {
    String name = "storm-" + ++named;
    Process process =
        StormProcess.start(
            folder, name, proxy.jdbcUrl("postgres"), seed + named, keys, mode, providers.uris());
    all.add(process);
    Path port = folder.resolve(name + ".port");
    await(name + " to listen").until(() -> Files.exists(port));
    await(name + " to answer somebody")
        .until(() -> Files.size(folder.resolve(name + ".answers")) > 0);
    String[] parts = Files.readString(port).split(" ", -1);
    URI uri = URI.create("http://localhost:" + parts[0] + "/");
    webhooks.to(uri);
    return new Running(name, process, uri, parts[1]);
  }

  private void provoke(Fault fault) throws Exception {
    faults.merge(fault, 1, Integer::sum);
    int which = random.nextInt(both.size());
    Running one = both.get(which);
    switch (fault) {
      case KILL -> {
        webhooks.notTo(one.webhooks());
        signal(one.process(), "-KILL");
        both.set(which, start());
      }
      case STOP -> {
        webhooks.notTo(one.webhooks());
        signal(one.process(), "-STOP");
        awaitTakeOver(one);
        signal(one.process(), "-CONT");
        webhooks.to(one.webhooks());
      }
      case TERMINATE -> {
        for (int pid :
            dsl.fetch("select pid from pg_stat_activity where application_name like 'storm-%'")
                .getValues(0, Integer.class)) {
          if (ThreadLocalRandom.current().nextBoolean()) {
            dsl.fetchValue("select pg_terminate_backend(?)", pid);
            terminated++;
          }
        }
      }
      case CRASH -> {
        cluster.primary().crash();
        cluster.primary().restart();
        own.getHikariPoolMXBean().softEvictConnections();
      }
    }
  }

  /**
   * Its leases are over, and others have taken over what was free to be: the first, so that it
   * wakes in the middle of that, or all.
   */
  private void awaitTakeOver(Running one) {
    int most = stops++ % 2 == 0 ? Math.max(0, claims(one) - 1) : 0;
    await("others to take over what " + one.name() + " has")
        .until(() -> leases(one) == 0 && claims(one) <= most);
  }

  private int leases(Running one) {
    return mode == Mode.FREE_ON_EXCEPTION
        ? count(
            "select count(*) from naive_key where holder = ? and response is null"
                + " and until > clock_timestamp()",
            one.name())
        : count(
            "select count(*) from pgbelay.payment where claimant = ?::uuid"
                + " and lease_until > clock_timestamp() and finished_at = 'infinity'",
            one.claimant());
  }

  /** Without those that it has locked itself: they wait for it. */
  private int claims(Running one) {
    return mode == Mode.FREE_ON_EXCEPTION
        ? count(
            "select count(*) from (select 1 from naive_key where holder = ?"
                + " and response is null for update skip locked) as its",
            one.name())
        : count(
            "select count(*) from (select 1 from pgbelay.payment where claimant = ?::uuid"
                + " and lease_until > '-infinity' and finished_at = 'infinity'"
                + " for update skip locked) as its",
            one.claimant());
  }

  private static void signal(Process process, String signal) throws Exception {
    Process kill = new ProcessBuilder("kill", signal, Long.toString(process.pid())).start();
    assertThat(kill.waitFor()).isZero();
  }

  /** No process is left: what the resolvers know by then counts. */
  void calm() throws Exception {
    providers.readWhatWasSent();
    await("requests that are held").until(providers::nothingHeld);
    try (StormCalm calm = afterwards()) {
      int before = settledByWebhook();
      calm.deliverAll();
      settledAtTheEnd = settledByWebhook() - before;
      untilAtRest(calm);
    }
  }

  private StormCalm afterwards() {
    return new StormCalm(own, cluster.primary().jdbcUrl(), providers);
  }

  private void untilAtRest(StormCalm calm) {
    await("rest")
        .until(
            () -> {
              if (truth().isAtRest()) {
                return true;
              }
              calm.pass();
              return false;
            });
  }

  /** Behind its window the forgetful provider knows no key any more, and is sent nothing. */
  void forgetAndAskAgain() throws Exception {
    FakeProvider forgetful = providers.of(StormRegime.FORGETFUL);
    await("the window to close")
        .until(
            () ->
                count(
                        "select count(*) from pgbelay.payment where operation = ?"
                            + " and asked_at > clock_timestamp() - ? * interval '1 millisecond'",
                        StormRegime.FORGETFUL.operation(),
                        StormRegime.FORGETFUL.keyWindow.toMillis())
                    == 0);
    forgetful.forgetKeys();
    int before = forgetful.charges().size();
    try (StormCalm calm = afterwards()) {
      calm.pass();
    }
    assertThat(forgetful.charges()).as(seed()).hasSize(before);
  }

  /** An operator looks at the provider and says what happened. */
  void decide(List<StormTruth.Payment> unknown) throws Exception {
    try (StormCalm calm = afterwards()) {
      for (StormTruth.Payment payment : unknown) {
        calm.decide(payment);
      }
      untilAtRest(calm);
    }
  }

  /** What all processes told their callers, by payment. */
  Map<String, Set<String>> answers() throws IOException {
    Map<String, Set<String>> answers = new HashMap<>();
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.filter(each -> each.toString().endsWith(".answers")).toList()) {
        for (String line : Files.readString(file, UTF_8).lines().toList()) {
          int equals = line.indexOf('=');
          answers
              .computeIfAbsent(line.substring(0, equals), any -> new HashSet<>())
              .add(line.substring(equals + 1));
        }
      }
    }
    return answers;
  }

  private int settledByWebhook() {
    return StormInbox.handled(dsl).getOrDefault(Settlement.SETTLED.name(), 0);
  }

  /**
   * Every event was taken in and handled once, and agreed with what was known; none came before its
   * payment or its step was recorded: a provider acts only on what was.
   */
  void requireEachEventHandledOnce() {
    assertThat(webhooks.statuses().keySet())
        .as("0 nobody, 503 not stored; %s", seed())
        .isSubsetOf(0, 200, 503);
    Set<String> told =
        providers.all().stream()
            .flatMap(provider -> provider.events().stream())
            .map(StormInbox::id)
            .collect(Collectors.toSet());
    assertThat(dsl.fetch("select event from handled").getValues(0, String.class))
        .as(seed())
        .containsExactlyInAnyOrderElementsOf(told);
    assertThat(StormInbox.handled(dsl).keySet())
        .as("CONTRADICTED is another word than the first; %s", seed())
        .isSubsetOf(Settlement.SETTLED.name(), Settlement.ALREADY_KNOWN.name());
    assertThat(count("select count(*) from pgbelay.webhook_event where state <> 'PROCESSED'"))
        .as("not processed; %s", seed())
        .isZero();
    assertThat(count("select count(*) from pgbelay.webhook_event where not_yet > 0"))
        .as("came before its payment or step; %s", seed())
        .isZero();
    assertThat(count("select count(*) from pgbelay.webhook_conflict")).as(seed()).isZero();
    assertThat(count("select count(*) from pgbelay.payment where contradiction is not null"))
        .as("two sources said unlike things; %s", seed())
        .isZero();
  }

  /** By processes that were not killed. */
  int fencesRemoved() throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      int removed = 0;
      for (Path file : files.filter(each -> each.toString().endsWith(".log")).toList()) {
        removed +=
            Files.readString(file, UTF_8)
                .lines()
                .filter(line -> line.startsWith(StormProcess.FENCES_REMOVED))
                .mapToInt(
                    line -> Integer.parseInt(line.substring(StormProcess.FENCES_REMOVED.length())))
                .sum();
      }
      return removed;
    }
  }

  /** How often each fault happened. */
  Map<String, Integer> provoked() {
    Map<String, Integer> counts = new HashMap<>();
    for (Fault fault : Fault.values()) {
      counts.put(fault.name(), faults.getOrDefault(fault, 0));
    }
    for (ProviderFault fault : ProviderFault.values()) {
      counts.put(fault.name(), providers.count(fault));
    }
    counts.put("cuts before COMMIT", (int) proxy.counters().cutsBeforeCommit());
    counts.put("cuts after COMMIT", (int) proxy.counters().cutsAfterCommit());
    Map<String, Integer> handled = StormInbox.handled(dsl);
    counts.put("webhooks that settled", handled.getOrDefault(Settlement.SETTLED.name(), 0));
    counts.put(
        "webhooks of what was known", handled.getOrDefault(Settlement.ALREADY_KNOWN.name(), 0));
    counts.put("sessions terminated", terminated);
    return counts;
  }

  String report(StormTruth truth) throws IOException {
    return "storm %s %s: %d payments, called by 2 processes %d times each or more, in %d s; faults %s; deliveries by status %s, events by settlement %s (settled when all was calm: %d); outcomes %s; double charges %s, double bookings %d"
        .formatted(
            mode,
            seed(),
            total(),
            StormProcess.CALLS_OF_KEY,
            (System.nanoTime() - begin) / 1_000_000_000,
            new java.util.TreeMap<>(provoked()),
            webhooks.statuses(),
            StormInbox.handled(dsl),
            settledAtTheEnd,
            truth.outcomes(),
            truth.doubleCharges(),
            truth.doubleBookings());
  }

  @Override
  public void close() {
    all.forEach(Process::destroyForcibly);
    all.forEach(process -> process.onExit().join());
    webhooks.close();
    providers.close();
    own.close();
    proxy.close();
    cluster.close();
  }
}
