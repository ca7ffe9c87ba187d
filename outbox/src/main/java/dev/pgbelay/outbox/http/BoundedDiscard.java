package dev.pgbelay.outbox.http;

import java.net.http.HttpResponse.BodySubscriber;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Flow;
import org.jspecify.annotations.Nullable;

/**
 * Reads a body up to a bound and keeps nothing of it, so that the connection can be used again; a
 * longer one is given up together with its connection.
 */
final class BoundedDiscard implements BodySubscriber<Boolean> {
  private static final long MOST_BYTES = 64 * 1024;

  private final CompletableFuture<Boolean> end = new CompletableFuture<>();
  private Flow.@Nullable Subscription subscription;
  private long read;

  @Override
  public CompletionStage<Boolean> getBody() {
    return end;
  }

  @Override
  public void onSubscribe(Flow.Subscription given) {
    subscription = given;
    given.request(1);
  }

  @Override
  public void onNext(List<ByteBuffer> buffers) {
    Flow.Subscription source = subscription;
    if (source == null || end.isDone()) {
      return;
    }
    for (ByteBuffer buffer : buffers) {
      read += buffer.remaining();
    }
    if (read > MOST_BYTES) {
      source.cancel();
      end.complete(false);
    } else {
      source.request(1);
    }
  }

  @Override
  public void onError(Throwable failure) {
    // The status has come; what follows it does not change it.
    end.complete(false);
  }

  @Override
  public void onComplete() {
    end.complete(true);
  }
}
