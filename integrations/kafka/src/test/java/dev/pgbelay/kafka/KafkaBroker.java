package dev.pgbelay.kafka;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import kafka.server.KafkaConfig;
import kafka.server.KafkaRaftServer;
import kafka.tools.StorageTool;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.utils.Time;
import org.awaitility.Awaitility;
import org.jspecify.annotations.Nullable;

/** A Kafka broker with its controller in this JVM, which can be stopped and comes back. */
final class KafkaBroker implements AutoCloseable {
  private static final Duration LIMIT = Duration.ofSeconds(60);

  private static @Nullable KafkaBroker shared;

  private final Path folder;
  private final int port;
  private final KafkaConfig config;
  private @Nullable KafkaRaftServer server;

  private KafkaBroker(Path folder, int port, KafkaConfig config) {
    this.folder = folder;
    this.port = port;
    this.config = config;
  }

  /**
   * The one that all tests of this JVM share; started at first use, never closed by tests. Who
   * stops it starts it again, whatever happens. It has an authorizer, which refuses nothing until
   * it is told to.
   */
  static synchronized KafkaBroker shared() throws IOException {
    if (shared == null) {
      KafkaBroker started =
          start(
              Map.of(
                  "authorizer.class.name",
                  "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                  "allow.everyone.if.no.acl.found",
                  "true"));
      Runtime.getRuntime().addShutdownHook(new Thread(started::discard));
      shared = started;
    }
    return shared;
  }

  /** One of its own, to be closed by who starts it. */
  static KafkaBroker start() throws IOException {
    return start(Map.of());
  }

  /** With more settings than those that every test has. */
  private static KafkaBroker start(Map<String, String> more) throws IOException {
    Path folder = Files.createTempDirectory("pgbelay-kafka");
    int port = freePort();
    int controllerPort = freePort();
    Properties properties = new Properties();
    properties.putAll(
        Map.ofEntries(
            Map.entry("process.roles", "broker,controller"),
            Map.entry("node.id", "1"),
            Map.entry("controller.quorum.voters", "1@127.0.0.1:" + controllerPort),
            Map.entry(
                "listeners",
                "PLAINTEXT://127.0.0.1:" + port + ",CONTROLLER://127.0.0.1:" + controllerPort),
            Map.entry("controller.listener.names", "CONTROLLER"),
            Map.entry("log.dirs", folder.resolve("data").toString()),
            Map.entry("auto.create.topics.enable", "false"),
            Map.entry("offsets.topic.num.partitions", "1"),
            Map.entry("offsets.topic.replication.factor", "1"),
            Map.entry("transaction.state.log.replication.factor", "1"),
            Map.entry("transaction.state.log.min.isr", "1"),
            Map.entry("transaction.state.log.num.partitions", "1"),
            Map.entry("group.initial.rebalance.delay.ms", "0"),
            Map.entry("group.min.session.timeout.ms", "500"),
            Map.entry("controlled.shutdown.enable", "false"),
            Map.entry("log.cleaner.dedupe.buffer.size", "2097152"),
            Map.entry("message.max.bytes", "2000000")));
    properties.putAll(more);
    Path file = folder.resolve("server.properties");
    try (var out = Files.newOutputStream(file)) {
      properties.store(out, null);
    }
    format(file);
    KafkaBroker broker = new KafkaBroker(folder, port, KafkaConfig.fromProps(properties));
    broker.startAgain();
    return broker;
  }

  private static void format(Path file) {
    ByteArrayOutputStream said = new ByteArrayOutputStream();
    String[] arguments = {"format", "-t", Uuid.randomUuid().toString(), "-c", file.toString()};
    int status =
        StorageTool.execute(arguments, new PrintStream(said, true, StandardCharsets.UTF_8));
    assertThat(status).as(said.toString(StandardCharsets.UTF_8)).isZero();
  }

  /** Below the range of outgoing connections, so that it is still free after a stop. */
  private static int freePort() throws IOException {
    for (int attempt = 0; attempt < 500; attempt++) {
      int candidate = ThreadLocalRandom.current().nextInt(15_000, 30_000);
      try (ServerSocket socket = new ServerSocket()) {
        socket.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), candidate));
        return candidate;
      } catch (IOException taken) {
        // The next one.
      }
    }
    throw new IOException("no free port");
  }

  void startAgain() {
    server = new KafkaRaftServer(config, Time.SYSTEM);
    server.startup();
    try (Admin admin = admin()) {
      Awaitility.await()
          .atMost(LIMIT)
          .ignoreExceptions()
          .until(() -> !admin.describeCluster().nodes().get(5, TimeUnit.SECONDS).isEmpty());
    }
  }

  void stop() {
    KafkaRaftServer running = server;
    server = null;
    if (running != null) {
      running.shutdown();
      running.awaitShutdown();
    }
  }

  String bootstrap() {
    return "127.0.0.1:" + port;
  }

  Admin admin() {
    return Admin.create(Map.of("bootstrap.servers", bootstrap()));
  }

  void createTopic(String name, int partitions, Map<String, String> settings) throws Exception {
    try (Admin admin = admin()) {
      admin
          .createTopics(List.of(new NewTopic(name, partitions, (short) 1).configs(settings)))
          .all()
          .get(60, TimeUnit.SECONDS);
    }
  }

  /** Everything that stands in a topic now; in the order of each partition. */
  List<ConsumerRecord<String, String>> read(String topic) {
    Map<String, Object> settings =
        Map.of("bootstrap.servers", bootstrap(), "enable.auto.commit", "false");
    try (KafkaConsumer<String, String> consumer =
        new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
      Collection<TopicPartition> partitions =
          consumer.partitionsFor(topic, LIMIT).stream()
              .map(info -> new TopicPartition(topic, info.partition()))
              .toList();
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      Map<TopicPartition, Long> ends = consumer.endOffsets(partitions, LIMIT);
      List<ConsumerRecord<String, String>> records = new ArrayList<>();
      Awaitility.await()
          .atMost(LIMIT)
          .until(
              () -> {
                consumer.poll(Duration.ofMillis(200)).forEach(records::add);
                return partitions.stream()
                    .allMatch(each -> consumer.position(each) >= ends.getOrDefault(each, 0L));
              });
      return records;
    }
  }

  /** Stops while something is done, and comes back. */
  void downDuring(Outage outage) throws Exception {
    stop();
    try {
      outage.run();
    } finally {
      startAgain();
    }
  }

  /** What is done while there is no broker. */
  interface Outage {
    void run() throws Exception;
  }

  @Override
  public void close() throws IOException {
    stop();
    delete();
  }

  private void discard() {
    try {
      close();
    } catch (IOException e) {
      System.out.println("left behind: " + folder + ", " + e);
    }
  }

  private void delete() throws IOException {
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.deleteIfExists(file);
      }
    }
  }
}
