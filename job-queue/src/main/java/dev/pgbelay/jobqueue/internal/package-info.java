/**
 * Not API: what the packages of this module have in common, and how the test kit reaches the parts
 * of a worker.
 */
@NullMarked
package dev.pgbelay.jobqueue.internal;

import org.jspecify.annotations.NullMarked;
