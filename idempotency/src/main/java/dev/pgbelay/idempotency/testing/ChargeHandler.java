package dev.pgbelay.idempotency.testing;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.sun.net.httpserver.HttpExchange;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.idempotency.http.KeyHeader;
import dev.pgbelay.idempotency.testing.ChargeBook.Reply;
import dev.pgbelay.idempotency.testing.FakeCharge.State;
import java.io.IOException;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** What a provider does with one request. Safe for several threads. */
final class ChargeHandler {
  private static final int MOST_PER_PAGE = 100;

  /** What stands for the page behind one of the list; not there behind the last one. */
  static final String NEXT_PAGE = "Next-Page";

  private final ChargeBook book;
  private final ChargeList list;
  private final HeldRequests held;
  private final Supplier<ProviderFault> faults;
  private final Consumer<FakeEvent> beforeAnswer;

  ChargeHandler(
      ChargeBook book,
      ChargeList list,
      HeldRequests held,
      Supplier<ProviderFault> faults,
      Consumer<FakeEvent> beforeAnswer) {
    this.book = book;
    this.list = list;
    this.held = held;
    this.faults = faults;
    this.beforeAnswer = beforeAnswer;
  }

  /** The event of what it did, to be told behind the answer; null if it did nothing. */
  @Nullable FakeEvent handle(HttpExchange exchange) throws IOException, InterruptedException {
    try (exchange) {
      String method = exchange.getRequestMethod();
      String[] path = exchange.getRequestURI().getPath().split("/", -1);
      String body = new String(exchange.getRequestBody().readAllBytes(), UTF_8);
      if (method.equals("GET") && path.length == 2 && path[1].equals("charges")) {
        answer(exchange, look(Optional.ofNullable(exchange.getRequestURI().getRawQuery())));
        return null;
      }
      if (method.equals("GET") && path.length == 2 && path[1].equals("charge-list")) {
        ChargeList.Page page =
            list.page(
                FormText.parse(
                    Optional.ofNullable(exchange.getRequestURI().getRawQuery()).orElse("")));
        page.next().ifPresent(next -> exchange.getResponseHeaders().set(NEXT_PAGE, next));
        answer(exchange, page.reply());
        return null;
      }
      boolean charges = path.length == 2 && path[1].equals("charges");
      boolean refunds = path.length == 4 && path[1].equals("charges") && path[3].equals("refund");
      if (!method.equals("POST") || !(charges || refunds)) {
        answer(exchange, new Reply(404, "error=path"));
        return null;
      }
      Optional<String> key =
          Optional.ofNullable(exchange.getRequestHeaders().getFirst(KeyHeader.NAME))
              .flatMap(KeyHeader::parseLeniently);
      if (key.isEmpty()) {
        answer(exchange, new Reply(400, "error=key"));
        return null;
      }
      return change(exchange, key.get(), exchange.getRequestURI().getPath() + "\n" + body, body);
    }
  }

  private @Nullable FakeEvent change(HttpExchange exchange, String key, String request, String body)
      throws IOException, InterruptedException {
    ProviderFault fault = faults.get();
    switch (fault) {
      case ERROR_BEFORE_ACTING -> {
        answer(exchange, new Reply(503, "error=unavailable"));
        return null;
      }
      case TOO_MANY_REQUESTS -> {
        exchange.getResponseHeaders().set("Retry-After", "0");
        answer(exchange, new Reply(429, "error=too-many-requests"));
        return null;
      }
      case DROP_BEFORE_ACTING -> {
        return null;
      }
      default -> {}
    }
    switch (book.begin(key, request)) {
      case RUNNING -> {
        exchange.getResponseHeaders().set("Retry-After", "1");
        answer(exchange, new Reply(409, "error=running"));
        return null;
      }
      case OTHER_REQUEST -> {
        answer(exchange, new Reply(422, "error=other-request"));
        return null;
      }
      case REPLAY -> {
        exchange.getResponseHeaders().set("Idempotent-Replayed", "true");
        answerUnder(fault, exchange, book.replay(key));
        return null;
      }
      case NEW -> {}
    }
    return act(exchange, fault, key, request, body);
  }

  private @Nullable FakeEvent act(
      HttpExchange exchange, ProviderFault fault, String key, String request, String body)
      throws IOException, InterruptedException {
    Optional<FakeEvent> event = Optional.empty();
    Reply reply = new Reply(500, "error=closed");
    try {
      if (fault == ProviderFault.HOLD_BEFORE_ACTING && !held.hold()) {
        return null;
      }
      String[] path = exchange.getRequestURI().getPath().split("/", -1);
      event = path.length == 4 ? book.refund(path[2]) : charge(fault, key, FormText.parse(body));
      reply = event.map(told -> reply(told.charge())).orElse(new Reply(400, "error=request"));
    } finally {
      if (event.isPresent()) {
        book.keep(key, request, reply);
      } else {
        book.end(key);
      }
    }
    event.ifPresent(beforeAnswer);
    answerUnder(fault, exchange, reply);
    return event.orElse(null);
  }

  private Optional<FakeEvent> charge(ProviderFault fault, String key, Map<String, String> fields) {
    try {
      return Optional.of(
          book.charge(
              key,
              FormText.require(fields, "reference"),
              Long.parseLong(FormText.require(fields, "amount")),
              FormText.require(fields, "currency"),
              fault == ProviderFault.DECLINE ? State.DECLINED : State.SUCCEEDED));
    } catch (PgBelayException | NumberFormatException e) {
      return Optional.empty();
    }
  }

  private static Reply reply(FakeCharge charge) {
    return new Reply(charge.state() == State.DECLINED ? 402 : 201, charge.format());
  }

  private void answerUnder(ProviderFault fault, HttpExchange exchange, Reply reply)
      throws IOException, InterruptedException {
    switch (fault) {
      case HOLD_AFTER_ACTING -> {
        if (held.hold()) {
          answer(exchange, reply);
        }
      }
      case DROP_AFTER_ACTING -> {}
      case ERROR_AFTER_ACTING -> answer(exchange, new Reply(500, "error=internal"));
      default -> answer(exchange, reply);
    }
  }

  private Reply look(Optional<String> query) {
    Map<String, String> fields = FormText.parse(query.orElse(""));
    String key = fields.get("key");
    if (key != null) {
      List<FakeCharge> charges =
          book.charges().stream().filter(charge -> charge.key().equals(key)).toList();
      return charges.isEmpty()
          ? new Reply(404, "error=none")
          : new Reply(200, charges.get(0).format());
    }
    try {
      List<FakeCharge> page =
          book.page(
              Instant.parse(fields.getOrDefault("since", Instant.EPOCH.toString())),
              Optional.ofNullable(fields.get("after")),
              Math.min(MOST_PER_PAGE, Integer.parseInt(fields.getOrDefault("limit", "100"))));
      return new Reply(
          200, page.stream().map(FakeCharge::format).collect(Collectors.joining("\n")));
    } catch (DateTimeException | NumberFormatException e) {
      return new Reply(400, "error=query");
    }
  }

  private static void answer(HttpExchange exchange, Reply reply) throws IOException {
    byte[] body = reply.body().getBytes(UTF_8);
    exchange.getResponseHeaders().set("Content-Type", "application/x-www-form-urlencoded");
    exchange.sendResponseHeaders(reply.status(), body.length == 0 ? -1 : body.length);
    exchange.getResponseBody().write(body);
    exchange.getResponseBody().close();
  }
}
