package dev.pgbelay.jobqueue;

import java.lang.reflect.Method;
import java.util.concurrent.ThreadFactory;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The threads that handlers run on unless somebody says otherwise. */
final class HandlerThreads {
  private static final Logger LOG = LoggerFactory.getLogger(HandlerThreads.class);
  private static final String NAME = "pgbelay-job";

  /**
   * Before, a virtual thread that waits within {@code synchronized} keeps its carrier, so handlers
   * that do would run as many at once as there are processors (JEP 491).
   */
  private static final int FIRST_THAT_DO_NOT_PIN = 24;

  static final ThreadFactory PLATFORM =
      work -> {
        Thread thread = new Thread(work, NAME);
        thread.setDaemon(true);
        return thread;
      };

  private HandlerThreads() {}

  static ThreadFactory ofThisJvm() {
    return of(Runtime.version().feature());
  }

  static ThreadFactory of(int javaVersion) {
    if (javaVersion < FIRST_THAT_DO_NOT_PIN) {
      return PLATFORM;
    }
    try {
      return virtual();
    } catch (ReflectiveOperationException e) {
      LOG.warn("this JVM has no virtual threads; handlers run on daemons", e);
      return PLATFORM;
    }
  }

  /** By reflection, since this compiles for a Java that does not know them. */
  private static ThreadFactory virtual() throws ReflectiveOperationException {
    Class<?> builder = Class.forName("java.lang.Thread$Builder");
    Method name = builder.getMethod("name", String.class);
    Method factory = builder.getMethod("factory");
    Object ofVirtual = Thread.class.getMethod("ofVirtual").invoke(null);
    return (ThreadFactory) factory.invoke(name.invoke(ofVirtual, NAME));
  }
}
