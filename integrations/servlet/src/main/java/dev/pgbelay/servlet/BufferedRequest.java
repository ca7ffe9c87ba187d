package dev.pgbelay.servlet;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.idempotency.fingerprint.RequestContent;
import jakarta.servlet.AsyncContext;
import jakarta.servlet.ReadListener;
import jakarta.servlet.ServletInputStream;
import jakarta.servlet.ServletRequest;
import jakarta.servlet.ServletResponse;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletRequestWrapper;
import jakarta.servlet.http.HttpUpgradeHandler;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.InputStreamReader;
import java.net.URLDecoder;
import java.nio.charset.Charset;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Enumeration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** A request whose body is in memory, so that it can be compared first and read then. */
final class BufferedRequest extends HttpServletRequestWrapper implements RequestContent {
  private final byte[] body;
  private final ByteArrayInputStream left;
  private @Nullable Map<String, String[]> parameters;

  BufferedRequest(HttpServletRequest request, byte[] body) {
    super(request);
    this.body = body;
    this.left = new ByteArrayInputStream(body);
  }

  static PgBelayException streaming() {
    return new PgBelayException(
        "streams and asynchronous requests cannot be kept under an idempotency key: answer as a"
            + " whole, or leave this path out of the IdempotencyFilter");
  }

  @Override
  public String method() {
    return getMethod();
  }

  @Override
  public String path() {
    return getRequestURI();
  }

  @Override
  public Optional<String> query() {
    return Optional.ofNullable(getQueryString());
  }

  @Override
  public List<String> headers(String name) {
    return Collections.list(getHeaders(name));
  }

  @Override
  public byte[] body() {
    return body;
  }

  private Charset charset() {
    String name = getCharacterEncoding();
    return name == null ? UTF_8 : Charset.forName(name);
  }

  @Override
  public ServletInputStream getInputStream() {
    return new ServletInputStream() {
      @Override
      public int read() {
        return left.read();
      }

      @Override
      public int read(byte[] bytes, int from, int length) {
        return left.read(bytes, from, length);
      }

      @Override
      public boolean isFinished() {
        return left.available() == 0;
      }

      @Override
      public boolean isReady() {
        return true;
      }

      @Override
      public void setReadListener(ReadListener listener) {
        throw streaming();
      }
    };
  }

  @Override
  public BufferedReader getReader() {
    return new BufferedReader(new InputStreamReader(getInputStream(), charset()));
  }

  @Override
  public boolean isAsyncSupported() {
    return false;
  }

  @Override
  public AsyncContext startAsync() {
    throw streaming();
  }

  @Override
  public AsyncContext startAsync(ServletRequest request, ServletResponse response) {
    throw streaming();
  }

  @Override
  public <T extends HttpUpgradeHandler> T upgrade(Class<T> handler) {
    throw streaming();
  }

  /** The container has not seen the body, so a form's fields are read here. */
  @Override
  public Map<String, String[]> getParameterMap() {
    if (parameters == null) {
      Map<String, List<String>> all = new LinkedHashMap<>();
      query().ifPresent(query -> addFields(all, query));
      String type = getContentType();
      if (type != null
          && type.toLowerCase(Locale.ROOT).startsWith("application/x-www-form-urlencoded")) {
        addFields(all, new String(body, charset()));
      }
      Map<String, String[]> read = new LinkedHashMap<>();
      all.forEach((name, values) -> read.put(name, values.toArray(String[]::new)));
      parameters = Collections.unmodifiableMap(read);
    }
    return parameters;
  }

  private void addFields(Map<String, List<String>> all, String text) {
    for (String field : text.split("&", -1)) {
      if (!field.isEmpty()) {
        int equals = field.indexOf('=');
        String name = equals < 0 ? field : field.substring(0, equals);
        String value = equals < 0 ? "" : field.substring(equals + 1);
        all.computeIfAbsent(URLDecoder.decode(name, charset()), any -> new ArrayList<>())
            .add(URLDecoder.decode(value, charset()));
      }
    }
  }

  @Override
  public @Nullable String getParameter(String name) {
    String[] values = getParameterMap().get(name);
    return values == null ? null : values[0];
  }

  @Override
  public String @Nullable [] getParameterValues(String name) {
    return getParameterMap().get(name);
  }

  @Override
  public Enumeration<String> getParameterNames() {
    return Collections.enumeration(getParameterMap().keySet());
  }
}
