//! How often somebody may try.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};

/// Attempts a minute for one name, whoever tries.
const A_NAME: u32 = 5;
/// Attempts a minute from one address, whatever the name.
const AN_ADDRESS: u32 = 20;
/// Rows a minute that those who are not signed in can make in the log of what was done; more are logged and
/// counted no further.
const ROWS: u32 = 60;
/// Names and addresses that are kept before those that have not tried lately are forgotten.
const KEPT: usize = 4096;

const fn quota(a_minute: u32) -> Quota {
    match NonZeroU32::new(a_minute) {
        Some(a_minute) => Quota::per_minute(a_minute),
        None => Quota::per_minute(NonZeroU32::MIN),
    }
}

/// Somebody tried too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limited {
    /// When the next attempt counts.
    pub(crate) wait: Duration,
}

/// Of attempts to get in.
pub(crate) struct Limits {
    names: DefaultKeyedRateLimiter<String>,
    addresses: DefaultKeyedRateLimiter<IpAddr>,
    rows: DefaultDirectRateLimiter,
    clock: DefaultClock,
}

impl Limits {
    pub(crate) fn new() -> Self {
        Self {
            names: RateLimiter::keyed(quota(A_NAME)),
            addresses: RateLimiter::keyed(quota(AN_ADDRESS)),
            rows: RateLimiter::direct(quota(ROWS)),
            clock: DefaultClock::default(),
        }
    }

    /// Counts one attempt from an address.
    pub(crate) fn address(&self, address: IpAddr) -> Result<(), Limited> {
        self.forget();
        self.addresses
            .check_key(&network(address))
            .map_err(|until| Limited { wait: until.wait_time_from(self.clock.now()) })
    }

    /// Counts one attempt for a name.
    pub(crate) fn name(&self, name: &str) -> Result<(), Limited> {
        // However long what was sent is, a name has 32 characters at most.
        let name: String = name.chars().take(33).collect();
        self.names.check_key(&name).map_err(|until| Limited { wait: until.wait_time_from(self.clock.now()) })
    }

    /// Whether what a stranger did may have a row.
    pub(crate) fn row(&self) -> bool {
        self.rows.check().is_ok()
    }

    fn forget(&self) {
        if self.names.len() > KEPT {
            self.names.retain_recent();
        }
        if self.addresses.len() > KEPT {
            self.addresses.retain_recent();
        }
    }
}

/// What one subscriber holds: an IPv6 customer has 2⁶⁴ addresses.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sixth_attempt_for_a_name_waits_and_other_names_do_not() {
        let limits = Limits::new();
        for _ in 0..5 {
            limits.name("ana").unwrap();
        }
        let Limited { wait } = limits.name("ana").unwrap_err();
        assert!(wait > Duration::from_secs(10) && wait <= Duration::from_secs(12), "{wait:?}");
        limits.name("ben").unwrap();
    }

    #[test]
    fn an_address_has_twenty_and_an_ipv6_network_counts_as_one() {
        let limits = Limits::new();
        for host in 0..20 {
            limits.address(format!("2001:db8:0:1::{host:x}").parse().unwrap()).unwrap();
        }
        assert!(limits.address("2001:db8:0:1:ffff::1".parse().unwrap()).is_err());
        limits.address("2001:db8:0:2::1".parse().unwrap()).unwrap();
        limits.address("::ffff:192.0.2.1".parse().unwrap()).unwrap();
    }
}
