package dev.pgbelay.idempotency.payment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.testing.PostgresExtension;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.exception.DataAccessException;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * What the table itself refuses, whoever writes to it: a finish without an answer, and the reverse.
 */
class PaymentTablePostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withTemplate(Shop.SCHEMA);

  private final DSLContext dsl = DSL.using(postgres.dataSource(), SQLDialect.POSTGRES);
  private final String key = Shop.freshName();

  private int insert(String finishedAt, String response) {
    return dsl.execute(
        """
        insert into pgbelay.payment
          (finished_at, lease_until, steps_version, fingerprint_version, operation, tenant, key,
           state, done, results, fingerprint, request, response)
        values (%s, '-infinity', 1, 1, 'pay', 'acme', ?, 'RUNNING', '{}', '{}', 'x', 'x', %s)
        """
            .formatted(finishedAt, response),
        key);
  }

  private int update(String finishedAt, String response) {
    return dsl.execute(
        "update pgbelay.payment set finished_at = %s, response = %s where key = ?"
            .formatted(finishedAt, response),
        key);
  }

  @Test
  void payment_hasOneCheck() {
    assertThat(
            dsl.fetch(
                    "select pg_get_constraintdef(oid) from pg_constraint"
                        + " where conrelid = 'pgbelay.payment'::regclass and contype = 'c'")
                .getValues(0, String.class))
        .as("each of them is parsed anew for each insert and update")
        .singleElement()
        .asString()
        .contains("response IS NULL", "finished_at");
  }

  @ParameterizedTest
  @CsvSource(
      quoteCharacter = '`',
      value = {"'infinity', null", "now(), 'a'", "now(), ''", "'-infinity', 'a'"})
  void openWithoutAnswerAndFinishedWithOne_areTaken(String finishedAt, String response) {
    assertThat(insert(finishedAt, response)).isEqualTo(1);
    assertThat(update(finishedAt, response)).isEqualTo(1);
  }

  @ParameterizedTest
  @CsvSource(
      quoteCharacter = '`',
      value = {
        "now(), null",
        "'-infinity', null",
        "'infinity', 'a'",
        "'infinity', ''",
        "null, null",
        "null, 'a'",
      })
  void finishedWithoutAnswerAndOpenWithOne_areRefused(String finishedAt, String response) {
    assertThatThrownBy(() -> insert(finishedAt, response))
        .isInstanceOf(DataAccessException.class)
        .hasMessageContaining("violates");
    for (String[] before : new String[][] {{"'infinity'", "null"}, {"now()", "'a'"}}) {
      insert(before[0], before[1]);
      assertThatThrownBy(() -> update(finishedAt, response))
          .isInstanceOf(DataAccessException.class)
          .hasMessageContaining("violates");
      dsl.execute("delete from pgbelay.payment where key = ?", key);
    }
  }
}
