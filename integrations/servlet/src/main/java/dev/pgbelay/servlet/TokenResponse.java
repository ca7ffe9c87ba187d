package dev.pgbelay.servlet;

import jakarta.servlet.ServletOutputStream;
import jakarta.servlet.WriteListener;
import jakarta.servlet.http.HttpServletResponse;
import jakarta.servlet.http.HttpServletResponseWrapper;
import java.io.FilterWriter;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.Writer;
import org.jspecify.annotations.Nullable;

/** Tells the client before each step that could commit the response. Of one thread. */
final class TokenResponse extends HttpServletResponseWrapper {
  private final HttpServletResponse response;
  private final TokenExchange exchange;
  private @Nullable PrintWriter writer;
  private @Nullable ServletOutputStream stream;

  TokenResponse(HttpServletResponse response, TokenExchange exchange) {
    super(response);
    this.response = response;
    this.exchange = exchange;
  }

  void tell() {
    exchange.tell(response);
  }

  TokenExchange exchange() {
    return exchange;
  }

  void over() {
    exchange.over(response);
  }

  @Override
  public ServletOutputStream getOutputStream() throws IOException {
    if (stream == null) {
      stream = new TellingStream(response.getOutputStream());
    }
    return stream;
  }

  @Override
  public PrintWriter getWriter() throws IOException {
    if (writer == null) {
      PrintWriter own = response.getWriter();
      writer =
          new PrintWriter(new TellingWriter(own)) {
            @Override
            public boolean checkError() {
              return own.checkError() || super.checkError();
            }
          };
    }
    return writer;
  }

  @Override
  public void flushBuffer() throws IOException {
    tell();
    super.flushBuffer();
  }

  @Override
  public void sendError(int status) throws IOException {
    tell();
    super.sendError(status);
  }

  @Override
  public void sendError(int status, String message) throws IOException {
    tell();
    super.sendError(status, message);
  }

  @Override
  public void sendRedirect(String location) throws IOException {
    tell();
    super.sendRedirect(location);
  }

  /** It takes the place of all of that name, and so perhaps of the token. */
  @Override
  public void setHeader(String name, String value) {
    super.setHeader(name, value);
    exchange.headerSet(name);
  }

  @Override
  public void reset() {
    super.reset();
    writer = null;
    stream = null;
    exchange.forgotten();
  }

  private final class TellingWriter extends FilterWriter {
    TellingWriter(Writer own) {
      super(own);
    }

    @Override
    public void write(int one) throws IOException {
      tell();
      super.write(one);
    }

    @Override
    public void write(char[] chars, int from, int length) throws IOException {
      tell();
      super.write(chars, from, length);
    }

    @Override
    public void write(String text, int from, int length) throws IOException {
      tell();
      super.write(text, from, length);
    }

    @Override
    public void flush() throws IOException {
      tell();
      super.flush();
    }

    @Override
    public void close() throws IOException {
      tell();
      super.close();
    }
  }

  private final class TellingStream extends ServletOutputStream {
    private final ServletOutputStream own;

    TellingStream(ServletOutputStream own) {
      this.own = own;
    }

    @Override
    public void write(int one) throws IOException {
      tell();
      own.write(one);
    }

    @Override
    public void write(byte[] bytes, int from, int length) throws IOException {
      tell();
      own.write(bytes, from, length);
    }

    @Override
    public void print(String text) throws IOException {
      tell();
      own.print(text);
    }

    @Override
    public void flush() throws IOException {
      tell();
      own.flush();
    }

    @Override
    public void close() throws IOException {
      tell();
      own.close();
    }

    @Override
    public boolean isReady() {
      return own.isReady();
    }

    @Override
    public void setWriteListener(WriteListener listener) {
      own.setWriteListener(listener);
    }
  }
}
