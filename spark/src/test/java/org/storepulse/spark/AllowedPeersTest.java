package org.storepulse.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.InetAddress;
import java.net.InterfaceAddress;
import java.net.NetworkInterface;
import java.util.Collections;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class AllowedPeersTest {
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "127.0.0.1,::1 | 127.0.0.1 | true",
        "127.0.0.1,::1 | ::1 | true",
        "127.0.0.1,::1 | 127.0.0.2 | false",
        "127.0.0.1,::1 | 10.0.0.1 | false",
        // As a dual-stack socket shows an IPv4 caller.
        "127.0.0.1 | ::ffff:127.0.0.1 | true",
        "10.1.0.0/16 | 10.1.255.255 | true",
        "10.1.0.0/16 | 10.2.0.0 | false",
        "10.1.2.128/25 | 10.1.2.127 | false",
        "10.1.2.128/25 | 10.1.2.200 | true",
        "0.0.0.0/0 | 203.0.113.9 | true",
        "0.0.0.0/0 | 2001:db8::1 | false",
        "fd00::/8 | fd12::1 | true",
        "fd00::/8 | fe80::1 | false",
        "10.0.0.1, 10.0.0.2 ,| 10.0.0.2 | true",
      })
  void namesAddressesAndNetworks(String list, String address, boolean allowed) throws Exception {
    assertEquals(allowed, new AllowedPeers(list).contains(InetAddress.getByName(address)));
  }

  @ParameterizedTest
  @ValueSource(strings = {"", " , ", "localhost", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/x", "10.0.0", "::1/129", "300.0.0.1", "any"})
  void refusesWhatIsNoList(String list) {
    assertThrows(IllegalArgumentException.class, () -> new AllowedPeers(list));
    String said = assertThrows(IllegalStateException.class, () -> new PeerInterceptor(list)).getMessage();
    assertTrue(said.contains(PeerInterceptor.ENVIRONMENT_VARIABLE), said);
  }

  @Test
  void attachedIsEveryNetworkOfThisMachineAndNoOther() throws Exception {
    AllowedPeers attached = new AllowedPeers("attached");
    for (NetworkInterface card : Collections.list(NetworkInterface.getNetworkInterfaces())) {
      for (InterfaceAddress on : card.getInterfaceAddresses()) {
        assertTrue(attached.contains(on.getAddress()), on.toString());
      }
    }
    // Kept for documentation: no machine is on it.
    assertEquals(false, attached.contains(InetAddress.getByName("203.0.113.9")));
  }
}
