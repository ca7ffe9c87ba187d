package dev.pgbelay.idempotency.payment;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * How far a payment has come. Immutable.
 *
 * @param done the steps that have a result, in their order
 * @param results of those, as their codecs wrote them
 * @param asked the provider step whose intent is recorded, and that has no result
 * @param refusal why the answer is no; from then on steps are compensated
 */
record Progress(
    List<String> done, List<byte[]> results, @Nullable String asked, @Nullable String refusal) {
  static final Progress NONE = new Progress(List.of(), List.of(), null, null);

  Progress recorded(String step, byte[] result) {
    List<String> names = new ArrayList<>(done);
    names.add(step);
    List<byte[]> values = new ArrayList<>(results);
    values.add(result);
    return new Progress(List.copyOf(names), List.copyOf(values), null, refusal);
  }

  Progress asking(String step) {
    return new Progress(done, results, step, refusal);
  }

  Progress askingNobody() {
    return new Progress(done, results, null, refusal);
  }

  Progress refused(String code) {
    return new Progress(done, results, null, code);
  }

  byte @Nullable [] result(String step) {
    int at = done.indexOf(step);
    return at < 0 ? null : results.get(at);
  }

  /** Whether both stand at the same point. */
  boolean isAt(Progress other) {
    return done.equals(other.done)
        && Objects.equals(asked, other.asked)
        && Objects.equals(refusal, other.refusal)
        && Arrays.deepEquals(results.toArray(), other.results.toArray());
  }
}
