package dev.pgbelay.routing;

import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.routing.History.Handed;
import dev.pgbelay.routing.History.Op;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HistoryTest {
  private final History history = new History();

  private void op(long session, boolean write, long value, long begun, long ended) {
    history.add(new Op(session, write, 1, value, begun, ended, "n", 1, 1));
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

  @Test
  void writeToAPrimaryThatWasKnownToBeLeftBehind_isFound() {
    history.add(new Op(1, true, 1, 5, 10, 20, "n", 1, 2));
    history.add(new Op(1, true, 1, 6, 30, 40, "m", 2, 2));

    assertThat(history.writesToDemoted()).hasSize(1);
  }

  @Test
  void historyThatWasWrittenOut_isJudgedAlike(@TempDir Path folder) throws Exception {
    op(1, true, 5, 10, 20);
    history.add(new Handed(1, 3, 25));
    op(3, false, 4, 30, 40);
    Path file = folder.resolve("history");

    history.write(file);
    History read = new History();
    read.read(file);

    assertThat(read.violations()).isEqualTo(history.violations()).hasSize(1);
    assertThat(read.size()).isEqualTo(2);
  }
}
