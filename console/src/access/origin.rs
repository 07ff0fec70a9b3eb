//! Whether a request was meant for this console, and came from its own pages.

use std::net::SocketAddr;

use axum::http::{HeaderMap, Uri, header};

/// The host names that it answers to: a page of another name that resolves to this address (DNS rebinding) is
/// refused.
#[derive(Debug, Clone)]
pub(crate) struct Hosts(Vec<String>);

impl Hosts {
    pub(crate) fn new(listen: SocketAddr, more: &[String], public_url: Option<&str>) -> Self {
        let mut hosts: Vec<String> = ["127.0.0.1", "localhost", "[::1]"].map(str::to_owned).into();
        if !listen.ip().is_unspecified() {
            hosts.push(if listen.is_ipv6() { format!("[{}]", listen.ip()) } else { listen.ip().to_string() });
        }
        hosts.extend(more.iter().map(|host| name_of(host).to_ascii_lowercase()));
        hosts.extend(public_url.and_then(authority).map(|authority| name_of(authority).to_ascii_lowercase()));
        Self(hosts)
    }

    /// Whether the request names one of them.
    pub(crate) fn take(&self, headers: &HeaderMap, uri: &Uri) -> bool {
        let known = |host: &str| self.0.contains(&name_of(host).to_ascii_lowercase());
        let mut named = headers.get_all(header::HOST).iter();
        let (Some(host), None) = (named.next(), named.next()) else { return false };
        host.to_str().is_ok_and(known) && uri.host().is_none_or(known)
    }
}

/// The host of a URL with its port.
fn authority(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    rest.split(['/', '?', '#']).next()
}

/// Without the port.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !is_bare_v6(host) => name,
        _ => host,
    }
}

fn is_bare_v6(host: &str) -> bool {
    host.matches(':').count() > 1 && !host.starts_with('[')
}

/// Whether a request that changes something was made by a page of ours.
///
/// Browsers say so in `Sec-Fetch-Site` where they trust the address, and in `Origin` elsewhere.
pub(crate) fn same_origin(headers: &HeaderMap, public_url: Option<&str>) -> bool {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin";
    }
    let Some(origin) = text(header::ORIGIN) else { return false };
    if public_url.is_some_and(|url| url.trim_end_matches('/') == origin) {
        return true;
    }
    text(header::HOST).is_some_and(|host| origin.strip_prefix("http://") == Some(host))
}

/// Whether browsers take this address for trustworthy, so that they send `Sec-Fetch-Site`.
pub(crate) fn trusted_by_browsers(headers: &HeaderMap, public_url: Option<&str>) -> bool {
    public_url.is_some_and(|url| url.starts_with("https://"))
        || headers.get(header::HOST).and_then(|host| host.to_str().ok()).is_some_and(|host| {
            let name = name_of(host).to_ascii_lowercase();
            name == "localhost" || name == "[::1]" || name.starts_with("127.")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_known_hosts_are_answered() {
        let hosts = Hosts::new(
            "192.0.2.7:56090".parse().unwrap(),
            &["Shop-1".into(), "shop-2:8080".into()],
            Some("https://pulse.example/"),
        );
        let takes = |host: &str| hosts.take(&headers(&[("host", host)]), &"/".parse().unwrap());
        for host in [
            "127.0.0.1:56090",
            "localhost",
            "LOCALHOST:1",
            "[::1]:56090",
            "192.0.2.7:56090",
            "shop-1:56090",
            "shop-2",
            "pulse.example",
        ] {
            assert!(takes(host), "{host}");
        }
        for host in
            ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:56090", "", "::1", "[::2]"]
        {
            assert!(!takes(host), "{host}");
        }
        let uri = "/".parse().unwrap();
        assert!(!hosts.take(&HeaderMap::new(), &uri));
        let mut two = headers(&[("host", "localhost")]);
        two.append("host", "evil.example".parse().unwrap());
        assert!(!hosts.take(&two, &uri));
        let absolute = "http://evil.example/".parse().unwrap();
        assert!(!hosts.take(&headers(&[("host", "localhost")]), &absolute));
    }

    #[test]
    fn an_address_of_every_interface_is_no_name() {
        let hosts = Hosts::new("0.0.0.0:56090".parse().unwrap(), &[], None);
        assert!(!hosts.take(&headers(&[("host", "0.0.0.0:56090")]), &"/".parse().unwrap()));
    }

    #[test]
    fn writes_come_from_pages_of_ours() {
        let of = |pairs: &[(&'static str, &str)]| same_origin(&headers(pairs), Some("https://pulse.example"));
        assert!(of(&[("sec-fetch-site", "same-origin")]));
        assert!(of(&[("host", "shop-1:56090"), ("origin", "http://shop-1:56090")]));
        assert!(of(&[("host", "shop-1:56090"), ("origin", "https://pulse.example")]));
        for pairs in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", "cross-site"), ("host", "a"), ("origin", "http://a")],
            &[("host", "shop-1:56090"), ("origin", "http://shop-1:56091")],
            &[("host", "shop-1"), ("origin", "null")],
            &[("host", "shop-1")],
            &[],
        ] {
            assert!(!of(pairs), "{pairs:?}");
        }
    }
}
