package dev.pgbelay.routing;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.routing.History.Handed;
import dev.pgbelay.routing.History.Op;
import org.junit.jupiter.api.Test;

class HistoryTest {
  private final History history = new History();

  private void op(long session, boolean write, long value, long begun, long ended) {
    history.add(new Op(session, write, 1, value, begun, ended, "n"));
  }

  @Test
  void readBehindAWriteOfTheSession_mustNotMissIt() {
    op(1, true, 5, 10, 20);
    op(1, false, 4, 21, 30);

    assertThat(history.violations()).hasSize(1);
  }

  @Test
  void readThatBeganBeforeTheWriteEnded_mayMissIt() {
    op(1, true, 5, 10, 20);
    op(1, false, 4, 19, 30);

    assertThat(history.violations()).isEmpty();
  }

  @Test
  void readBehindARead_mustNotGoBack() {
    op(1, false, 5, 10, 20);
    op(1, false, 4, 21, 30);

    assertThat(history.violations()).hasSize(1);
  }

  @Test
  void otherSessions_oweNothing_unlessATokenWasHandedOver() {
    op(1, true, 5, 10, 20);
    op(2, false, 4, 30, 40);
    history.add(new Handed(1, 3, 25));
    op(3, false, 4, 30, 40);

    assertThat(history.violations()).hasSize(1);
    assertThat(history.violations().get(0).op().session()).isEqualTo(3);
  }

  @Test
  void whatHappensBehindTheToken_isNotOwed() {
    history.add(new Handed(1, 3, 5));
    op(1, true, 5, 10, 20);
    op(3, false, 4, 30, 40);

    assertThat(history.violations()).isEmpty();
  }

  @Test
  void moreThanExpected_isFine() {
    op(1, true, 5, 10, 20);
    op(1, false, 9, 21, 30);

    assertThat(history.violations()).isEmpty();
  }
}
