package dev.pgbelay.idempotency.payment;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.idempotency.ChildProcess;
import dev.pgbelay.idempotency.webhook.WebhookWorker;
import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import javax.sql.DataSource;
import org.postgresql.ds.PGSimpleDataSource;

/**
 * A JVM of the storm: clients that call each key several times at once until it is answered, a
 * completer, and an endpoint for webhooks with its worker. What clients were answered is in its
 * file, line by line.
 */
final class StormProcess {
  /** How keys are kept. */
  enum Mode {
    PGBELAY,
    WITHOUT_FENCE,
    FREE_ON_EXCEPTION
  }

  static final int CALLS_OF_KEY = 2;
  static final String FENCES_REMOVED = "fences removed: ";
  private static final int THREADS = 8;
  private final StormShop shop;
  private final StormInbox inbox;
  private final NaiveShop naive;
  private final Mode mode;
  private final OutputStream answers;
  private final Random random;
  private final ScheduledThreadPoolExecutor clients = new ScheduledThreadPoolExecutor(THREADS);

  private StormProcess(
      StormShop shop, NaiveShop naive, Mode mode, OutputStream answers, Random random) {
    this.shop = shop;
    this.inbox = new StormInbox(shop);
    this.naive = naive;
    this.mode = mode;
    this.answers = answers;
    this.random = random;
    clients.setExecuteExistingDelayedTasksAfterShutdownPolicy(false);
  }

  static Process start(
      Path folder,
      String name,
      String jdbcUrl,
      long seed,
      int keys,
      Mode mode,
      Map<StormRegime, URI> providers)
      throws IOException {
    List<String> command =
        new java.util.ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                "-Xmx192m",
                "-cp",
                System.getProperty("java.class.path"),
                StormProcess.class.getName(),
                folder.toString(),
                name,
                jdbcUrl + "&ApplicationName=" + name,
                Long.toString(seed),
                Integer.toString(keys),
                mode.name()));
    providers.forEach((regime, uri) -> command.add(regime + "=" + uri));
    return new ProcessBuilder(command)
        .redirectErrorStream(true)
        .redirectOutput(ProcessBuilder.Redirect.appendTo(folder.resolve(name + ".log").toFile()))
        .redirectInput(ProcessBuilder.Redirect.from(new File("/dev/null")))
        .start();
  }

  static HikariDataSource pool(DataSource source, int size) {
    HikariConfig config = new HikariConfig();
    config.setDataSource(source);
    config.setMaximumPoolSize(size);
    config.setMinimumIdle(0);
    config.setConnectionTimeout(5_000);
    config.setInitializationFailTimeout(-1);
    return new HikariDataSource(config);
  }

  static DataSource driver(String url) {
    PGSimpleDataSource driver = new PGSimpleDataSource();
    driver.setUrl(url);
    return driver;
  }

  public static void main(String[] args) throws Exception {
    ChildProcess.endWithParent();
    Path folder = Path.of(args[0]);
    String name = args[1];
    DataSource driver = driver(args[2]);
    Mode mode = Mode.valueOf(args[5]);
    Map<StormRegime, URI> providers = new EnumMap<>(StormRegime.class);
    for (String provider : List.of(args).subList(6, args.length)) {
      String[] parts = provider.split("=", 2);
      providers.put(StormRegime.valueOf(parts[0]), URI.create(parts[1]));
    }
    UnfencedDataSource unfenced = new UnfencedDataSource(driver);
    HikariDataSource work = pool(mode == Mode.WITHOUT_FENCE ? unfenced : driver, 16);
    Runtime.getRuntime()
        .addShutdownHook(new Thread(() -> System.out.println(FENCES_REMOVED + unfenced.removed())));
    StormShop shop = new StormShop(work, pool(driver, 1), providers);
    NaiveShop naive = new NaiveShop(work, StormShop.banks(providers, StormShop.TIME_LIMIT), name);
    StormProcess process =
        new StormProcess(
            shop,
            naive,
            mode,
            Files.newOutputStream(
                folder.resolve(name + ".answers"),
                StandardOpenOption.CREATE,
                StandardOpenOption.APPEND),
            new Random(Long.parseLong(args[3])));
    process.run(folder, name, Integer.parseInt(args[4]));
  }

  private void run(Path folder, String name, int keys) throws Exception {
    Completer completer =
        Completer.builder(shop.payments)
            .grace(Duration.ofMillis(200))
            .idlePause(Duration.ofMillis(20), Duration.ofMillis(200))
            .build();
    WebhookWorker worker = inbox.worker(2);
    HttpServer webhooks =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    webhooks.setExecutor(Executors.newFixedThreadPool(2));
    webhooks.createContext("/", this::webhook);
    webhooks.start();
    completer.start();
    worker.start();
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  webhooks.stop(0);
                  stop(completer, worker);
                }));
    Path port = folder.resolve(name + ".new");
    Files.writeString(port, webhooks.getAddress().getPort() + " " + shop.payments.claimant().id());
    Files.move(port, folder.resolve(name + ".port"), StandardCopyOption.ATOMIC_MOVE);
    for (int i = 0; i < keys; i++) {
      for (StormRegime regime : StormRegime.values()) {
        for (int call = 0; call < CALLS_OF_KEY; call++) {
          String key = "k" + i;
          clients.execute(() -> call(regime, key));
        }
      }
    }
    Thread.sleep(Duration.ofHours(1).toMillis());
  }

  private void stop(Completer completer, WebhookWorker worker) {
    clients.shutdown();
    completer.close();
    worker.close();
    try {
      if (!clients.awaitTermination(20, TimeUnit.SECONDS)) {
        System.out.println("clients did not end");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    shop.close();
  }

  private void call(StormRegime regime, String key) {
    try {
      Optional<String> answer =
          mode == Mode.FREE_ON_EXCEPTION
              ? naive.call(regime, key)
              : shop.call(regime, key, Duration.ofMillis(random.nextInt(3) * 100L)).response();
      if (answer.isPresent()) {
        String line = regime + "/" + key + "=" + answer.get() + "\n";
        synchronized (answers) {
          answers.write(line.getBytes(UTF_8));
        }
        return;
      }
    } catch (Exception | Error e) {
      System.out.println(regime + "/" + key + ": " + e);
    }
    if (!clients.isShutdown()) {
      ScheduledFuture<?> unused =
          clients.schedule(
              () -> call(regime, key), 20 + random.nextInt(400), TimeUnit.MILLISECONDS);
    }
  }

  private void webhook(HttpExchange exchange) throws IOException {
    try (exchange) {
      int status = 503;
      try {
        status =
            mode == Mode.FREE_ON_EXCEPTION
                ? 404
                : inbox
                    .inbox
                    .receive(
                        header -> exchange.getRequestHeaders().getOrDefault(header, List.of()),
                        exchange.getRequestBody())
                    .status();
      } catch (RuntimeException e) {
        System.out.println("webhook: " + e);
      }
      exchange.sendResponseHeaders(status, -1);
    }
  }
}
