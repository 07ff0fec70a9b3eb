use Group::*;

use super::*;

fn tagged<'a>(source: &'a str, medium: &'a str, campaign: &'a str) -> Origin<'a> {
    Origin { source: Some(source), medium: Some(medium), campaign: Some(campaign), ..Origin::default() }
}

/// A row for each line of GA4's table, in its order.
#[test]
fn the_documented_rules_apply_in_their_order() {
    for (source, medium, campaign, expected) in [
        ("(direct)", "(none)", "", Direct),
        ("(direct)", "(not set)", "", Direct),
        ("google", "cpc", "2026 cross-network summer", CrossNetwork),
        ("amazon", "cpc", "", PaidShopping),
        ("google", "cpc", "shopping-summer", PaidShopping),
        ("google", "cpc", "eshop", PaidShopping),
        ("google", "cpc", "workshop", PaidSearch),
        ("Google", "CPC", "brand", PaidSearch),
        ("bing", "ppc", "", PaidSearch),
        ("bing", "paidsearch", "", PaidSearch),
        ("yahoo", "retargeting", "", PaidSearch),
        ("facebook", "paid_social", "", PaidSocial),
        ("tiktok", "cpv", "", PaidSocial),
        ("youtube", "cpc", "", PaidVideo),
        ("some-network", "display", "", Display),
        ("some-network", "banner", "", Display),
        ("some-network", "expandable", "", Display),
        ("some-network", "interstitial", "", Display),
        // As in GA4's order: a paid medium of an unknown site is Display only by these words.
        ("some-network", "cpm", "", Display),
        ("some-network", "cpa", "", PaidOther),
        ("ebay.de", "referral", "", OrganicShopping),
        ("newsletter", "x", "the shop opens", OrganicShopping),
        ("m.facebook.com", "referral", "", OrganicSocial),
        ("partner", "social media", "", OrganicSocial),
        ("vimeo.com", "referral", "", OrganicVideo),
        ("partner", "in-video", "", OrganicVideo),
        ("duckduckgo", "organic", "", OrganicSearch),
        ("someone", "organic", "", OrganicSearch),
        ("www.google.co.uk", "referral", "", OrganicSearch),
        ("someone", "ai-assistant", "", AiAssistant),
        ("blog.example", "referral", "", Referral),
        ("blog.example", "app", "", Referral),
        ("blog.example", "link", "", Referral),
        ("newsletter", "email", "", Email),
        ("e-mail", "weekly", "", Email),
        ("newsletter", "e mail", "", Email),
        ("partner", "affiliate", "", Affiliates),
        ("spotify", "audio", "", Audio),
        ("sms", "reminder", "", Sms),
        ("crm", "sms", "", Sms),
        ("crm", "web-push", "", Push),
        ("crm", "mobile-app", "", Push),
        ("crm", "notification", "", Push),
        ("firebase", "x", "", Push),
        ("someone", "something", "", Unassigned),
    ] {
        assert_eq!(
            group(&tagged(source, medium, campaign)),
            Some(expected),
            "{source} / {medium} / {campaign}"
        );
    }
}

#[test]
fn every_group_has_a_word_of_ours() {
    for (group, expected) in [
        (PaidSocial, Channel::Social),
        (PaidShopping, Channel::PaidSearch),
        (PaidVideo, Channel::Display),
        (OrganicVideo, Channel::Social),
        (OrganicShopping, Channel::Referral),
        (Affiliates, Channel::Referral),
        (Email, Channel::Email),
        (Sms, Channel::Other),
        (Unassigned, Channel::Other),
    ] {
        assert_eq!(group.channel(), expected, "{}", group.label());
    }
}

/// What the page's address and the page before it say.
#[test]
fn a_visit_comes_from_where_its_first_page_says() {
    let shop = "https://www.shop.example/lamps?size=3";
    for (page_url, referrer, expected) in [
        (shop, Some(""), Some(Direct)),
        (shop, Some("https://www.google.com/"), Some(OrganicSearch)),
        (shop, Some("https://uk.search.yahoo.com/x?p=lamp"), Some(OrganicSearch)),
        (shop, Some("android-app://com.google.android.googlequicksearchbox/"), Some(OrganicSearch)),
        (shop, Some("https://l.facebook.com/l.php?u=x"), Some(OrganicSocial)),
        (shop, Some("https://t.co/abc"), Some(OrganicSocial)),
        (shop, Some("https://www.youtube.com/watch?v=1"), Some(OrganicVideo)),
        (shop, Some("https://mail.google.com/"), Some(Referral)),
        (shop, Some("https://google.com.evil.example/"), Some(Referral)),
        (shop, Some("https://blog.example/best-lamps"), Some(Referral)),
        // A page within a visit, and what is no address.
        (shop, Some("https://www.shop.example/"), None),
        (shop, Some("https://shop.example/"), None),
        (shop, Some("http://help.shop.example:8080/x"), None),
        (shop, Some("not an address"), None),
        (shop, None, None),
        (
            "https://shop.example/?utm_source=news&utm_medium=email&utm_campaign=may",
            Some("https://www.google.com/"),
            Some(Email),
        ),
        ("https://shop.example/?UTM_Source=Facebook&utm_medium=Paid%20Social#top", None, Some(PaidSocial)),
        ("/lamps?utm_source=bing&utm_medium=cpc", None, Some(PaidSearch)),
        ("https://shop.example/?utm_source=&utm_medium=", Some(""), Some(Direct)),
        // A campaign's name alone does not hide where the visit comes from.
        ("https://shop.example/?utm_campaign=may", Some("https://www.bing.com/"), Some(OrganicSearch)),
        ("https://shop.example/?utm_campaign=may", None, Some(Unassigned)),
        // Clicks.
        ("https://shop.example/?gclid=EAIaIQ", Some("https://www.google.com/"), Some(PaidSearch)),
        ("https://shop.example/?utm_source=x&utm_medium=email&gclid=EAIaIQ", None, Some(PaidSearch)),
        ("https://shop.example/?fbclid=IwAR&gclid=EAIaIQ", None, Some(PaidSearch)),
        ("https://shop.example/?dclid=1", None, Some(Display)),
        ("https://shop.example/?msclkid=1", Some(""), Some(PaidSearch)),
        ("https://shop.example/?fbclid=IwAR0", None, Some(OrganicSocial)),
        ("https://shop.example/?fbclid=IwAR0&utm_source=facebook&utm_medium=cpc", None, Some(PaidSocial)),
        ("https://shop.example/?gclid=", Some(""), Some(Direct)),
        ("https://shop.example/?mc_eid=1", None, Some(Email)),
    ] {
        let origin = Origin { page_url: Some(page_url), referrer, ..Origin::default() };
        assert_eq!(group(&origin), expected, "{page_url} after {referrer:?}");
    }
}

#[test]
fn without_the_pages_own_address_only_known_sites_say_something() {
    let after = |referrer| channel(&Origin { referrer: Some(referrer), ..Origin::default() });
    assert_eq!(after("https://www.google.de/"), Some(Channel::OrganicSearch));
    assert_eq!(after("https://shop.example/"), None);
    assert_eq!(after(""), Some(Channel::Direct));
    assert_eq!(channel(&Origin::default()), None);
}

#[test]
fn what_is_told_counts_more_than_the_pages_address() {
    let page_url = Some("https://shop.example/?utm_source=bing&utm_medium=cpc");
    let told = Origin { page_url, source: Some("news"), medium: Some("email"), ..Origin::default() };
    assert_eq!(channel(&told), Some(Channel::Email));
    let click = Origin { click_id: Some("gclid"), ..told };
    assert_eq!(channel(&click), Some(Channel::PaidSearch));
}
