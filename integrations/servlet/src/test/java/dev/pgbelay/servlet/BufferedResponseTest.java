package dev.pgbelay.servlet;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.testing.PostgresExtension;
import jakarta.servlet.DispatcherType;
import jakarta.servlet.ServletException;
import jakarta.servlet.http.Cookie;
import java.io.IOException;
import java.net.http.HttpClient;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What a servlet does with its response reaches both clients, the first and the one after it. */
class BufferedResponseTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withTemplate(Shop.SCHEMA);

  @RegisterExtension final FilteredShops shops = new FilteredShops(postgres);

  @Test
  void reset_forgetsStatusHeadersCookiesAndBody() throws Exception {
    Shop shop = shops.shop(FilteredShops.RULE, builder -> builder.storeHeader("x-gone"));
    shop.counter =
        (request, response) -> {
          response.setStatus(202);
          response.setHeader("X-Gone", "1");
          response.addCookie(new Cookie("gone", "1"));
          response.getWriter().print("draft");
          response.reset();
          response.getWriter().print("whole");
        };
    for (int i = 0; i < 2; i++) {
      HttpResponse<String> answer = shop.post("k", "{}");
      assertThat(answer.statusCode()).isEqualTo(200);
      assertThat(answer.body()).isEqualTo("whole");
      assertThat(answer.headers().firstValue("X-Gone")).isEmpty();
      assertThat(answer.headers().firstValue("Set-Cookie")).isEmpty();
    }
  }

  @Test
  void answerAsLongAsTheLimit_isTakenAlsoBehindALongerOneThatWasReset() throws Exception {
    Shop shop = shops.shop(FilteredShops.RULE, builder -> builder.maxResponseBytes(10));
    shop.counter =
        (request, response) -> {
          response.getOutputStream().write(new byte[11]);
          response.resetBuffer();
          response.getOutputStream().print("0123456789");
        };
    for (int i = 0; i < 2; i++) {
      HttpResponse<String> answer = shop.post("k", "{}");
      assertThat(answer.statusCode()).isEqualTo(200);
      assertThat(answer.body()).isEqualTo("0123456789");
    }
  }

  @Test
  void exceptionBehindHalfAnAnswer_sendsNothingOfIt() throws Exception {
    Shop shop = shops.shop();
    shop.counter =
        (request, response) -> {
          Shop.place(request, response, "half");
          response.addCookie(new Cookie("half", "1"));
          response.flushBuffer();
          throw new IllegalStateException("on purpose");
        };
    HttpResponse<String> answer = shop.post("k", "{}");
    assertThat(answer.statusCode()).isEqualTo(500);
    assertThat(answer.body()).doesNotContain("placed");
    assertThat(answer.headers().firstValue("X-Trace")).isEmpty();
    assertThat(answer.headers().firstValue("Set-Cookie")).isEmpty();
    assertThat(shop.placed() + shop.stored()).isZero();
  }

  @Test
  void whatStandsAroundARedirect_isNotPartOfIt() throws Exception {
    Shop shop = shops.shop();
    shop.counter =
        (request, response) -> {
          response.getWriter().print("draft");
          response.getWriter().flush();
          response.sendRedirect("/orders/1");
          assertThat(response.isCommitted()).isTrue();
          response.setStatus(200);
          response.getWriter().print("after");
        };
    for (int i = 0; i < 2; i++) {
      HttpResponse<String> answer = shop.post("k", "{}");
      assertThat(answer.statusCode()).isEqualTo(302);
      assertThat(answer.body()).isEmpty();
    }
  }

  @Test
  void headers_areSetAddedAndTakenBackAsByTheServletSpecification() throws Exception {
    Shop shop =
        shops.shop(
            FilteredShops.RULE, builder -> builder.storeHeader("x-set").storeHeader("x-added"));
    shop.counter =
        (request, response) -> {
          response.setHeader("X-Set", "1");
          response.setHeader("x-set", "2");
          response.addHeader("X-Added", "1");
          response.addHeader("X-Added", "2");
          response.setHeader("X-Null", "1");
          response.setHeader("X-Null", null);
          response.setIntHeader("X-Int", 7);
          response.setDateHeader("X-Date", 0);
          response.setHeader("Content-Length", "1");
          response.setContentLength(1);
          response.setHeader("content-type", "text/plain;charset=UTF-8");
          assertThat(response.containsHeader("X-ADDED")).isTrue();
          assertThat(response.getHeaders("x-added")).containsExactly("1", "2");
          response.getWriter().print("longer than that");
        };
    HttpResponse<String> first = shop.post("k", "{}");
    assertThat(first.headers().allValues("X-Null")).isEmpty();
    assertThat(first.headers().allValues("X-Int")).containsExactly("7");
    assertThat(first.headers().allValues("X-Date"))
        .containsExactly("Thu, 01 Jan 1970 00:00:00 GMT");
    for (HttpResponse<String> answer : List.of(first, shop.post("k", "{}"))) {
      assertThat(answer.headers().allValues("X-Set")).containsExactly("2");
      assertThat(answer.headers().allValues("X-Added")).containsExactly("1", "2");
      assertThat(answer.headers().firstValue("Content-Type").orElseThrow())
          .isEqualToIgnoringCase("text/plain;charset=UTF-8");
      assertThat(answer.body()).isEqualTo("longer than that");
    }
  }

  @Test
  void lengthThatAServletSetsWithoutABody_isNotWaitedFor() throws Exception {
    Shop shop = shops.shop();
    shop.counter = (request, response) -> response.setHeader("Content-Length", "5");
    for (int i = 0; i < 2; i++) {
      HttpResponse<String> answer = shop.post("k", "{}");
      assertThat(answer.statusCode()).isEqualTo(200);
      assertThat(answer.body()).isEmpty();
    }
  }

  @Test
  void text_isWrittenInTheCharsetThatTheHeaderNames() throws Exception {
    HttpClient http = HttpClient.newHttpClient();
    Shop.Counter[] counters = {
      (request, response) -> {
        response.setContentType("text/plain; charset=\"ISO-8859-1\"");
        response.getWriter().print("caf\u00e9");
      },
      (request, response) -> {
        response.setCharacterEncoding("ISO-8859-1");
        response.setContentType("text/plain");
        response.getWriter().print("caf\u00e9");
      },
      (request, response) -> {
        response.setCharacterEncoding("ISO-8859-1");
        response.getWriter().print("caf\u00e9");
        response.setContentType("text/plain");
      },
    };
    for (int i = 0; i < counters.length; i++) {
      Shop shop = shops.shop();
      shop.counter = counters[i];
      for (int time = 0; time < 2; time++) {
        HttpResponse<byte[]> answer =
            http.send(shop.keyed("\"k" + i + "\"", "{}").build(), BodyHandlers.ofByteArray());
        assertThat(answer.headers().firstValue("Content-Type").orElseThrow())
            .containsIgnoringCase("charset")
            .containsIgnoringCase("iso-8859-1");
        assertThat(answer.body()).isEqualTo("caf\u00e9".getBytes(ISO_8859_1));
      }
    }
  }

  @Test
  void answerThatIsNotStored_goesOutWholeWithItsCookies() throws Exception {
    Shop shop = shops.shop();
    shop.counter =
        (request, response) -> {
          response.addCookie(new Cookie("session", "1"));
          Shop.place(request, response, "half");
          response.setStatus(404);
        };
    for (int i = 0; i < 2; i++) {
      HttpResponse<String> answer = shop.post("k", "{}");
      assertThat(answer.statusCode()).isEqualTo(404);
      assertThat(answer.headers().firstValue("Set-Cookie")).isPresent();
      assertThat(answer.headers().firstValue("X-Trace")).contains("abc");
      assertThat(answer.headers().firstValue(IdempotencyFilter.REPLAYED)).isEmpty();
    }
    assertThat(shop.placed() + shop.stored()).isZero();
  }

  @Test
  void exceptionOfTheServlet_comesOutAsItIs() throws Exception {
    for (Exception thrown :
        new Exception[] {new IOException("on purpose"), new ServletException("on purpose")}) {
      Shop shop = shops.shop();
      shop.counter =
          (request, response) -> {
            if (request.getDispatcherType() == DispatcherType.ERROR) {
              return;
            }
            if (thrown instanceof IOException e) {
              throw e;
            }
            throw new ServletException("on purpose");
          };
      assertThat(shop.post("k", "{}").statusCode()).isEqualTo(500);
      assertThat(shop.thrown()).hasExactlyElementsOfTypes(thrown.getClass());
    }
  }
}
