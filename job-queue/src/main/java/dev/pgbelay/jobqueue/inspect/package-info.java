/** Looking for jobs, wherever they are by now. */
@NullMarked
package dev.pgbelay.jobqueue.inspect;

import org.jspecify.annotations.NullMarked;
