package dev.pgbelay.batch;

import java.math.BigDecimal;
import java.math.BigInteger;

/** {@code numeric}: groups of four decimal digits, as in {@code numeric_recv}. */
final class NumericCodec implements ValueCodec {
  private static final int NEGATIVE = 0x4000;
  private static final int NAN = 0xC000;
  private static final int POSITIVE_INFINITY = 0xD000;
  private static final int NEGATIVE_INFINITY = 0xF000;
  private static final int MAX_SCALE = 16383;
  private static final int MAX_WHOLE_DIGITS = 131_072;
  private static final int MAX_WEIGHT_GROUPS = 32768;
  private static final BigInteger GROUP = BigInteger.valueOf(10_000);
  private static final long[] POWERS = new long[19];

  static {
    POWERS[0] = 1;
    for (int i = 1; i < POWERS.length; i++) {
      POWERS[i] = POWERS[i - 1] * 10;
    }
  }

  private final int typmod;

  /**
   * @param typmod of the column, -1 for any precision
   */
  NumericCodec(int typmod) {
    this.typmod = typmod;
  }

  @Override
  public void write(Object value, ByteSink out) {
    if (value instanceof Double || value instanceof Float) {
      double number = ((Number) value).doubleValue();
      if (Double.isNaN(number) || Double.isInfinite(number)) {
        writeSpecial(number, out);
        return;
      }
    }
    BigDecimal decimal = Numbers.decimal(value);
    if (decimal.signum() != 0 && (long) decimal.precision() - decimal.scale() > MAX_WHOLE_DIGITS) {
      throw UnfitValueException.range("numeric");
    }
    if (decimal.scale() < 0) {
      decimal = decimal.setScale(0);
    }
    if (decimal.scale() > MAX_SCALE) {
      throw UnfitValueException.range("numeric");
    }
    requirePrecision(decimal);
    BigInteger unscaled = decimal.unscaledValue();
    if (unscaled.bitLength() < 63 && decimal.scale() <= 12) {
      writeLong(unscaled.longValue(), decimal.scale(), out);
    } else {
      writeBig(unscaled, decimal.scale(), out);
    }
  }

  private void requirePrecision(BigDecimal decimal) {
    if (typmod < 4) {
      return;
    }
    int precision = ((typmod - 4) >> 16) & 0xffff;
    int scale = (((typmod - 4) & 0x7ff) ^ 1024) - 1024;
    // Digits in front of the point; rounding 999.996 to two digits adds one.
    int whole = decimal.precision() - decimal.scale();
    if (decimal.signum() == 0 || whole < precision - scale) {
      return;
    }
    BigDecimal rounded = decimal.setScale(scale, java.math.RoundingMode.HALF_UP);
    if (rounded.signum() != 0 && rounded.precision() - rounded.scale() > precision - scale) {
      throw UnfitValueException.range("numeric(" + precision + "," + scale + ")");
    }
  }

  private static void writeSpecial(double number, ByteSink out) {
    out.putShort(0);
    out.putShort(0);
    out.putShort(Double.isNaN(number) ? NAN : number > 0 ? POSITIVE_INFINITY : NEGATIVE_INFINITY);
    out.putShort(0);
  }

  private static void writeLong(long unscaled, int scale, ByteSink out) {
    long magnitude = Math.abs(unscaled);
    long whole = magnitude / POWERS[scale];
    int fractionGroups = (scale + 3) / 4;
    long fraction = (magnitude % POWERS[scale]) * POWERS[fractionGroups * 4 - scale];
    int wholeGroups = 0;
    for (long rest = whole; rest != 0; rest /= 10_000) {
      wholeGroups++;
    }
    out.putShort(wholeGroups + fractionGroups);
    out.putShort(wholeGroups - 1);
    out.putShort(unscaled < 0 ? NEGATIVE : 0);
    out.putShort(scale);
    for (int group = wholeGroups - 1; group >= 0; group--) {
      out.putShort((int) (group == 4 ? whole / POWERS[16] : whole / POWERS[group * 4] % 10_000));
    }
    for (int group = fractionGroups - 1; group >= 0; group--) {
      out.putShort((int) (fraction / POWERS[group * 4] % 10_000));
    }
  }

  private static void writeBig(BigInteger unscaled, int scale, ByteSink out) {
    int fractionGroups = (scale + 3) / 4;
    BigInteger rest = unscaled.abs().multiply(BigInteger.TEN.pow(fractionGroups * 4 - scale));
    short[] groups = new short[rest.bitLength() / 13 + 2];
    int count = 0;
    while (rest.signum() != 0) {
      BigInteger[] parts = rest.divideAndRemainder(GROUP);
      groups[count++] = parts[1].shortValue();
      rest = parts[0];
    }
    if (count - fractionGroups > MAX_WEIGHT_GROUPS) {
      throw UnfitValueException.range("numeric");
    }
    out.putShort(count);
    out.putShort(count - fractionGroups - 1);
    out.putShort(unscaled.signum() < 0 ? NEGATIVE : 0);
    out.putShort(scale);
    for (int group = count - 1; group >= 0; group--) {
      out.putShort(groups[group]);
    }
  }
}
