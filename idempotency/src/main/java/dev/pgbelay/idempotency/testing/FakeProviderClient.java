package dev.pgbelay.idempotency.testing;

import dev.pgbelay.idempotency.http.KeyHeader;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Speaks to a {@link FakeProvider}, from this process or another; sends each request once. Safe for
 * several threads.
 */
public final class FakeProviderClient {
  private final HttpClient http;
  private final URI provider;
  private final Duration timeout;

  /**
   * Speaks to one provider.
   *
   * @param timeout how long one answer is waited for
   */
  public FakeProviderClient(HttpClient http, URI provider, Duration timeout) {
    this.http = http;
    this.provider = provider;
    this.timeout = timeout;
  }

  /** The body of a request for a charge. */
  public static String chargeForm(String reference, long amount, String currency) {
    Map<String, String> fields = new LinkedHashMap<>();
    fields.put("reference", reference);
    fields.put("amount", Long.toString(amount));
    fields.put("currency", currency);
    return FormText.format(fields);
  }

  /**
   * Asks for a charge. 201 and 402 have a {@link FakeCharge} as their body.
   *
   * @throws IOException if there was no answer in time: the charge may have happened
   */
  public HttpResponse<String> charge(String key, String reference, long amount, String currency)
      throws IOException, InterruptedException {
    return post("/charges", key, chargeForm(reference, amount, currency));
  }

  /**
   * Asks for the money to be given back.
   *
   * @throws IOException if there was no answer in time: it may have happened
   */
  public HttpResponse<String> refund(String key, String charge)
      throws IOException, InterruptedException {
    return post("/charges/" + charge + "/refund", key, "");
  }

  private HttpResponse<String> post(String path, String key, String form)
      throws IOException, InterruptedException {
    return http.send(
        request(path)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .header(KeyHeader.NAME, KeyHeader.format(key))
            .POST(BodyPublishers.ofString(form))
            .build(),
        BodyHandlers.ofString());
  }

  /** The first charge that was asked for with a key; empty if the provider knows of none. */
  public Optional<FakeCharge> byKey(String key) throws IOException, InterruptedException {
    HttpResponse<String> response = get(Map.of("key", key));
    return response.statusCode() == 404
        ? Optional.empty()
        : Optional.of(FakeCharge.parse(requireOk(response)));
  }

  /**
   * A page of the charges made since then, in their order.
   *
   * @param after the id of the last one of the page before; empty for the first page
   */
  public List<FakeCharge> since(Instant time, Optional<String> after, int limit)
      throws IOException, InterruptedException {
    Map<String, String> query = new LinkedHashMap<>();
    query.put("since", time.toString());
    after.ifPresent(id -> query.put("after", id));
    query.put("limit", Integer.toString(limit));
    return requireOk(get(query)).lines().map(FakeCharge::parse).toList();
  }

  /**
   * A page of the provider's list.
   *
   * @param next stands for the page behind; empty at the end
   */
  public record ListPage(List<FakeCharge> charges, Optional<String> next) {}

  /**
   * A page of the charges made since then, the newest first. Charges that come in between two pages
   * shift them: the last ones of a page are then the first ones of the next, too.
   *
   * @param page from the page before; empty for the first page
   */
  public ListPage list(Instant since, Optional<String> page, int limit)
      throws IOException, InterruptedException {
    Map<String, String> query = new LinkedHashMap<>();
    query.put("since", since.toString());
    page.ifPresent(token -> query.put("page", token));
    query.put("limit", Integer.toString(limit));
    HttpResponse<String> response = get("/charge-list", query);
    return new ListPage(
        requireOk(response).lines().map(FakeCharge::parse).toList(),
        response.headers().firstValue(ChargeHandler.NEXT_PAGE));
  }

  private HttpResponse<String> get(Map<String, String> query)
      throws IOException, InterruptedException {
    return get("/charges", query);
  }

  private HttpResponse<String> get(String path, Map<String, String> query)
      throws IOException, InterruptedException {
    return http.send(
        request(path + "?" + FormText.format(query)).GET().build(), BodyHandlers.ofString());
  }

  private HttpRequest.Builder request(String path) {
    return HttpRequest.newBuilder(provider.resolve(path)).timeout(timeout);
  }

  private static String requireOk(HttpResponse<String> response) throws IOException {
    if (response.statusCode() != 200) {
      throw new IOException("the provider answered " + response.statusCode());
    }
    return response.body();
  }
}
