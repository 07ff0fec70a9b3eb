package org.storepulse.spark;

import java.net.InetAddress;
import java.net.InterfaceAddress;
import java.net.NetworkInterface;
import java.net.SocketException;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * The addresses that may call: a list of addresses and networks ({@code 10.1.0.0/16}, {@code fd00::/8}),
 * separated by commas.
 *
 * <p>The word {@value #ATTACHED} stands for the networks that this machine's interfaces are on when the list
 * is read: in a container, those of its compose project, whose numbers nobody knows beforehand.
 */
final class AllowedPeers {
  /** Where no list is given: this machine, by the address that its own calls come from. */
  static final String DEFAULT = "127.0.0.1,::1";

  private static final String ATTACHED = "attached";

  private record Network(byte[] address, int prefixBits) {
    boolean contains(byte[] other) {
      if (other.length != address.length) {
        return false;
      }
      for (int bit = 0; bit < prefixBits; bit++) {
        if (((address[bit / 8] ^ other[bit / 8]) >> (7 - bit % 8) & 1) != 0) {
          return false;
        }
      }
      return true;
    }
  }

  private final List<Network> networks = new ArrayList<>();

  /**
   * Throws {@link IllegalArgumentException} for a list that is empty or has a word which is no address and no
   * network.
   */
  AllowedPeers(String list) {
    for (String word : list.split(",")) {
      if (word.isBlank()) {
        continue;
      }
      if (word.strip().equals(ATTACHED)) {
        addAttached();
      } else {
        networks.add(network(word.strip()));
      }
    }
    if (networks.isEmpty()) {
      throw new IllegalArgumentException("it names nobody");
    }
  }

  boolean contains(InetAddress address) {
    return networks.stream().anyMatch(network -> network.contains(address.getAddress()));
  }

  private static Network network(String word) {
    int slash = word.indexOf('/');
    String address = slash < 0 ? word : word.substring(0, slash);
    // Anything else would be looked up as a name.
    if (!address.matches("[0-9]+(\\.[0-9]+){3}|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*")) {
      throw new IllegalArgumentException("`" + word + "` is no address and no network");
    }
    try {
      byte[] bytes = InetAddress.getByName(address).getAddress();
      int prefixBits = slash < 0 ? bytes.length * 8 : Integer.parseInt(word.substring(slash + 1));
      if (prefixBits < 0 || prefixBits > bytes.length * 8) {
        throw new IllegalArgumentException("`" + word + "` has no prefix of 0 to " + bytes.length * 8 + " bits");
      }
      return new Network(bytes, prefixBits);
    } catch (UnknownHostException | NumberFormatException e) {
      throw new IllegalArgumentException("`" + word + "` is no address and no network", e);
    }
  }

  private void addAttached() {
    try {
      for (NetworkInterface card : Collections.list(NetworkInterface.getNetworkInterfaces())) {
        for (InterfaceAddress on : card.getInterfaceAddresses()) {
          networks.add(new Network(on.getAddress().getAddress(), on.getNetworkPrefixLength()));
        }
      }
    } catch (SocketException e) {
      throw new IllegalStateException("this machine does not tell the networks that it is on", e);
    }
  }
}
