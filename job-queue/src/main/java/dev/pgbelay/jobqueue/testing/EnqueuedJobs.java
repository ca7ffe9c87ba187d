package dev.pgbelay.jobqueue.testing;

import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.jobqueue.JobKind;
import java.util.List;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.jooq.DSLContext;

/**
 * Looks at the jobs that were enqueued and not finished, in the caller's transaction if it is given
 * that of one: before its commit only it sees them. Opens and ends none. Reads all jobs of a kind
 * into memory: for tests.
 *
 * <p>As safe for several threads as its {@code DSLContext} is.
 */
public final class EnqueuedJobs {
  private final DSLContext dsl;
  private final TestKitSql sql;

  private EnqueuedJobs(DSLContext dsl, String schema) {
    this.dsl = dsl;
    this.sql = new TestKitSql(schema);
  }

  /** Those in the schema {@value SchemaInstaller#DEFAULT_SCHEMA}. */
  public static EnqueuedJobs in(DSLContext dsl) {
    return in(dsl, SchemaInstaller.DEFAULT_SCHEMA);
  }

  /** Those in another schema. */
  public static EnqueuedJobs in(DSLContext dsl, String schema) {
    return new EnqueuedJobs(dsl, schema);
  }

  /**
   * All jobs of a kind, by ascending id.
   *
   * @throws AssertionError if a payload cannot be read
   */
  public <P> List<EnqueuedJob<P>> ofKind(JobKind<P> kind) {
    return sql.list(dsl, kind);
  }

  /**
   * The only job of a kind.
   *
   * @throws AssertionError if there is none, or several
   */
  public <P> EnqueuedJob<P> assertOne(JobKind<P> kind) {
    return assertCount(kind, 1).get(0);
  }

  /**
   * The only job of a kind whose payload is as expected.
   *
   * @throws AssertionError if there is none, or several
   */
  public <P> EnqueuedJob<P> assertOne(JobKind<P> kind, Predicate<? super P> payload) {
    List<EnqueuedJob<P>> all = ofKind(kind);
    List<EnqueuedJob<P>> fitting = all.stream().filter(job -> payload.test(job.payload())).toList();
    if (fitting.size() != 1) {
      throw new AssertionError(
          "expected one job of kind '"
              + kind.name()
              + "' with such a payload, but there are "
              + fitting.size()
              + " among "
              + describe(all));
    }
    return fitting.get(0);
  }

  /**
   * Passes if there is no job of a kind.
   *
   * @throws AssertionError otherwise
   */
  public void assertNone(JobKind<?> kind) {
    assertCount(kind, 0);
  }

  /**
   * So many jobs of a kind.
   *
   * @throws AssertionError if there are more or fewer
   */
  public <P> List<EnqueuedJob<P>> assertCount(JobKind<P> kind, int expected) {
    List<EnqueuedJob<P>> all = ofKind(kind);
    if (all.size() != expected) {
      throw new AssertionError(
          "expected "
              + expected
              + " jobs of kind '"
              + kind.name()
              + "', but there are "
              + describe(all)
              + "; all that wait: "
              + sql.countByKind(dsl));
    }
    return all;
  }

  private static String describe(List<? extends EnqueuedJob<?>> jobs) {
    return jobs.size()
        + jobs.stream()
            .limit(20)
            .map(job -> "\n  " + job)
            .collect(Collectors.joining("", "", jobs.size() > 20 ? "\n  …" : ""));
  }
}
