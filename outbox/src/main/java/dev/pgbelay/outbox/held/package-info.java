/** Keys whose messages wait because one of them could not be delivered. */
@NullMarked
package dev.pgbelay.outbox.held;

import org.jspecify.annotations.NullMarked;
