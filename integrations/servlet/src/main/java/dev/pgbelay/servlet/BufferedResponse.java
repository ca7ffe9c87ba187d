package dev.pgbelay.servlet;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.pgbelay.core.PgBelayException;
import jakarta.servlet.ServletOutputStream;
import jakarta.servlet.WriteListener;
import jakarta.servlet.http.Cookie;
import jakarta.servlet.http.HttpServletResponse;
import jakarta.servlet.http.HttpServletResponseWrapper;
import java.io.ByteArrayOutputStream;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.nio.charset.Charset;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Keeps what a servlet answers until the transaction is committed; nothing of it reaches the client
 * before. Of one thread.
 */
final class BufferedResponse extends HttpServletResponseWrapper {
  private final int longest;
  private final ResponseHeaders headers = new ResponseHeaders();
  private final List<Cookie> cookies = new ArrayList<>();
  private final ByteArrayOutputStream body = new ByteArrayOutputStream();
  private int status = SC_OK;
  private boolean tooLong;
  private boolean closed;
  private String encoding = "UTF-8";
  private @Nullable PrintWriter writer;
  private @Nullable ServletOutputStream stream;

  BufferedResponse(HttpServletResponse response, int longest) {
    super(response);
    this.longest = longest;
  }

  /**
   * What was answered.
   *
   * @throws PgBelayException if it was a stream, or too long
   */
  StoredResponse stored() {
    if (writer != null) {
      writer.flush();
    }
    if (tooLong) {
      throw new PgBelayException(
          "the response has more than "
              + longest
              + " bytes: streams and downloads do not belong behind an IdempotencyFilter");
    }
    return new StoredResponse(status, headers.toList(), body.toByteArray());
  }

  /** Cookies go to the client that was answered, and are never kept. */
  List<Cookie> cookies() {
    return cookies;
  }

  private void append(byte[] bytes, int from, int length) {
    if (closed) {
      return; // as a container does with what comes after sendError
    }
    if (tooLong || length > longest - body.size()) {
      tooLong = true;
    } else {
      body.write(bytes, from, length);
    }
  }

  @Override
  public ServletOutputStream getOutputStream() {
    if (stream == null) {
      stream =
          new ServletOutputStream() {
            @Override
            public void write(int one) {
              append(new byte[] {(byte) one}, 0, 1);
            }

            @Override
            public void write(byte[] bytes, int from, int length) {
              append(bytes, from, length);
            }

            @Override
            public boolean isReady() {
              return true;
            }

            @Override
            public void setWriteListener(WriteListener listener) {
              throw BufferedRequest.streaming();
            }
          };
    }
    return stream;
  }

  @Override
  public PrintWriter getWriter() {
    if (writer == null) {
      writer =
          new PrintWriter(new OutputStreamWriter(getOutputStream(), Charset.forName(encoding)));
      if (getContentType() != null) {
        setContentType(getContentType());
      }
    }
    return writer;
  }

  /** Nothing goes out before the commit. */
  @Override
  public void flushBuffer() {}

  @Override
  public boolean isCommitted() {
    return closed;
  }

  @Override
  public void resetBuffer() {
    if (closed) {
      throw new IllegalStateException("the answer was given by sendError or sendRedirect");
    }
    if (writer != null) {
      writer.flush();
    }
    body.reset();
    tooLong = false;
  }

  @Override
  public void reset() {
    resetBuffer();
    headers.clear();
    cookies.clear();
    status = SC_OK;
  }

  @Override
  public int getBufferSize() {
    return longest;
  }

  @Override
  public void setBufferSize(int size) {}

  @Override
  public void setStatus(int code) {
    if (!closed) {
      this.status = code;
    }
  }

  @Override
  public int getStatus() {
    return status;
  }

  @Override
  public void sendError(int code) {
    resetBuffer();
    status = code;
    setContentType("application/problem+json");
    byte[] problem = "{\"type\":\"about:blank\",\"status\":%d}".formatted(code).getBytes(UTF_8);
    append(problem, 0, problem.length);
    closed = true;
  }

  /** Without the message, which a container may show to the client or not. */
  @Override
  public void sendError(int code, String message) {
    sendError(code);
  }

  @Override
  public void sendRedirect(String location) {
    sendRedirect(location, SC_FOUND, true);
  }

  /** Of Servlet 6.1. */
  public void sendRedirect(String location, int code, boolean clearBuffer) {
    if (clearBuffer) {
      resetBuffer();
    }
    status = code;
    setHeader("Location", location);
    closed = true;
  }

  @Override
  public void setTrailerFields(Supplier<Map<String, String>> trailers) {
    throw BufferedRequest.streaming();
  }

  @Override
  public void addCookie(Cookie cookie) {
    cookies.add(cookie);
  }

  @Override
  public void setHeader(String name, @Nullable String value) {
    headers.remove(name);
    if (value != null) {
      addHeader(name, value);
    }
  }

  @Override
  public void addHeader(String name, String value) {
    if (name.equalsIgnoreCase("content-type")) {
      setContentType(value);
    } else if (!name.equalsIgnoreCase("content-length")) {
      headers.add(name, value);
    }
  }

  @Override
  public void setIntHeader(String name, int value) {
    setHeader(name, Integer.toString(value));
  }

  @Override
  public void addIntHeader(String name, int value) {
    addHeader(name, Integer.toString(value));
  }

  @Override
  public void setDateHeader(String name, long date) {
    setHeader(name, ResponseHeaders.httpDate(date));
  }

  @Override
  public void addDateHeader(String name, long date) {
    addHeader(name, ResponseHeaders.httpDate(date));
  }

  @Override
  public boolean containsHeader(String name) {
    return getHeader(name) != null;
  }

  @Override
  public @Nullable String getHeader(String name) {
    return headers.first(name);
  }

  @Override
  public Collection<String> getHeaders(String name) {
    return headers.all(name);
  }

  @Override
  public Collection<String> getHeaderNames() {
    return headers.names();
  }

  /** A type that is a stream of events is refused. */
  @Override
  public void setContentType(@Nullable String type) {
    headers.remove("Content-Type");
    if (type == null) {
      return;
    }
    String lower = type.toLowerCase(Locale.ROOT);
    if (lower.startsWith("text/event-stream")) {
      throw BufferedRequest.streaming();
    }
    int charset = lower.indexOf("charset=");
    if (charset >= 0) {
      encoding = type.substring(charset + 8).split(";", 2)[0].replace("\"", "").strip();
    } else if (writer != null && lower.startsWith("text/")) {
      headers.add("Content-Type", type + ";charset=" + encoding);
      return;
    }
    headers.add("Content-Type", type);
  }

  @Override
  public @Nullable String getContentType() {
    return getHeader("content-type");
  }

  @Override
  public void setCharacterEncoding(@Nullable String charset) {
    encoding = charset == null ? "UTF-8" : charset;
  }

  @Override
  public String getCharacterEncoding() {
    return encoding;
  }

  @Override
  public void setLocale(Locale locale) {
    setHeader("Content-Language", locale.toLanguageTag());
  }

  @Override
  public void setContentLength(int length) {}

  @Override
  public void setContentLengthLong(long length) {}
}
