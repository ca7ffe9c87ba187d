package dev.pgbelay.servlet;

import jakarta.servlet.AsyncContext;
import jakarta.servlet.AsyncEvent;
import jakarta.servlet.AsyncListener;
import jakarta.servlet.ServletContext;
import jakarta.servlet.ServletException;
import jakarta.servlet.ServletRequest;
import jakarta.servlet.ServletResponse;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletRequestWrapper;
import org.jspecify.annotations.Nullable;

/** Keeps the response that tells the client, also where a request goes on asynchronously. */
final class TokenRequest extends HttpServletRequestWrapper {
  private final TokenResponse response;
  private @Nullable AsyncContext async;

  TokenRequest(HttpServletRequest request, TokenResponse response) {
    super(request);
    this.response = response;
  }

  /** The container would go on with its own response. */
  @Override
  public AsyncContext startAsync() {
    return startAsync(this, response);
  }

  @Override
  public AsyncContext startAsync(ServletRequest request, ServletResponse answer) {
    AsyncContext own = super.startAsync(request, answer);
    own.addListener(new AtItsEnd());
    AsyncContext telling = new Telling(own);
    async = telling;
    return telling;
  }

  @Override
  public AsyncContext getAsyncContext() {
    AsyncContext own = super.getAsyncContext();
    return async == null ? own : async;
  }

  /** The response is committed by then, but its owner's store is not. */
  private final class AtItsEnd implements AsyncListener {
    @Override
    public void onComplete(AsyncEvent event) {
      response.exchange().ended();
    }

    @Override
    public void onTimeout(AsyncEvent event) {
      response.tell();
    }

    @Override
    public void onError(AsyncEvent event) {
      response.tell();
    }

    @Override
    public void onStartAsync(AsyncEvent event) {
      event.getAsyncContext().addListener(this);
    }
  }

  private final class Telling implements AsyncContext {
    private final AsyncContext own;

    Telling(AsyncContext own) {
      this.own = own;
    }

    @Override
    public void complete() {
      response.tell();
      own.complete();
    }

    @Override
    public ServletRequest getRequest() {
      return own.getRequest();
    }

    @Override
    public ServletResponse getResponse() {
      return own.getResponse();
    }

    @Override
    public boolean hasOriginalRequestAndResponse() {
      return own.hasOriginalRequestAndResponse();
    }

    @Override
    public void dispatch() {
      own.dispatch();
    }

    @Override
    public void dispatch(String path) {
      own.dispatch(path);
    }

    @Override
    public void dispatch(ServletContext context, String path) {
      own.dispatch(context, path);
    }

    @Override
    public void start(Runnable run) {
      own.start(run);
    }

    @Override
    public void addListener(AsyncListener listener) {
      own.addListener(listener);
    }

    @Override
    public void addListener(
        AsyncListener listener, ServletRequest request, ServletResponse answer) {
      own.addListener(listener, request, answer);
    }

    @Override
    public <T extends AsyncListener> T createListener(Class<T> type) throws ServletException {
      return own.createListener(type);
    }

    @Override
    public void setTimeout(long millis) {
      own.setTimeout(millis);
    }

    @Override
    public long getTimeout() {
      return own.getTimeout();
    }
  }
}
