use std::path::PathBuf;

use super::*;

#[path = "../../tests/support/mmdb.rs"]
mod mmdb;

fn kept(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("countries.mmdb");
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn countries() -> Vec<u8> {
    mmdb::countries(&[("203.0.113.0", 24, "CH"), ("198.51.100.0", 25, "NO"), ("2001:db8::", 32, "AT")])
}

fn headers(told: &[(&str, &str)]) -> HeaderMap {
    told.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())).collect()
}

fn of(country: &Country, told: &[(&str, &str)], peer: &str) -> Option<String> {
    country.of(&headers(told), Some(peer.parse().unwrap())).map(|country| country.as_str().to_owned())
}

#[test]
fn an_address_of_either_kind_has_its_country() {
    let (_folder, path) = kept(&countries());
    let by_peer = Country::new(None, Some(&path), None).unwrap();
    for (peer, expected) in [
        ("203.0.113.9", Some("CH")),
        ("198.51.100.127", Some("NO")),
        ("198.51.100.128", None),
        ("2001:db8:7::1", Some("AT")),
        ("2001:db9::1", None),
        // As a socket for both kinds tells a peer of IPv4.
        ("::ffff:203.0.113.9", Some("CH")),
    ] {
        assert_eq!(of(&by_peer, &[("x-forwarded-for", "198.51.100.1")], peer).as_deref(), expected, "{peer}");
    }
    let by_header = Country::new(None, Some(&path), Some("X-Forwarded-For")).unwrap();
    assert_eq!(
        of(&by_header, &[("x-forwarded-for", "203.0.113.1, 198.51.100.1, 10.0.0.1")], "10.0.0.2"),
        Some("NO".into())
    );
    assert_eq!(of(&by_header, &[], "203.0.113.9"), None, "the peer is the proxy");
}

#[test]
fn the_header_counts_before_the_file() {
    let (_folder, path) = kept(&countries());
    let both = Country::new(Some("CF-IPCountry"), Some(&path), None).unwrap();
    for (told, expected) in
        [("DE", "DE"), ("de", "DE"), ("XX", "CH"), ("T1", "CH"), ("ZZ", "CH"), ("", "CH"), ("Germany", "CH")]
    {
        assert_eq!(of(&both, &[("cf-ipcountry", told)], "203.0.113.9").as_deref(), Some(expected), "{told}");
    }
    assert_eq!(of(&Country::default(), &[("cf-ipcountry", "DE")], "203.0.113.9"), None);
}

#[test]
fn what_cannot_be_used_is_refused_with_the_way_out() {
    let refused = |header: Option<&str>, file: Option<&Path>, address: Option<&str>| {
        Country::new(header, file, address).unwrap_err().to_string()
    };
    assert!(refused(Some("CF IPCountry"), None, None).contains("CF-IPCountry"));
    assert!(refused(None, None, Some("X-Forwarded-For")).contains("--country-file"));
    let (folder, path) = kept(b"no such format");
    assert!(refused(None, Some(&path), None).contains("MaxMind"));
    assert!(refused(None, Some(&folder.path().join("none")), None).contains("MaxMind"));
    let (_folder, path) = kept(&mmdb::file(&[("203.0.113.0", 24, "CH")], "owner"));
    assert!(refused(None, Some(&path), None).contains("has no countries"));
    // What is cut off says so, and does not panic.
    let whole = countries();
    for length in 0..whole.len() {
        let (_folder, path) = kept(&whole[..length]);
        assert!(Country::new(None, Some(&path), None).is_err(), "{length} bytes");
    }
}

#[tokio::test]
async fn a_file_that_changes_is_read_again() {
    let (_folder, path) = kept(&countries());
    let country = Country::new(None, Some(&path), None).unwrap();
    let stopping = CancellationToken::new();
    let following = tokio::spawn(country.follow(stopping.clone()).unwrap().unwrap());
    let until = async |expected: &str| {
        tokio::time::timeout(std::time::Duration::from_secs(20), async {
            while of(&country, &[], "203.0.113.9").as_deref() != Some(expected) {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
    };
    until("CH").await;
    std::fs::write(&path, b"broken").unwrap();
    std::fs::write(
        &path,
        mmdb::countries(&[("203.0.113.0", 24, "LI"), ("2001:db8::", 32, "AT"), ("192.0.2.0", 24, "FR")]),
    )
    .unwrap();
    until("LI").await;
    stopping.cancel();
    following.await.unwrap();
}
