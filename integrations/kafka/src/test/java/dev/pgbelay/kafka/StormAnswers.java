package dev.pgbelay.kafka;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.pgbelay.outbox.Delivery;
import dev.pgbelay.outbox.Message;
import dev.pgbelay.outbox.MessagePublisher;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/**
 * Writes down which messages a publisher did not answer as delivered, before the relay hears of it.
 */
final class StormAnswers implements MessagePublisher {
  private static final String SUFFIX = ".answers";

  private final MessagePublisher publisher;
  private final OutputStream file;

  StormAnswers(MessagePublisher publisher, Path folder, String name) throws IOException {
    this.publisher = publisher;
    this.file =
        Files.newOutputStream(
            folder.resolve(name + SUFFIX), StandardOpenOption.CREATE, StandardOpenOption.APPEND);
  }

  static List<StormHistory.Refused> read(Path folder) throws IOException {
    List<StormHistory.Refused> all = new ArrayList<>();
    try (Stream<Path> files = Files.list(folder)) {
      for (Path each : files.filter(file -> file.toString().endsWith(SUFFIX)).toList()) {
        for (String line : Files.readAllLines(each, UTF_8)) {
          String[] parts = line.split(" ", -1);
          if (parts.length == 3) {
            all.add(new StormHistory.Refused(parts[0], parts[1]));
          }
        }
      }
    }
    return all;
  }

  @Override
  public int batchSize() {
    return publisher.batchSize();
  }

  @Override
  public List<Delivery> publish(List<Message> messages) throws InterruptedException {
    List<Delivery> deliveries = List.of();
    try {
      deliveries = publisher.publish(messages);
      return deliveries;
    } finally {
      write(messages, deliveries);
    }
  }

  private void write(List<Message> messages, List<Delivery> deliveries) {
    StringBuilder lines = new StringBuilder();
    for (int i = 0; i < messages.size(); i++) {
      String answer = deliveries.isEmpty() ? "THROWN" : deliveries.get(i).outcome().name();
      if (!answer.equals(Delivery.Outcome.DELIVERED.name())) {
        Message one = messages.get(i);
        lines.append(one.messageId()).append(' ').append(one.claim()).append(' ').append(answer);
        lines.append('\n');
      }
    }
    try {
      synchronized (file) {
        file.write(lines.toString().getBytes(UTF_8));
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
