package dev.pgbelay.routing.session;

import dev.pgbelay.routing.ConsistencyToken;
import java.util.Optional;

/**
 * Keeps for each owner (a user, a device, a job) the latest token, where clients cannot carry it
 * themselves. {@link CaffeineSessionStore} serves one process; several share one in a database or a
 * cache.
 *
 * <p>An implementation is safe for several threads and processes, and holds this: once {@link
 * #raise} has returned, every {@link #find} of that owner that begins later, in whatever process,
 * gives that token or a later one, for at least as long as any replica may lag that is still read
 * ({@code maxLag} of the router). So raising is a merge where the tokens are kept, never a write of
 * what was read before; and an entry that had to go early leaves behind something that is at least
 * as late. What cannot be asked or kept is thrown, never left out.
 *
 * <p>Tokens are ordered by timeline, then by LSN as an unsigned number, as {@link
 * ConsistencyToken#merge} does.
 */
public interface SessionStore {
  /** The latest token of this owner; empty if it has nothing that a read could miss. */
  Optional<ConsistencyToken> find(String owner);

  /** The owner has written or seen that much; less than what is there changes nothing. */
  void raise(String owner, ConsistencyToken token);
}
