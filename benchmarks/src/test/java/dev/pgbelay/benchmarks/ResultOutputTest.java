package dev.pgbelay.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ResultOutputTest {
  private static final List<Result> RESULTS =
      List.of(
          new Result("paging", "limit", "uniform/page-1", 0.1234, "ms", 1.0, 1.0, 1.0),
          new Result("paging", "OFFSET", "uniform/page-1", 1234.5, "ms", 10_004.05, 9.0, 20_000.0),
          new Result("paging", "OFFSET", "mixed/page-1", 4, "ms", null, null, null));

  @Test
  void file_isAnArrayOfObjectsWithTheSixAgreedKeys(@TempDir Path folder) throws Exception {
    Path file = new ResultFiles(folder.resolve("results")).write("paging", RESULTS);

    assertThat(file.getFileName()).hasToString("paging.json");
    JsonNode json = new ObjectMapper().readTree(file.toFile());
    assertThat(json.isArray()).isTrue();
    assertThat(json).hasSize(3);
    for (JsonNode line : json) {
      assertThat(line.fieldNames())
          .toIterable()
          .containsExactly("scenario", "contestant", "metric", "value", "unit", "ratio");
    }
    assertThat(json.get(1).get("contestant").textValue()).isEqualTo("OFFSET");
    assertThat(json.get(1).get("value").doubleValue()).isEqualTo(1234.5);
    assertThat(json.get(1).get("ratio").doubleValue()).isEqualTo(10_004.05);
    assertThat(json.get(2).get("ratio").isNull()).isTrue();
  }

  @Test
  void table_hasOneBlockForEachGroupOfMetrics_aligned() {
    assertThat(ResultTable.render(RESULTS))
        .isEqualTo(
            """
            | uniform |                    page-1, ms |
            |---------|------------------------------:|
            | limit   |                  0.12 (1.00x) |
            | OFFSET  | 1,235 (10,004x) [9.00-20,000] |

            | mixed  | page-1, ms |
            |--------|-----------:|
            | OFFSET |       4.00 |

            """);
  }

  @Test
  void figures_keepThreeSignificantDigits() {
    assertThat(ResultTable.figure(0.01234)).isEqualTo("0.012");
    assertThat(ResultTable.figure(0.1234)).isEqualTo("0.12");
    assertThat(ResultTable.figure(12.34)).isEqualTo("12.3");
    assertThat(ResultTable.figure(1_234_567.8)).isEqualTo("1,234,568");
  }
}
