package dev.pgbelay.jobqueue;

import dev.pgbelay.core.internal.WorkThreads;
import java.util.concurrent.ThreadFactory;

/** The threads that handlers run on unless somebody says otherwise. */
final class HandlerThreads {
  private static final String NAME = "pgbelay-job";

  static final ThreadFactory PLATFORM = WorkThreads.platform(NAME);

  private HandlerThreads() {}

  static ThreadFactory ofThisJvm() {
    return of(Runtime.version().feature());
  }

  static ThreadFactory of(int javaVersion) {
    return WorkThreads.of(javaVersion, NAME, PLATFORM);
  }
}
