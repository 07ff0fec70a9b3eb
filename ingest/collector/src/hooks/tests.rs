use super::*;

#[test]
fn a_signature_is_of_the_secret_and_of_every_byte() {
    let hooks = Hooks::parse("# two\nshop shopify hush-hush\n\nshop shopify hush-hush-2\n").unwrap();
    let [one, other] = hooks.of(System::Shopify, "shop")[..] else { panic!("{hooks:?}") };
    // By `printf '{}' | openssl dgst -sha256 -hmac hush-hush -binary | base64`.
    let mut mac = Hmac::<Sha256>::new_from_slice(b"hush-hush").unwrap();
    mac.update(b"{}");
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    assert!(one.has_signed(&signature, b"{}") && !other.has_signed(&signature, b"{}"));
    assert!(!one.has_signed(&signature, b"{} ") && !one.has_signed("", b"{}") && !one.has_signed("é", b"{}"));
    assert!(hooks.of(System::Woocommerce, "shop").is_empty() && hooks.of(System::Shopify, "web").is_empty());
    assert!(!format!("{hooks:?}").contains("hush"));
}

#[test]
fn a_wrong_line_is_named_and_not_shown() {
    for bad in [
        "Shop shopify long-secret",
        "shop magento long-secret",
        "shop shopify short",
        "shop shopify",
        "a shopify long-secret x",
    ] {
        let error = Hooks::parse(&format!("#\n{bad}")).unwrap_err();
        assert!(
            matches!(error, HooksError::Line { line: 2, .. }) && !error.to_string().contains("long-secret")
        );
    }
}

#[test]
fn a_file_that_others_may_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secrets");
    std::fs::write(&path, "shop shopify long-secret\n").unwrap();
    for (mode, is_refused) in [(0o644, true), (0o640, true), (0o600, false)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(matches!(Hooks::open(&path), Err(HooksError::Open(_))), is_refused, "{mode:o}");
    }
}

#[test]
fn a_name_is_of_one_shop_system() {
    let error = Hooks::parse("shop shopify long-secret\nshop woocommerce long-secret").unwrap_err();
    assert!(matches!(error, HooksError::Line { line: 2, .. }), "{error}");
    let two =
        Hooks::parse("shop shopify long-secret\nshop shopify another-secret\nwoo woocommerce long-secret");
    assert_eq!(two.unwrap().of(System::Shopify, "shop").len(), 2);
}
