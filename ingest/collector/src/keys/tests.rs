use super::*;

#[test]
fn a_key_is_found_by_itself_alone() {
    let (web, app) = (new_key("web", None).unwrap(), new_key("app", Some(2)).unwrap());
    let keys = Keys::parse(&format!("# two\n{}\n\n{}\n", web.line, app.line)).unwrap();
    assert_eq!(keys.find(&web.key).unwrap().name(), "web");
    let found = keys.find(&app.key).unwrap();
    assert_eq!(found.name(), "app");
    assert_eq!(found.take(2), Ok(()));
    assert!(found.take(2).is_err());
    assert!(keys.find("").is_none());
    assert!(keys.find(&web.line).is_none(), "the digest is no key");
    let in_one_line = Keys::parse(&format!("{},{}", web.line, app.line)).unwrap();
    assert!(in_one_line.find(&app.key).is_some());
}

#[test]
fn a_key_that_stays_is_the_same_one_and_the_others_are_revoked() {
    let [stays, slower, goes] = ["web", "app", "old"].map(|name| new_key(name, Some(1_000)).unwrap());
    let before = Keys::parse(&[&stays, &slower, &goes].map(|key| key.line.clone()).join("\n")).unwrap();
    let held = [&stays, &slower, &goes].map(|key| before.find(&key.key).unwrap());
    let text = format!("{}\n{}", stays.line, slower.line.replace(" 1000", " 1"));
    let (now, gone) = Keys::parse(&text).unwrap().in_place_of(&before);
    assert_eq!(held.each_ref().map(|key| key.is_revoked()), [false, false, true]);
    assert_eq!(gone.iter().map(|key| key.name()).collect::<Vec<_>>(), ["old"]);
    assert!(Arc::ptr_eq(&held[0], &now.find(&stays.key).unwrap()));
    assert!(now.find(&goes.key).is_none());
    assert_eq!(held[1].take(1), Ok(()));
    assert!(held[1].take(1).is_err(), "the rate is the one of now");
    let (none, gone) = Keys::parse_any("# nobody").unwrap().in_place_of(&now);
    assert_eq!((none.len(), gone.len()), (0, 2));
}

#[test]
fn a_key_with_origins_is_a_browsers_and_has_a_rate() {
    let shop = "https://shop.example";
    let origins: Vec<Origin> =
        [shop, "http://localhost:3000"].iter().map(|text| text.parse().unwrap()).collect();
    let browsers = new_browser_key("web", None, &origins).unwrap();
    let limited = new_browser_key("slow", Some(2), &origins[..1]).unwrap();
    let server = new_key("server", None).unwrap();
    let lines = [&browsers, &limited, &server].map(|key| key.line.clone()).join(",");
    let keys = Keys::parse(&lines).unwrap();
    let [browsers, limited, server] =
        [browsers, limited, server].map(|key| (keys.find(&key.key).unwrap(), key));
    assert!(browsers.0.is_browsers() && limited.0.is_browsers() && !server.0.is_browsers());
    assert!(browsers.0.allows(shop.as_bytes()) && browsers.0.allows(b"http://localhost:3000"));
    assert!(!limited.0.allows(b"http://localhost:3000") && !server.0.allows(shop.as_bytes()));
    assert!(keys.any_allows(b"http://localhost:3000") && !keys.any_allows(b"null"));
    assert_eq!(browsers.0.take(BROWSER_EVENTS_PER_S), Ok(()));
    assert!(browsers.0.take(1).is_err(), "it has a rate without being told one");
    assert_eq!((limited.0.take(2), limited.0.take(1).is_err()), (Ok(()), true));
    assert_eq!(server.0.take(1_000_000), Ok(()));

    // Other origins change the key that is in force; without any it is another one.
    let other = browsers.1.line.replace(shop, "https://other.example");
    let (now, gone) = Keys::parse(&other).unwrap().in_place_of(&keys);
    assert!(Arc::ptr_eq(&now.find(&browsers.1.key).unwrap(), &browsers.0));
    assert!(!browsers.0.allows(shop.as_bytes()) && browsers.0.allows(b"https://other.example"));
    assert_eq!(gone.len(), 2);
    let plain = other.split(" https").next().unwrap();
    let (now, gone) = Keys::parse(plain).unwrap().in_place_of(&now);
    assert!(gone.len() == 1 && browsers.0.is_revoked() && !now.any_allows(b"https://other.example"));
}

#[test]
fn a_key_may_be_of_a_shop() {
    let origins: Vec<Origin> = vec!["https://shop.example".parse().unwrap()];
    let browsers = new_browser_key("web", Some(7), &origins).unwrap().of_shop("shop-a").unwrap();
    let plain = new_key("web", None).unwrap();
    let server = plain.clone().of_shop("shop-a").unwrap();
    let keys = Keys::parse(&[&browsers, &server].map(|key| key.line.clone()).join(",")).unwrap();
    for key in [&browsers, &server] {
        assert_eq!(keys.find(&key.key).unwrap().shop(), Some("shop-a"));
    }
    assert!(keys.find(&browsers.key).unwrap().allows(b"https://shop.example"));
    let held = keys.find(&server.key).unwrap();
    let (now, gone) = Keys::parse(&plain.line).unwrap().in_place_of(&keys);
    assert!(gone.len() == 2 && held.is_revoked() && now.find(&plain.key).unwrap().shop().is_none());
    assert!(matches!(plain.clone().of_shop("Shop A"), Err(KeysError::Shop(_))));
    for bad in ["shop=", "shop=A/b", "shop=a shop=b"] {
        assert!(matches!(
            Keys::parse(&format!("{} {bad}", plain.line)),
            Err(KeysError::Line { line: 1, .. })
        ));
    }
}

#[test]
fn a_wrong_line_is_named_and_not_shown() {
    let key = new_key("web", None).unwrap();
    let (line, secret) = (&key.line, &key.key);
    for bad in [
        format!("web {secret}"),
        format!("{line} 0"),
        format!("{line} 1 1"),
        format!("{line} {secret}"),
        format!("{line} 1 http://shop.example"),
        format!("{line} https://shop.example 1"),
        format!("{line} https://shop.example/{secret}"),
    ] {
        let error = Keys::parse(&format!("#\n{bad}")).unwrap_err();
        assert!(matches!(error, KeysError::Line { line: 2, .. }), "{error}");
        assert!(!error.to_string().contains(&key.key));
    }
    assert!(matches!(Keys::parse("Web x"), Err(KeysError::Line { line: 1, .. })));
    assert_eq!(Keys::parse(" \n# nobody").unwrap_err(), KeysError::None);
    assert!(matches!(new_key("a/b", None), Err(KeysError::Name(_))));
}
