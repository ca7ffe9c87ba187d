package dev.pgbelay.batch.chunk;

import static dev.pgbelay.batch.chunk.ChunkFixture.freshName;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.select;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.batch.chunk.JobRefusedException.Reason;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.testing.PostgresExtension;
import java.util.Map;
import org.jooq.Condition;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Table;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Which foreign keys a cascade must be told of, and in which order. */
class CascadeOrderPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ChunkFixture.SCHEMA);

  private static final Field<Long> ID = field(name("id"), Long.class);
  private static final Field<Long> ORG_ID = field(name("org_id"), Long.class);
  private static final Field<Long> DOC_ID = field(name("doc_id"), Long.class);
  private static final Table<Record> ORG = table(name("org"));
  private static final Table<Record> DOC = table(name("doc"));
  private static final Table<Record> PAGE = table(name("page"));
  private static final Condition PAGE_OF_ORG = DOC_ID.in(select(ID).from(DOC).where(ORG_ID.eq(1L)));

  private final DSLContext dsl = ChunkFixture.dsl(postgres.dataSource());
  private final Transactions transactions = Transactions.of(postgres.dataSource());

  @AfterEach
  void dropTables() {
    dsl.execute("drop table if exists badge, page, doc, org cascade");
  }

  private CascadeDelete.Builder<Long> cascade(Table<?> parent) {
    return CascadeDelete.of(transactions, freshName(), parent, ID, 1L).jobs(ChunkFixture::quick);
  }

  private static void assertRefused(
      CascadeDelete.Builder<Long> cascade, Reason reason, String reference) {
    assertThatThrownBy(() -> cascade.build().run())
        .isInstanceOfSatisfying(
            JobRefusedException.class, e -> assertThat(e.reason()).isEqualTo(reason))
        .hasMessageContaining(reference);
  }

  private void createOrgDocPage(String onDeleteOfDoc) {
    dsl.execute(
        """
        create table org (id bigint primary key);
        create table doc (id bigint primary key, org_id bigint not null references org);
        create unique index on doc (org_id, id);
        create table page (id bigint primary key, doc_id bigint not null references doc %s);
        create index on page (doc_id);
        insert into org values (1), (2);
        insert into doc select i, 1 + i %% 2 from generate_series(1, 4) i;
        insert into page select i, 1 + i %% 4 from generate_series(1, 1000) i;
        """
            .formatted(onDeleteOfDoc));
  }

  @Test
  void referenceToTheRootOfAPartitionThatIsTheParent_mustBeDeclared() {
    dsl.execute(
        """
        create table org (id bigint primary key) partition by range (id);
        create table org_1 partition of org for values from (1) to (100);
        create table doc (id bigint primary key, org_id bigint not null references org on delete cascade);
        create unique index on doc (org_id, id);
        create table badge (id bigint primary key, org_id bigint not null references org_1);
        create unique index on badge (org_id, id);
        insert into org values (1);
        insert into doc select i, 1 from generate_series(1, 1000) i;
        insert into badge values (1, 1);
        """);
    Table<Record> badge = table(name("badge"));

    assertRefused(
        cascade(table(name("org_1"))).child(badge, ORG_ID, ID),
        Reason.UNDECLARED_CHILDREN,
        "doc (org_id) ON DELETE CASCADE refers to org");
    assertThat(dsl.fetchCount(DOC)).isEqualTo(1_000);

    CascadeDelete.Report report =
        cascade(table(name("org_1"))).child(badge, ORG_ID, ID).child(DOC, ORG_ID, ID).build().run();
    assertThat(report.outcome()).isEqualTo(CascadeDelete.Outcome.DELETED);
    assertThat(report.parts().get(1).rows()).isEqualTo(1_000);
  }

  @Test
  void referenceToTheRootOfAPartitionThatIsEmptied_mustBeDeclared() {
    dsl.execute(
        """
        create table org (id bigint primary key);
        create table doc (id bigint primary key, org_id bigint not null) partition by range (id);
        create table doc_1 partition of doc for values from (0) to (100);
        alter table doc_1 add foreign key (org_id) references org;
        create unique index on doc_1 (org_id, id);
        create table page (id bigint primary key, doc_id bigint references doc on delete set null);
        insert into org values (1);
        insert into doc values (1, 1);
        insert into page values (1, 1);
        """);

    assertRefused(
        cascade(ORG).child(table(name("doc_1")), ORG_ID, ID),
        Reason.UNDECLARED_CHILDREN,
        "page (doc_id) ON DELETE SET NULL refers to doc");
    assertThat(dsl.fetchCount(PAGE, DOC_ID.isNotNull())).isOne();
  }

  @Test
  void referenceToATableThatInheritsFromAnEmptiedOne_mustBeDeclared() {
    dsl.execute(
        """
        create table org (id bigint primary key);
        create table doc (id bigint primary key, org_id bigint not null references org);
        create unique index on doc (org_id, id);
        create table doc_old (primary key (id)) inherits (doc);
        create table page (
          id bigint primary key, doc_id bigint not null references doc_old on delete cascade);
        insert into org values (1);
        insert into doc_old values (1, 1);
        insert into page select i, 1 from generate_series(1, 100) i;
        """);

    assertRefused(
        cascade(ORG).child(DOC, ORG_ID, ID),
        Reason.UNDECLARED_CHILDREN,
        "page (doc_id) ON DELETE CASCADE refers to doc_old");
    assertThat(dsl.fetchCount(PAGE)).isEqualTo(100);
  }

  @Test
  void tableBeforeOneThatRefersToIt_isRefusedAndTheOtherOrderIsNot() {
    createOrgDocPage("on delete cascade");

    assertRefused(
        cascade(ORG).child(DOC, ORG_ID, ID).descendants(PAGE, PAGE_OF_ORG, ID),
        Reason.WRONG_ORDER,
        "page (doc_id) ON DELETE CASCADE refers to doc");
    assertThat(dsl.fetchCount(PAGE)).isEqualTo(1_000);
    assertThat(dsl.fetchCount(DOC)).isEqualTo(4);

    CascadeDelete.Report report =
        cascade(ORG).descendants(PAGE, PAGE_OF_ORG, ID).child(DOC, ORG_ID, ID).build().run();
    assertThat(report.outcome()).isEqualTo(CascadeDelete.Outcome.DELETED);
    assertThat(report.parts()).extracting(ChunkReport::rows).containsExactly(500L, 2L);
  }

  @Test
  void wrongOrderThatTheServerWouldRefuse_isRefusedBeforeAnythingHappens() {
    createOrgDocPage("");

    assertRefused(
        cascade(ORG).child(DOC, ORG_ID, ID).descendants(PAGE, PAGE_OF_ORG, ID),
        Reason.WRONG_ORDER,
        "page (doc_id) refers to doc");
  }

  @Test
  void tableThatRefersToItself_isRefusedUnlessTheServerMayFollow() {
    createOrgDocPage("on delete cascade");
    dsl.execute(
        """
        alter table page add reply_to bigint references page on delete cascade;
        create index on page (reply_to);
        update page set reply_to = 1 + (id - 1) % 4 where id > 4;
        """);
    CascadeDelete.Builder<Long> delete =
        cascade(ORG).descendants(PAGE, PAGE_OF_ORG, ID).child(DOC, ORG_ID, ID);

    assertRefused(
        delete, Reason.CIRCULAR_REFERENCE, "page (reply_to) ON DELETE CASCADE refers to page");
    assertThat(dsl.fetchCount(PAGE)).isEqualTo(1_000);

    assertThat(delete.followCircularReferences().build().run().outcome())
        .isEqualTo(CascadeDelete.Outcome.DELETED);
    assertThat(dsl.fetchCount(PAGE)).isEqualTo(500);
  }

  @Test
  void circleOfTwoTables_isRefusedWhereTheServerFollowsIt() {
    createOrgDocPage("");
    dsl.execute("alter table doc add latest bigint, add foreign key (latest) references page");
    CascadeDelete.Builder<Long> delete =
        cascade(ORG).descendants(PAGE, PAGE_OF_ORG, ID).child(DOC, ORG_ID, ID);

    dsl.execute(
        """
        alter table doc drop constraint doc_latest_fkey,
          add foreign key (latest) references page on delete set null\
        """);
    assertRefused(
        delete, Reason.CIRCULAR_REFERENCE, "doc (latest) ON DELETE SET NULL refers to page");

    dsl.execute(
        """
        alter table doc drop constraint doc_latest_fkey,
          add foreign key (latest) references page\
        """);
    assertThat(delete.build().run().outcome())
        .as("nothing refers in fact, and the server would refuse, not follow")
        .isEqualTo(CascadeDelete.Outcome.DELETED);
  }

  @Test
  void keyThatRefersToAnotherColumnOfTheParent_isRefusedByName() {
    dsl.execute(
        """
        create table org (id bigint primary key, code bigint unique not null);
        create table doc (id bigint primary key, org_id bigint not null references org (code));
        create unique index on doc (org_id, id);
        insert into org values (1, 100), (2, 1);
        insert into doc select i, 1 from generate_series(1, 50) i;
        """);

    assertRefused(
        cascade(ORG).child(DOC, ORG_ID, ID),
        Reason.UNDECLARED_CHILDREN,
        "doc (org_id) refers to org (code), while the parent is given by id");
    assertThat(dsl.fetchCount(DOC)).as("all of the other parent").isEqualTo(50);
    assertThat(dsl.fetchCount(ORG)).isEqualTo(2);

    Field<Long> code = field(name("code"), Long.class);
    assertThat(
            CascadeDelete.of(transactions, freshName(), ORG, code, 1L)
                .jobs(ChunkFixture::quick)
                .child(DOC, ORG_ID, ID)
                .build()
                .run()
                .outcome())
        .isEqualTo(CascadeDelete.Outcome.DELETED);
    assertThat(dsl.fetchCount(DOC)).isZero();
    assertThat(dsl.fetchCount(ORG, ID.eq(1L))).isOne();
  }

  @Test
  void columnThatSeveralParentsShare_isRefusedBeforeAnythingHappens() {
    dsl.execute(
        """
        create table org (region text, id bigint, gone boolean, primary key (region, id));
        create table doc (
          id bigint primary key, region text not null, org_id bigint not null,
          foreign key (region, org_id) references org);
        create unique index on doc (org_id, id);
        insert into org values ('eu', 1), ('us', 1);
        insert into doc select i, case when i % 2 = 0 then 'eu' else 'us' end, 1
          from generate_series(1, 20) i;
        """);
    Field<Boolean> gone = field(name("gone"), Boolean.class);
    CascadeDelete.Builder<Long> delete =
        cascade(ORG).child(DOC, ORG_ID, ID).mark(Map.of(gone, true));

    assertRefused(delete, Reason.PARENT_NOT_UNIQUE, "more than one row of org");
    assertThat(dsl.fetchCount(DOC)).isEqualTo(20);
    assertThat(dsl.fetchCount(ORG, gone.isNull())).isEqualTo(2);

    dsl.execute("delete from doc where region = 'us'; delete from org where region = 'us'");
    assertThat(delete.build().run().outcome()).isEqualTo(CascadeDelete.Outcome.DELETED);
    assertThat(dsl.fetchCount(DOC)).isZero();
  }

  @Test
  void secondParentThatAppearsMeanwhile_keepsBoth() {
    dsl.execute(
        """
        create table org (region text, id bigint, primary key (region, id));
        create table doc (
          id bigint primary key, region text not null, org_id bigint not null,
          foreign key (region, org_id) references org);
        create unique index on doc (org_id, id);
        insert into org values ('eu', 1);
        insert into doc values (1, 'eu', 1);
        create function second() returns trigger language plpgsql as
          'begin insert into org values (''us'', 1); return null; end';
        create trigger second after delete on doc for each row execute function second();
        """);
    try {
      assertRefused(
          cascade(ORG).child(DOC, ORG_ID, ID),
          Reason.PARENT_NOT_UNIQUE,
          "more than one row of org");
      assertThat(dsl.fetchCount(ORG)).isEqualTo(2);
    } finally {
      dsl.execute("drop function second() cascade");
    }
  }
}
