package dev.pgbelay.jobqueue.testing;

import dev.pgbelay.jobqueue.NewJob.UniqueScope.While;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What the guide says of a queue, in the simplest way there is: one thread, lists, and a clock of
 * half hours. Keys are serial.
 */
final class ReferenceQueue {
  /** So many half hours a failed or snoozed job waits. */
  static final int PAUSE = 3;

  /** As the table and the records of finished jobs call it. */
  enum State {
    READY,
    SCHEDULED,
    ARRIVING,
    BLOCKED,
    DONE,
    DISCARDED,
    CANCELLED,
    DEAD
  }

  /** One job; {@code script} has a letter for each run, the last of which holds for all others. */
  static final class Job {
    final int number;
    final String queue;
    final String kind;
    final String key;
    final int maxAttempts;
    final int priority;
    final String script;
    long id;
    State state = State.READY;
    int attempt;
    int runs;
    boolean slot;
    int due;
    int place;
    int sequence;

    Job(
        int number,
        String queue,
        String kind,
        String key,
        int maxAttempts,
        int priority,
        String script) {
      this.number = number;
      this.queue = queue;
      this.kind = kind;
      this.key = key;
      this.maxAttempts = maxAttempts;
      this.priority = priority;
      this.script = script;
    }

    boolean waits() {
      return state.compareTo(State.BLOCKED) <= 0;
    }

    @Override
    public String toString() {
      return state + " attempt " + attempt + (slot ? " slot" : "");
    }
  }

  private record UniqueKey(Job job, While holds, boolean forLong) {}

  private static final Comparator<Job> ORDER =
      Comparator.<Job>comparingInt(job -> job.place).thenComparingInt(job -> job.sequence);

  /** What may run at once, as it stood when that began. */
  record Ready(Job job, int place) {}

  final List<Job> jobs = new ArrayList<>();
  final Set<String> pausedQueues = new HashSet<>();
  final Set<String> pausedKinds = new HashSet<>();
  private final Map<String, UniqueKey> unique = new HashMap<>();
  private int now;
  private int sequence;
  private List<Ready> readyAtFirst = List.of();

  /** The job that has the key, if it is taken. */
  Optional<Job> owner(String kind, String key) {
    @Nullable UniqueKey taken = unique.get(kind + "/" + key);
    if (taken == null) {
      return Optional.empty();
    }
    boolean valid = taken.forLong() || (taken.holds() != While.NOTHING && taken.job().waits());
    return valid ? Optional.of(taken.job()) : Optional.empty();
  }

  void take(String key, While holds, boolean forLong, Job job) {
    unique.put(job.kind + "/" + key, new UniqueKey(job, holds, forLong));
  }

  /** One that follows another of its key in the same call is blocked by that at once. */
  void add(Job job, int delay, boolean follows) {
    jobs.add(job);
    put(job, now + delay);
    if (follows && job.state == State.ARRIVING) {
      job.state = State.BLOCKED;
    }
  }

  private void put(Job job, int due) {
    job.due = due;
    job.place = due - job.priority;
    job.sequence = ++sequence;
    job.state =
        due > now ? State.SCHEDULED : job.key.isEmpty() || job.slot ? State.READY : State.ARRIVING;
  }

  void advance(int halfHours) {
    now += halfHours;
  }

  boolean cancel(Job job) {
    if (!job.waits()) {
      return false;
    }
    end(job, State.CANCELLED);
    return true;
  }

  boolean reschedule(Job job, int fromNow) {
    if (!job.waits()) {
      return false;
    }
    boolean left = job.slot && fromNow > 0;
    if (left) {
      job.slot = false;
    }
    put(job, now + fromNow);
    if (left) {
      handOn(job);
    }
    return true;
  }

  boolean redrive(Job job) {
    if (job.state != State.DEAD) {
      return false;
    }
    job.attempt = 0;
    put(job, now);
    return true;
  }

  private void end(Job job, State state) {
    boolean had = job.slot;
    job.state = state;
    job.slot = false;
    if (had) {
      handOn(job);
    }
  }

  private List<Job> ofKey(Job like, State state) {
    return jobs.stream()
        .filter(
            job -> job.state == state && job.queue.equals(like.queue) && job.key.equals(like.key))
        .sorted(ORDER)
        .toList();
  }

  /** To the first that is blocked, unless one that nobody has looked at yet stands before it. */
  private void handOn(Job left) {
    List<Job> blocked = ofKey(left, State.BLOCKED);
    List<Job> arriving = ofKey(left, State.ARRIVING);
    if (!blocked.isEmpty()
        && (arriving.isEmpty() || ORDER.compare(blocked.get(0), arriving.get(0)) < 0)) {
      blocked.get(0).state = State.READY;
      blocked.get(0).slot = true;
    }
  }

  private void beginToRun() {
    for (Job job : jobs) {
      if (job.state == State.SCHEDULED && job.due <= now) {
        job.state = job.key.isEmpty() || job.slot ? State.READY : State.ARRIVING;
      }
    }
    for (Job job : List.copyOf(jobs)) {
      if (job.state == State.ARRIVING || job.state == State.BLOCKED) {
        admit(job);
      }
    }
    readyAtFirst =
        jobs.stream().filter(this::mayRun).map(job -> new Ready(job, job.place)).toList();
  }

  /** What could run when the last drain began. */
  List<Ready> readyAtFirst() {
    return readyAtFirst;
  }

  /**
   * The first attempt of all that may run loses its result, since its worker is given up before it
   * writes: it counts, the place and the slot stay, and effects that are committed stay as well.
   */
  List<Job> drainAfterDeath() {
    beginToRun();
    List<Job> ran = new ArrayList<>();
    for (Ready one : readyAtFirst) {
      Job job = one.job();
      job.attempt++;
      ran.add(job);
      if (letter(job.script, job.runs++) == 'C') {
        end(job, State.DONE);
      }
    }
    for (Job job : ran) {
      if (job.state == State.READY && job.attempt >= job.maxAttempts) {
        end(job, State.DEAD);
      }
    }
    List<Ready> first = readyAtFirst;
    ran.addAll(drain());
    readyAtFirst = first;
    return ran;
  }

  /** Runs what is due and may run; tells who ran, in order. */
  List<Job> drain() {
    beginToRun();
    List<Job> ran = new ArrayList<>();
    Optional<Job> next = next();
    while (next.isPresent()) {
      run(next.get());
      ran.add(next.get());
      next = next();
    }
    return ran;
  }

  private Optional<Job> next() {
    return jobs.stream().filter(this::mayRun).min(ORDER);
  }

  private void admit(Job like) {
    List<Job> waiting = new ArrayList<>(ofKey(like, State.BLOCKED));
    waiting.addAll(ofKey(like, State.ARRIVING));
    waiting.sort(ORDER);
    boolean taken =
        jobs.stream()
            .anyMatch(job -> job.slot && job.queue.equals(like.queue) && job.key.equals(like.key));
    for (Job job : waiting) {
      job.state = taken ? State.BLOCKED : State.READY;
      job.slot = !taken;
      taken = true;
    }
  }

  private boolean mayRun(Job job) {
    return job.state == State.READY
        && !pausedQueues.contains(job.queue)
        && !pausedKinds.contains(job.kind);
  }

  static char letter(String script, int run) {
    return script.charAt(Math.min(run, script.length() - 1));
  }

  private void run(Job job) {
    job.attempt++;
    switch (letter(job.script, job.runs++)) {
      case 'D', 'C' -> end(job, State.DONE);
      case 'X' -> end(job, State.DISCARDED);
      case 'N' -> end(job, State.DEAD);
      case 'S' -> {
        job.attempt--;
        put(job, now + PAUSE);
      }
      case 'Z' -> {
        job.attempt--;
        put(job, now);
      }
      default -> {
        if (job.attempt >= job.maxAttempts) {
          end(job, State.DEAD);
        } else {
          put(job, now + PAUSE);
        }
      }
    }
  }
}
