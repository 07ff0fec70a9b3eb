//! The client's address in a header that proxies write, such as `X-Forwarded-For`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::http::{HeaderMap, HeaderName};

/// The last address of the header that is on the internet. Each proxy appends the address that it was asked
/// from, so that the addresses behind that one are the operator's own proxies, and those before it may be
/// anybody's invention.
pub(super) fn client(headers: &HeaderMap, header: &HeaderName) -> Option<IpAddr> {
    let lines: Vec<&str> =
        headers.get_all(header).iter().map(|line| line.to_str().ok()).collect::<Option<_>>()?;
    for entry in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        // What is no address ends the search: what stands before it is not to be trusted either.
        let address = read(entry.trim())?;
        if !is_own(address) {
            return Some(address);
        }
    }
    None
}

/// An address with or without its port.
fn read(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry);
    let address = bare.parse().or_else(|_| entry.parse().map(|address: SocketAddr| address.ip()));
    address.ok().map(|address| address.to_canonical())
}

/// Whether only the operator's own machines can have an address.
fn is_own(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            let is_shared = first == 100 && (64..128).contains(&second);
            address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || is_shared
                || address == Ipv4Addr::UNSPECIFIED
        }
        IpAddr::V6(address) => {
            address.is_loopback()
                || address.is_unspecified()
                || address.is_unique_local()
                || address.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_address_on_the_internet_is_the_clients() {
        let header = HeaderName::from_static("x-forwarded-for");
        for (lines, expected) in [
            (&["203.0.113.7"][..], Some("203.0.113.7")),
            (&["198.51.100.1, 203.0.113.7"], Some("203.0.113.7")),
            (&["198.51.100.1, 203.0.113.7, 10.0.0.3", "192.168.1.1,127.0.0.1"], Some("203.0.113.7")),
            (&["2001:db8::7, fd00::1, 100.64.0.9"], Some("2001:db8::7")),
            (&["[2001:db8::7]:443"], Some("2001:db8::7")),
            (&["203.0.113.7:5123"], Some("203.0.113.7")),
            (&["::ffff:203.0.113.7"], Some("203.0.113.7")),
            (&["203.0.113.7, unknown, 10.0.0.1"], None),
            (&["10.0.0.1"], None),
            (&[""], None),
            (&[], None),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(&header, line.parse().unwrap());
            }
            let expected = expected.map(|address| address.parse().unwrap());
            assert_eq!(client(&headers, &header), expected, "{lines:?}");
        }
    }
}
