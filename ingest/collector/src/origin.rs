//! The origin of a page, as browsers send it in `Origin`.

use std::fmt;
use std::str::FromStr;

const MAX_HOST_CHARS: usize = 253;
const MAX_LABEL_CHARS: usize = 63;

/// Such an origin, spelled as browsers spell it, so that comparing bytes is enough.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin(String);

/// A text that is no origin of pages that may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// There is no scheme, or another one.
    #[error("an origin begins with https://, or with http:// on this machine")]
    Scheme,
    /// Whoever is on the way could put a page there.
    #[error("only localhost, 127.0.0.1 and [::1] may have pages without TLS: use https://")]
    NotEncrypted,
    /// It goes on after host and port.
    #[error("an origin has a host and perhaps a port: no path, and no / at its end")]
    Path,
    /// The host is none, or none as browsers spell it.
    #[error("a host has lower-case letters, digits, - and dots; other letters as in xn--…")]
    Host,
    /// The port is none.
    #[error("a port is a number from 1 to 65535 without leading zeros")]
    Port,
    /// Browsers leave it out.
    #[error("the port of the scheme is left out: https://shop.example, not https://shop.example:443")]
    DefaultPort,
}

impl Origin {
    /// Whether a request comes from it, by the value of its `Origin`.
    pub(crate) fn is(&self, told: &[u8]) -> bool {
        self.0.as_bytes() == told
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let (scheme, rest) = text.split_once("://").ok_or(OriginError::Scheme)?;
        let default_port = match scheme {
            "https" => 443,
            "http" => 80,
            _ => return Err(OriginError::Scheme),
        };
        if rest.contains(['/', '?', '#', '@']) {
            return Err(OriginError::Path);
        }
        // The colons of an IPv6 address stand in brackets.
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (rest, None),
        };
        let is_local = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
        if !is_local && !is_host(host) {
            return Err(OriginError::Host);
        }
        if scheme == "http" && !is_local {
            return Err(OriginError::NotEncrypted);
        }
        if let Some(port) = port {
            let number: u16 = port.parse().map_err(|_| OriginError::Port)?;
            if number == 0 || number.to_string() != port {
                return Err(OriginError::Port);
            }
            if number == default_port {
                return Err(OriginError::DefaultPort);
            }
        }
        Ok(Self(text.to_owned()))
    }
}

fn is_host(host: &str) -> bool {
    let is_label = |label: &str| {
        (1..=MAX_LABEL_CHARS).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    host.len() <= MAX_HOST_CHARS && host.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_spelled_as_browsers_spell_it() {
        for good in [
            "https://shop.example",
            "https://www.shop.example:8443",
            "https://xn--bcher-kva.example",
            "https://203.0.113.7",
            "http://localhost:3000",
            "http://localhost",
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
            "https://[::1]",
        ] {
            let origin: Origin = good.parse().unwrap();
            assert_eq!(origin.to_string(), good);
            assert!(origin.is(good.as_bytes()));
            assert!(!origin.is(format!("{good}.evil.example").as_bytes()) && !origin.is(b"null"));
        }
    }

    #[test]
    fn what_no_browser_sends_is_refused() {
        use OriginError::{DefaultPort, Host, NotEncrypted, Path, Port, Scheme};
        for (bad, error) in [
            ("", Scheme),
            ("*", Scheme),
            ("null", Scheme),
            ("shop.example", Scheme),
            ("ftp://shop.example", Scheme),
            ("HTTPS://shop.example", Scheme),
            ("http://shop.example", NotEncrypted),
            ("http://localhost.shop.example", NotEncrypted),
            ("https://shop.example/", Path),
            ("https://shop.example/cart", Path),
            ("https://ann@shop.example", Path),
            ("https://Shop.example", Host),
            ("https://bücher.example", Host),
            ("https://*.shop.example", Host),
            ("https://shop..example", Host),
            ("https://-shop.example", Host),
            ("https://", Host),
            ("https://shop.example:", Port),
            ("https://shop.example:0", Port),
            ("https://shop.example:080", Port),
            ("https://shop.example:65536", Port),
            ("https://shop.example:443", DefaultPort),
            ("http://localhost:80", DefaultPort),
        ] {
            assert_eq!(bad.parse::<Origin>().unwrap_err(), error, "{bad}");
        }
    }
}
