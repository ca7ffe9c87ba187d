/** Messages that will not be delivered unless somebody says so. */
@NullMarked
package dev.pgbelay.outbox.deadletter;

import org.jspecify.annotations.NullMarked;
