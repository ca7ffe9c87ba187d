package dev.pgbelay.keyset;

import static dev.pgbelay.keyset.OrdersSchema.CODEC;
import static dev.pgbelay.keyset.OrdersSchema.CREATED_AT;
import static dev.pgbelay.keyset.OrdersSchema.CUSTOMER;
import static dev.pgbelay.keyset.OrdersSchema.ID;
import static dev.pgbelay.keyset.OrdersSchema.ORDERS;
import static dev.pgbelay.keyset.OrdersSchema.SHIPPED_AT;
import static dev.pgbelay.keyset.OrdersSchema.STATUS;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.inline;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.param;
import static org.jooq.impl.DSL.select;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.token.KeyRing;
import dev.pgbelay.core.token.TokenSigner;
import dev.pgbelay.keyset.InvalidCursorException.Reason;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.atomic.AtomicReference;
import org.jooq.SortField;
import org.jooq.impl.SQLDataType;
import org.junit.jupiter.api.Test;

/** What a cursor carries, and that nothing else passes for one. No database: none is asked. */
class CursorsTest {
  private static final long SEED = Long.getLong("pgbelay.seed", System.nanoTime());
  private static final byte[] SECRET = "a secret of thirty-two bytes or so".getBytes(UTF_8);
  private static final String ALPHABET =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

  private static KeysetQueryBuilder<?> base(SortField<?>... order) {
    return KeysetQuery.from(
            select(ID)
                .from(ORDERS)
                .where(CUSTOMER.eq(param("customer", SQLDataType.BIGINT)).or(STATUS.eq(3))))
        .named("orders")
        .orderBy(order)
        .unique(ID);
  }

  private static KeysetQuery<?> query(CursorCodec codec) {
    return base(SHIPPED_AT.desc().nullsLast(), ID.asc())
        .cursors(codec)
        .build()
        .with("customer", 7L);
  }

  private static Boundary position(long micros, long id) {
    return new Boundary(
        new byte[][] {
          ByteBuffer.allocate(8).putLong(micros).array(), ByteBuffer.allocate(8).putLong(id).array()
        },
        false);
  }

  private static Reason refusal(KeysetQuery<?> query, String cursor) {
    InvalidCursorException refused =
        catchThrowableOfType(InvalidCursorException.class, () -> query.position(cursor));
    assertThat(refused).as("cursor '%s' must be refused", cursor).isNotNull();
    return refused.reason();
  }

  @Test
  void position_comesBackBitForBit() {
    KeysetQuery<?> query = query(CODEC);
    Boundary boundary = position(Long.MIN_VALUE, -1);
    assertThat(query.position(query.cursor(boundary)).sameKeys(boundary)).isTrue();
    Boundary nulls = new Boundary(new byte[][] {null, new byte[8]}, true);
    Boundary back = query.position(query.cursor(nulls));
    assertThat(back.sameKeys(nulls)).isTrue();
    assertThat(back.isInclusive()).isTrue();
    assertThat(back.isNull()).containsExactly(true, false);
  }

  @Test
  void cursor_isUrlSafeAndShort() {
    String cursor = query(CODEC).cursor(position(1, 2));
    assertThat(cursor).matches("[A-Za-z0-9_-]+");
    assertThat(cursor.length()).isLessThan(160);
    CursorCodec shorter = CursorCodec.builder(KeyRing.of("k", SECRET)).truncatedTag().build();
    assertThat(query(shorter).cursor(position(1, 2)).length()).isLessThan(cursor.length() - 15);
  }

  @Test
  void emptyTextAndNullText_areTwoPositions() {
    var text = field(name("orders", "note"), SQLDataType.CLOB);
    KeysetQuery<?> query =
        base(text.asc().nullsLast(), ID.asc()).cursors(CODEC).build().with("customer", 1L);
    Boundary empty = new Boundary(new byte[][] {new byte[0], new byte[8]}, false);
    Boundary missing = new Boundary(new byte[][] {null, new byte[8]}, false);
    assertThat(query.position(query.cursor(empty)).sameKeys(empty)).isTrue();
    assertThat(query.position(query.cursor(missing)).sameKeys(missing)).isTrue();
    assertThat(empty.sameKeys(missing)).isFalse();
  }

  @Test
  void longKeys_areCarriedUpToTheBoundOfTheCodec() {
    var text = field(name("orders", "note"), SQLDataType.CLOB.notNull());
    KeysetQuery<?> query = base(text.asc(), ID.asc()).cursors(CODEC).build().with("customer", 1L);
    for (int length : new int[] {0, 126, 127, 128, 1_000}) {
      Boundary boundary = new Boundary(new byte[][] {new byte[length], new byte[8]}, false);
      assertThat(query.position(query.cursor(boundary)).sameKeys(boundary)).isTrue();
    }
    Boundary tooLong = new Boundary(new byte[][] {new byte[3_000], new byte[8]}, false);
    InvalidKeysetQueryException refused =
        catchThrowableOfType(InvalidKeysetQueryException.class, () -> query.cursor(tooLong));
    assertThat(refused).hasMessageContaining("maxChars").hasMessageContaining("orders");
  }

  @Test
  void cursorOfAnotherQueryOrderFilterOrScope_isRefusedWithTheReason() {
    KeysetQuery<?> query = query(CODEC);
    String cursor = query.cursor(position(1, 2));
    assertThat(query.position(cursor)).isNotNull();
    assertThat(refusal(query.with("customer", 8L), cursor)).isEqualTo(Reason.OTHER_FILTERS);
    assertThat(refusal(query.inScope("tenant-2"), cursor)).isEqualTo(Reason.OTHER_SCOPE);
    String scoped = query.inScope("tenant-2").cursor(position(1, 2));
    assertThat(refusal(query, scoped)).isEqualTo(Reason.OTHER_SCOPE);
    for (SortField<?>[] order :
        List.of(
            new SortField<?>[] {SHIPPED_AT.asc().nullsLast(), ID.asc()},
            new SortField<?>[] {SHIPPED_AT.desc().nullsFirst(), ID.asc()},
            new SortField<?>[] {SHIPPED_AT.desc().nullsLast(), ID.desc()},
            new SortField<?>[] {CREATED_AT.desc(), ID.asc()})) {
      KeysetQuery<?> other = base(order).cursors(CODEC).build().with("customer", 7L);
      assertThat(refusal(other, cursor)).isEqualTo(Reason.OTHER_QUERY);
    }
    KeysetQuery<?> otherText =
        KeysetQuery.from(
                select(ID, STATUS)
                    .from(ORDERS)
                    .where(CUSTOMER.eq(param("customer", SQLDataType.BIGINT))))
            .orderBy(SHIPPED_AT.desc().nullsLast(), ID.asc())
            .unique(ID)
            .cursors(CODEC)
            .build()
            .with("customer", 7L);
    assertThat(refusal(otherText, cursor)).isEqualTo(Reason.OTHER_QUERY);
  }

  @Test
  void valuesWrittenIntoTheSelect_bindTheCursorToo() {
    List<KeysetQuery<?>> queries = new ArrayList<>();
    for (long customer : new long[] {1, 2}) {
      queries.add(
          KeysetQuery.from(select(ID).from(ORDERS).where(CUSTOMER.eq(customer)))
              .orderBy(ID.asc())
              .unique(ID)
              .cursors(CODEC)
              .build());
    }
    String cursor = queries.get(0).cursor(new Boundary(new byte[][] {new byte[8]}, false));
    assertThat(refusal(queries.get(1), cursor)).isEqualTo(Reason.OTHER_FILTERS);
  }

  @Test
  void identity_letsCursorsOutliveTheSqlText() {
    KeysetQuery<?> before =
        base(ID.asc()).identity("orders/1").cursors(CODEC).build().with("customer", 7L);
    KeysetQuery<?> after =
        KeysetQuery.from(
                select(ID, STATUS)
                    .from(ORDERS)
                    .where(CUSTOMER.eq(param("customer", SQLDataType.BIGINT)).or(STATUS.eq(3))))
            .orderBy(ID.asc())
            .unique(ID)
            .identity("orders/1")
            .cursors(CODEC)
            .build()
            .with("customer", 7L);
    Boundary boundary = new Boundary(new byte[][] {new byte[8]}, false);
    assertThat(after.position(before.cursor(boundary)).sameKeys(boundary)).isTrue();
  }

  @Test
  void valuesInlinedIntoTheText_bindTheCursorAlsoUnderAnIdentity() {
    List<KeysetQuery<?>> queries = new ArrayList<>();
    for (long customer : new long[] {1, 2}) {
      queries.add(
          KeysetQuery.from(select(ID).from(ORDERS).where(CUSTOMER.eq(inline(customer))))
              .orderBy(ID.asc())
              .unique(ID)
              .identity("orders/1")
              .cursors(CODEC)
              .build());
    }
    Boundary boundary = new Boundary(new byte[][] {new byte[8]}, false);
    String cursor = queries.get(0).cursor(boundary);
    assertThat(queries.get(0).position(cursor).sameKeys(boundary)).isTrue();
    assertThat(refusal(queries.get(1), cursor)).isEqualTo(Reason.OTHER_QUERY);
  }

  @Test
  void expiredCursor_isRefused() {
    AtomicReference<Instant> now = new AtomicReference<>(Instant.parse("2026-11-20T12:00:00Z"));
    CursorCodec codec =
        CursorCodec.builder(KeyRing.of("k", SECRET))
            .timeToLive(Duration.ofMinutes(10))
            .clock(now::get)
            .build();
    String cursor = query(codec).cursor(position(1, 2));
    now.set(Instant.parse("2026-11-20T12:09:59Z"));
    assertThat(query(codec).position(cursor)).isNotNull();
    now.set(Instant.parse("2026-11-20T12:10:00Z"));
    assertThat(refusal(query(codec), cursor)).isEqualTo(Reason.EXPIRED);
    assertThatExceptionOfType(PgBelayException.class)
        .isThrownBy(
            () -> CursorCodec.builder(KeyRing.of("k", SECRET)).timeToLive(Duration.ZERO).build())
        .withMessageContaining("timeToLive");
  }

  @Test
  void rotatedKey_keepsCursorsAliveUntilItLeavesTheRing() {
    byte[] next = "another secret of thirty-two bytes".getBytes(UTF_8);
    String cursor = query(CursorCodec.signed(KeyRing.of("a", SECRET))).cursor(position(1, 2));
    CursorCodec both =
        CursorCodec.signed(KeyRing.builder().current("b", next).accept("a", SECRET).build());
    assertThat(query(both).position(cursor)).isNotNull();
    assertThat(refusal(query(CursorCodec.signed(KeyRing.of("b", next))), cursor))
        .isEqualTo(Reason.UNKNOWN_KEY);
    assertThat(refusal(query(CursorCodec.signed(KeyRing.of("a", next))), cursor))
        .isEqualTo(Reason.BAD_SIGNATURE);
  }

  @Test
  void genuineTokenOfAnotherPurpose_isAForgery() {
    KeyRing ring = KeyRing.of("t", "only for tests: 32 bytes or more".getBytes(UTF_8));
    String token =
        TokenSigner.builder(ring, "pgbelay.routing.position/1").build().sign(new byte[40]);
    assertThat(refusal(query(CODEC), token)).isEqualTo(Reason.BAD_SIGNATURE);
  }

  @Test
  void signedPayloadOfAnotherVersionOrShape_isRefused() {
    KeyRing ring = KeyRing.of("t", "only for tests: 32 bytes or more".getBytes(UTF_8));
    TokenSigner signer = TokenSigner.builder(ring, "pgbelay.keyset.cursor/1").build();
    KeysetQuery<?> query = query(CODEC);
    byte[] genuine = signer.verify(query.cursor(position(1, 2))).payload();
    byte[] newer = genuine.clone();
    newer[0] = 2;
    assertThat(refusal(query, signer.sign(newer))).isEqualTo(Reason.WRONG_VERSION);
    byte[] flags = genuine.clone();
    flags[1] = 8;
    assertThat(refusal(query, signer.sign(flags))).isEqualTo(Reason.MALFORMED);
    for (int length = 0; length < genuine.length; length++) {
      refusal(query, signer.sign(java.util.Arrays.copyOf(genuine, length)));
    }
    byte[] longer = java.util.Arrays.copyOf(genuine, genuine.length + 1);
    assertThat(refusal(query, signer.sign(longer))).isEqualTo(Reason.MALFORMED);
  }

  @Test
  void nothingLikeACursor_isRefusedAndNeverPageOne() {
    KeysetQuery<?> query = query(CODEC);
    for (String text : List.of("", " ", "null", "undefined", "0", "AAAA", "{}", "%00", "日本", "=")) {
      assertThat(refusal(query, text)).isIn(Reason.MALFORMED, Reason.WRONG_VERSION);
    }
    assertThat(refusal(query, "A".repeat(2_049))).isEqualTo(Reason.OVER_LONG);
    assertThat(refusal(query, "A".repeat(10_000_000))).isEqualTo(Reason.OVER_LONG);
  }

  @Test
  void mutatedCursors_areAllRefused() {
    System.out.println("CursorsTest: -Dpgbelay.seed=" + SEED);
    Random random = new Random(SEED);
    KeysetQuery<?> query = query(CODEC);
    Map<Reason, Integer> reasons = new EnumMap<>(Reason.class);
    List<String> genuine = new ArrayList<>();
    for (int i = 0; i < 50; i++) {
      genuine.add(query.cursor(position(random.nextLong(), random.nextLong())));
    }
    for (int i = 0; i < 120_000; i++) {
      String cursor = genuine.get(random.nextInt(genuine.size()));
      String mutated = mutate(cursor, genuine, random);
      if (!genuine.contains(mutated)) {
        reasons.merge(refusal(query, mutated), 1, Integer::sum);
      }
    }
    assertThat(reasons.values().stream().mapToInt(Integer::intValue).sum())
        .isGreaterThanOrEqualTo(100_000);
    assertThat(reasons)
        .containsKeys(
            Reason.MALFORMED,
            Reason.WRONG_VERSION,
            Reason.UNKNOWN_KEY,
            Reason.BAD_SIGNATURE,
            Reason.OVER_LONG);
  }

  private static String mutate(String cursor, List<String> others, Random random) {
    int at = random.nextInt(cursor.length());
    return switch (random.nextInt(9)) {
      case 0, 1, 2 -> {
        byte[] bytes = Base64.getUrlDecoder().decode(cursor);
        int bit = random.nextInt(bytes.length * 8);
        bytes[bit / 8] ^= (byte) (1 << bit % 8);
        yield Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
      }
      case 3 ->
          cursor.substring(0, at) + ALPHABET.charAt(random.nextInt(64)) + cursor.substring(at + 1);
      case 4 -> cursor.substring(0, at);
      case 5 ->
          cursor.substring(0, at) + ALPHABET.charAt(random.nextInt(64)) + cursor.substring(at);
      case 6 -> {
        String other = others.get(random.nextInt(others.size()));
        yield cursor.substring(0, at) + other.substring(Math.min(at, other.length()));
      }
      case 7 -> cursor + cursor.repeat(random.nextInt(30)) + "A";
      default -> {
        byte[] bytes = new byte[random.nextInt(120)];
        random.nextBytes(bytes);
        yield Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
      }
    };
  }

  @Test
  void refusedCursor_isCountedByReasonAndNeverRepeatedInTheMessage() {
    SimpleMeterRegistry registry = new SimpleMeterRegistry();
    KeysetQuery<?> query =
        base(ID.asc()).cursors(CODEC).meterRegistry(registry).build().with("customer", 7L);
    InvalidCursorException refused =
        catchThrowableOfType(
            InvalidCursorException.class, () -> query.position("c2VjcmV0LWluLWN1cnNvcg"));
    assertThat(refused.getMessage()).contains("orders").doesNotContain("c2VjcmV0");
    assertThat(
            registry
                .get("pgbelay.keyset.cursor.refused")
                .tag("query", "orders")
                .tag("reason", refused.reason().name().toLowerCase(java.util.Locale.ROOT))
                .counter()
                .count())
        .isEqualTo(1);
  }
}
