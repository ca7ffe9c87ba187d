package dev.pgbelay.core.wakeup;

import dev.pgbelay.core.background.Pass;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import javax.sql.DataSource;

/** Sends what was announced, several topics in one statement, none of them too often. */
final class Announcer {
  private final DataSource dataSource;
  private final String channel;
  private final Duration quiet;
  private final WakeUpMeters meters;
  private final Set<String> pending = ConcurrentHashMap.newKeySet();

  /** Used within passes only. */
  private final Map<String, Long> sentAt = new HashMap<>();

  private Runnable onAnnounce = () -> {};

  Announcer(DataSource dataSource, String channel, Duration quiet, WakeUpMeters meters) {
    this.dataSource = dataSource;
    this.channel = channel;
    this.quiet = quiet;
    this.meters = meters;
  }

  void onAnnounce(Runnable wakeUp) {
    this.onAnnounce = wakeUp;
  }

  void announce(String topic) {
    if (pending.add(topic)) {
      onAnnounce.run();
    }
  }

  Pass pass() throws SQLException {
    long now = System.nanoTime();
    List<String> due = new ArrayList<>();
    long rest = Long.MAX_VALUE;
    for (String topic : pending) {
      Long last = sentAt.get(topic);
      long left = last == null ? 0 : quiet.toNanos() - (now - last);
      if (left <= 0) {
        due.add(topic);
      } else {
        rest = Math.min(rest, left);
      }
    }
    if (due.isEmpty()) {
      return rest == Long.MAX_VALUE ? Pass.idle() : Pass.idle(Duration.ofNanos(rest));
    }
    due.forEach(pending::remove); // before it is sent: a commit from now on is announced anew
    try (Connection connection = dataSource.getConnection()) {
      WakeUpSql.send(connection, channel, due);
    } catch (SQLException | RuntimeException e) {
      pending.addAll(due);
      throw e;
    }
    due.forEach(topic -> sentAt.put(topic, now));
    meters.sent(due.size());
    return Pass.worked(due.size());
  }
}
