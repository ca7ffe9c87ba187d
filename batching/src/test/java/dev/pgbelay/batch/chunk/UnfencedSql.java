package dev.pgbelay.batch.chunk;

import dev.pgbelay.core.internal.Fence;
import java.time.Duration;
import java.util.Optional;
import org.jooq.DSLContext;
import org.jspecify.annotations.Nullable;

/** What a runner would be without the fence: it goes on from the position that it remembers. */
final class UnfencedSql extends JobSql {
  private @Nullable String position;

  UnfencedSql(String name) {
    super("pgbelay", name);
  }

  @Override
  Optional<Locked> lock(DSLContext dsl, Fence fence) {
    return Optional.of(new Locked("ACTIVE", position, 100));
  }

  @Override
  boolean save(DSLContext dsl, Fence fence, Step step, Duration lease) {
    super.save(dsl, fence, step, lease);
    position = step.position();
    return true;
  }
}
