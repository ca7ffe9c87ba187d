package dev.pgbelay.benchmarks.kafka;

/** One way of getting messages to Kafka. */
interface KafkaWay extends AutoCloseable {
  /** What is not measured: what is to be sent waits after this. */
  void prepare(String topic, int messages) throws Exception;

  /** Returns when all of it has been acknowledged. */
  void send() throws Exception;

  /** What is not measured either. */
  default void end() throws Exception {}

  @Override
  default void close() {}
}
