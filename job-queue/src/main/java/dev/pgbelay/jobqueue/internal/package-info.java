/** Not API: how the test kit reaches the parts of a worker. */
@NullMarked
package dev.pgbelay.jobqueue.internal;

import org.jspecify.annotations.NullMarked;
