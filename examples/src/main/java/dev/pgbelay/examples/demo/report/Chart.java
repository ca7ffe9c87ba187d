package dev.pgbelay.examples.demo.report;

/** A picture of the report: what it shows, without a word on how it is drawn. */
public sealed interface Chart permits LineChart, ShareChart {
  String title();

  /** One or two sentences under the title: what to look at. */
  String caption();

  /** Whose figures a line or a bar shows; decides its colour. */
  enum Role {
    NAIVE,
    NAIVE_TOO,
    SAFE
  }
}
