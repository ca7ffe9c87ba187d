package dev.pgbelay.core.internal;

import java.lang.reflect.Method;
import java.util.concurrent.ThreadFactory;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The threads that users' code runs on unless somebody says otherwise. */
public final class WorkThreads {
  private static final Logger LOG = LoggerFactory.getLogger(WorkThreads.class);

  /**
   * Before, a virtual thread that waits within {@code synchronized} keeps its carrier, so code that
   * does would run as many at once as there are processors (JEP 491).
   */
  private static final int FIRST_THAT_DO_NOT_PIN = 24;

  private WorkThreads() {}

  /** Daemons of this name. */
  public static ThreadFactory platform(String name) {
    return work -> {
      Thread thread = new Thread(work, name);
      thread.setDaemon(true);
      return thread;
    };
  }

  /** Virtual ones where those may wait anywhere, else daemons. */
  public static ThreadFactory ofThisJvm(String name) {
    return of(Runtime.version().feature(), name, platform(name));
  }

  /**
   * {@link #ofThisJvm} of a Java version.
   *
   * @param name of the virtual ones
   * @param daemons where there are none, or they do not fit
   */
  public static ThreadFactory of(int javaVersion, String name, ThreadFactory daemons) {
    if (javaVersion < FIRST_THAT_DO_NOT_PIN) {
      return daemons;
    }
    try {
      return virtual(name);
    } catch (ReflectiveOperationException e) {
      LOG.warn("this JVM has no virtual threads; {} runs on daemons", name, e);
      return daemons;
    }
  }

  /** By reflection, since this compiles for a Java that does not know them. */
  private static ThreadFactory virtual(String name) throws ReflectiveOperationException {
    Class<?> builder = Class.forName("java.lang.Thread$Builder");
    Object ofVirtual = Thread.class.getMethod("ofVirtual").invoke(null);
    Method named = builder.getMethod("name", String.class);
    return (ThreadFactory) builder.getMethod("factory").invoke(named.invoke(ofVirtual, name));
  }
}
