package dev.pgbelay.reconcile.check;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Instant;
import java.util.Optional;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.JSONB;
import org.jooq.Record;
import org.jooq.SQLDialect;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Which row a finding is about, in statements of a custom repair. */
class FindingRowPostgresTest {
  private static final Table<Record> INVOICE = table(name("invoice"));
  private static final Field<Integer> TENANT =
      field(name("invoice", "tenant"), SQLDataType.INTEGER.nullable(false));
  private static final Field<String> NUMBER =
      field(name("invoice", "number"), SQLDataType.VARCHAR.nullable(false));

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create()
          .withTemplate(
              dataSource ->
                  DSL.using(dataSource, SQLDialect.POSTGRES)
                      .execute(
                          """
                          CREATE TABLE invoice (tenant int, number text, PRIMARY KEY (tenant, number));
                          INSERT INTO invoice VALUES (1, '7'), (2, '7'), (2, 'a"\\,ü')
                          """));

  private final DSLContext dsl = DSL.using(postgres.dataSource(), SQLDialect.POSTGRES);

  @Test
  void wholeKey_meetsThatRowAlone() {
    Finding finding = finding("[\"2\", \"7\"]");
    assertThat(dsl.fetchCount(INVOICE, finding.rowIs(TENANT, NUMBER))).isOne();
    assertThat(
            dsl.select(TENANT)
                .from(INVOICE)
                .where(finding.rowIs(TENANT, NUMBER))
                .fetchSingle(TENANT))
        .isEqualTo(2);
    assertThat(dsl.fetchCount(INVOICE, finding("[\"2\", \"a\\\"\\\\,ü\"]").rowIs(TENANT, NUMBER)))
        .isOne();
  }

  @Test
  void partOfTheKey_orTooMuch_meetsNoRow() {
    Finding finding = finding("[\"2\", \"7\"]");
    assertThat(dsl.fetchCount(INVOICE, finding.rowIs(TENANT))).isZero();
    assertThat(dsl.fetchCount(INVOICE, finding.rowIs())).isZero();
    assertThat(dsl.fetchCount(INVOICE, finding.rowIs(TENANT, NUMBER, NUMBER))).isZero();
  }

  @Test
  void columnWithoutType_isRefusedByName() {
    assertThatThrownBy(() -> finding("[\"2\"]").rowIs(field(name("tenant"))))
        .isInstanceOf(PgBelayException.class)
        .hasMessage(
            "finding of 'invoice-status': column tenant has no type; name it with one, such as"
                + " field(name, BIGINT)");
  }

  private static Finding finding(String key) {
    return new Finding(
        1,
        "invoice-status",
        JSONB.valueOf(key),
        Finding.State.CONFIRMED,
        JSONB.valueOf("{}"),
        Instant.EPOCH,
        Instant.EPOCH,
        Optional.of(Instant.EPOCH),
        Optional.empty(),
        0);
  }
}
