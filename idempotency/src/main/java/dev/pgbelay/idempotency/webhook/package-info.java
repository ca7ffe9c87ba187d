/**
 * What providers tell by themselves: whether it is them, and each event once. Take it in with
 * {@link dev.pgbelay.idempotency.webhook.WebhookInbox}, process it with {@link
 * dev.pgbelay.idempotency.webhook.WebhookWorker}.
 */
@NullMarked
package dev.pgbelay.idempotency.webhook;

import org.jspecify.annotations.NullMarked;
