package dev.pgbelay.kafka;

import dev.pgbelay.core.PgBelayException;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.jspecify.annotations.Nullable;

/** A producer's settings: what its owner says, and what order and delivery hang on. */
final class ProducerSettings {
  private static final Duration LONGEST_BLOCK = Duration.ofSeconds(10);

  /** With one request under way at a time, larger ones make up for it. */
  private static final int BATCH_BYTES = 128 * 1024;

  private static final int LINGER_MILLIS = 5;

  private ProducerSettings() {}

  /**
   * The settings to make producers with.
   *
   * @throws PgBelayException naming the setting that is missing or contradicts the guarantee
   */
  static Map<String, Object> complete(Map<String, ?> given, Duration deliveryTimeout) {
    Map<String, Object> all = new LinkedHashMap<>(given);
    force(all, ProducerConfig.ACKS_CONFIG, "all", "-1");
    force(all, ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, "true", "true");
    // The partition is closed while a request for it is under way: so nothing behind a record that
    // fails can be on its way already.
    force(all, ProducerConfig.MAX_IN_FLIGHT_REQUESTS_PER_CONNECTION, "1", "1");
    force(all, ProducerConfig.PARTITIONER_IGNORE_KEYS_CONFIG, "false", "false");
    String ofBytes = "the outbox has bytes already";
    refuse(all, ProducerConfig.KEY_SERIALIZER_CLASS_CONFIG, ofBytes);
    refuse(all, ProducerConfig.VALUE_SERIALIZER_CLASS_CONFIG, ofBytes);
    refuse(all, ProducerConfig.TRANSACTIONAL_ID_CONFIG, "it would hold back what is delivered");
    refuse(all, ProducerConfig.DELIVERY_TIMEOUT_MS_CONFIG, "say it with deliveryTimeout(...)");
    refuse(all, ProducerConfig.MAX_BLOCK_MS_CONFIG, "it follows from deliveryTimeout(...)");
    refuse(all, ProducerConfig.REQUEST_TIMEOUT_MS_CONFIG, "it follows from deliveryTimeout(...)");
    long delivery = deliveryTimeout.toMillis();
    String oneTry = Long.toString(Math.min(LONGEST_BLOCK.toMillis(), delivery / 2));
    all.putIfAbsent(ProducerConfig.LINGER_MS_CONFIG, Integer.toString(LINGER_MILLIS));
    all.putIfAbsent(ProducerConfig.BATCH_SIZE_CONFIG, Integer.toString(BATCH_BYTES));
    all.put(ProducerConfig.KEY_SERIALIZER_CLASS_CONFIG, ByteArraySerializer.class.getName());
    all.put(ProducerConfig.VALUE_SERIALIZER_CLASS_CONFIG, ByteArraySerializer.class.getName());
    all.put(ProducerConfig.DELIVERY_TIMEOUT_MS_CONFIG, Long.toString(delivery));
    all.put(ProducerConfig.REQUEST_TIMEOUT_MS_CONFIG, oneTry);
    all.put(ProducerConfig.MAX_BLOCK_MS_CONFIG, oneTry);
    requireKnown(all);
    return Map.copyOf(all);
  }

  private static void requireKnown(Map<String, Object> all) {
    if (!all.containsKey(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG)) {
      throw new PgBelayException(
          ProducerConfig.BOOTSTRAP_SERVERS_CONFIG + " is missing: say where Kafka is");
    }
    try {
      ProducerConfig.configDef().parse(all);
    } catch (ConfigException e) {
      throw new PgBelayException("the Kafka producer's settings are not fit: " + e.getMessage(), e);
    }
  }

  private static void force(Map<String, Object> all, String name, String value, String same) {
    @Nullable Object given = all.get(name);
    String text = String.valueOf(given).strip();
    if (given != null && !text.equalsIgnoreCase(value) && !text.equals(same)) {
      throw new PgBelayException(
          name + " is " + text + ": must be " + value + ", on which order and delivery hang");
    }
    all.put(name, value);
  }

  private static void refuse(Map<String, Object> all, String name, String remedy) {
    if (all.containsKey(name)) {
      throw new PgBelayException(name + " cannot be set: " + remedy);
    }
  }
}
