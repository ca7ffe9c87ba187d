package dev.pgbelay.keyset.view;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.pgbelay.keyset.Page;
import dev.pgbelay.keyset.Page.Count;
import dev.pgbelay.keyset.Page.Neighbour;
import java.math.BigDecimal;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.junit.jupiter.api.Test;

class ViewsTest {
  private static <T> Page<T> page(List<T> items, Neighbour next, Neighbour previous) {
    return new Page<>(
        items,
        items.stream().map(item -> "cursor-of-" + item).toList(),
        next,
        previous,
        next == Neighbour.NONE ? Optional.empty() : Optional.of("n"),
        previous == Neighbour.NONE ? Optional.empty() : Optional.of("p"),
        Optional.of(new Count(9_007_199_254_740_993L, Count.Precision.AT_LEAST)));
  }

  @Test
  void pageView_isTheDocumentedJson() throws Exception {
    PageView<String> view =
        PageView.of(page(List.of(1, 2), Neighbour.SOME, Neighbour.NOT_ASKED), i -> "#" + i);
    assertThat(new ObjectMapper().writeValueAsString(view))
        .isEqualTo(
            """
            {"items":["#1","#2"],"next":"n","previous":"p","hasNext":true,"hasPrevious":null,\
            "count":{"rows":"9007199254740993","precision":"at_least"}}""");
  }

  @Test
  void records_keepEveryDigit() throws Exception {
    Field<Long> id = DSL.field("id", SQLDataType.BIGINT);
    Field<BigDecimal> amount = DSL.field("amount", SQLDataType.NUMERIC);
    Field<Integer> small = DSL.field("small", SQLDataType.INTEGER);
    Field<byte[]> bytes = DSL.field("bytes", SQLDataType.BLOB);
    Field<Double> ratio = DSL.field("ratio", SQLDataType.DOUBLE);
    Field<UUID> key = DSL.field("key", SQLDataType.UUID);
    Field<Long[]> ids = DSL.field("ids", SQLDataType.BIGINT.array());
    Field<String> none = DSL.field("none", SQLDataType.CLOB);
    Record row =
        DSL.using(SQLDialect.POSTGRES).newRecord(id, amount, small, bytes, ratio, key, ids, none);
    row.set(id, Long.MAX_VALUE);
    row.set(amount, new BigDecimal("1.10E+30"));
    row.set(small, 7);
    row.set(bytes, new byte[] {(byte) 0xff, 0});
    row.set(ratio, Double.NaN);
    row.set(key, new UUID(1, 2));
    row.set(ids, new Long[] {1L, null});
    Page<Record> page =
        new Page<>(
            List.of(row),
            List.of("c"),
            Neighbour.NONE,
            Neighbour.NONE,
            Optional.empty(),
            Optional.empty(),
            Optional.empty());
    JsonNode json =
        new ObjectMapper()
            .readTree(new ObjectMapper().writeValueAsString(PageView.ofRecords(page)));
    assertThat(json.at("/items/0").toString())
        .isEqualTo(
            """
            {"id":"9223372036854775807","amount":"1100000000000000000000000000000","small":7,\
            "bytes":"/wA=","ratio":"NaN","key":"00000000-0000-0001-0000-000000000002",\
            "ids":["1",null],"none":null}""");
    assertThat(json.get("count").isNull()).isTrue();
  }

  @Test
  void connectionView_isARelayConnection() throws Exception {
    ConnectionView<String> view =
        ConnectionView.of(page(List.of(1, 2), Neighbour.SOME, Neighbour.NOT_ASKED), i -> "#" + i);
    assertThat(new ObjectMapper().writeValueAsString(view))
        .isEqualTo(
            """
            {"edges":[{"node":"#1","cursor":"cursor-of-1"},{"node":"#2","cursor":"cursor-of-2"}],\
            "pageInfo":{"hasNextPage":true,"hasPreviousPage":false,"startCursor":"cursor-of-1",\
            "endCursor":"cursor-of-2"}}""");
    ConnectionView<String> empty =
        ConnectionView.of(page(List.of(), Neighbour.NONE, Neighbour.NONE), i -> "#" + i);
    assertThat(empty.pageInfo().startCursor()).isNull();
    assertThat(empty.pageInfo().endCursor()).isNull();
  }
}
