package dev.pgbelay.outbox.http;

import java.net.Inet4Address;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.util.List;

/**
 * Which addresses belong to the public internet: all but those of IANA's registries of special
 * purpose addresses (RFC 6890 and its successors), and what carries one of them inside.
 */
final class PublicAddresses {
  @SuppressWarnings("ArrayRecordComponent") // nobody else has them
  private record Block(byte[] network, int bits) {
    static Block of(int bits, int... bytes) {
      byte[] network = new byte[bytes.length];
      for (int i = 0; i < bytes.length; i++) {
        network[i] = (byte) bytes[i];
      }
      return new Block(network, bits);
    }

    boolean contains(byte[] address) {
      for (int bit = 0; bit < bits; bit += 8) {
        int mask = bits - bit >= 8 ? 0xff : 0xff << (8 - (bits - bit)) & 0xff;
        if ((address[bit / 8] & mask) != (network[bit / 8] & mask)) {
          return false;
        }
      }
      return true;
    }
  }

  private static final List<Block> NOT_PUBLIC_V4 =
      List.of(
          Block.of(8, 0, 0, 0, 0), // this network
          Block.of(8, 10, 0, 0, 0), // private
          Block.of(10, 100, 64, 0, 0), // carrier-grade NAT
          Block.of(8, 127, 0, 0, 0), // loopback
          Block.of(16, 169, 254, 0, 0), // link-local: metadata of clouds
          Block.of(12, 172, 16, 0, 0), // private
          Block.of(24, 192, 0, 0, 0), // protocol assignments
          Block.of(24, 192, 0, 2, 0), // documentation
          Block.of(24, 192, 88, 99, 0), // 6to4 relays
          Block.of(16, 192, 168, 0, 0), // private
          Block.of(15, 198, 18, 0, 0), // benchmarks
          Block.of(24, 198, 51, 100, 0), // documentation
          Block.of(24, 203, 0, 113, 0), // documentation
          Block.of(4, 224, 0, 0, 0), // multicast
          Block.of(4, 240, 0, 0, 0)); // reserved, broadcast

  /** Global unicast; nothing outside of it is public. */
  private static final Block PUBLIC_V6 = Block.of(3, 0x20);

  private static final List<Block> NOT_PUBLIC_V6 =
      List.of(
          Block.of(23, 0x20, 0x01, 0x00), // protocol assignments, Teredo
          Block.of(32, 0x20, 0x01, 0x0d, 0xb8), // documentation
          Block.of(16, 0x20, 0x02), // 6to4: an IPv4 address inside
          Block.of(20, 0x3f, 0xff, 0x00)); // documentation

  /** An IPv4 address behind a translator (RFC 6052): as public as that is. */
  private static final Block TRANSLATED =
      Block.of(96, 0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0);

  private PublicAddresses() {}

  static boolean contains(InetAddress address) {
    byte[] bytes = address.getAddress();
    // InetAddress has mapped addresses (::ffff:a.b.c.d) as IPv4 already.
    if (address instanceof Inet4Address) {
      return NOT_PUBLIC_V4.stream().noneMatch(block -> block.contains(bytes));
    }
    if (!(address instanceof Inet6Address)) {
      return false;
    }
    if (TRANSLATED.contains(bytes)) {
      byte[] inside = {bytes[12], bytes[13], bytes[14], bytes[15]};
      return NOT_PUBLIC_V4.stream().noneMatch(block -> block.contains(inside));
    }
    return PUBLIC_V6.contains(bytes)
        && NOT_PUBLIC_V6.stream().noneMatch(block -> block.contains(bytes));
  }
}
