//! The parameters by which advertisers mark a click, and what they stand for where nothing else was told.

/// What such a parameter tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Click {
    pub(super) source: &'static str,
    pub(super) medium: &'static str,
    /// Whether it counts more than the campaign's own words.
    pub(super) is_googles: bool,
}

const fn google(medium: &'static str) -> Click {
    Click { source: "google", medium, is_googles: true }
}

const fn other(source: &'static str, medium: &'static str) -> Click {
    Click { source, medium, is_googles: false }
}

/// Facebook, Instagram and X mark every link that leaves them, paid or not.
const CLICKS: &[(&str, Click)] = &[
    ("gclid", google("cpc")),
    ("gbraid", google("cpc")),
    ("wbraid", google("cpc")),
    ("dclid", google("display")),
    ("srsltid", other("google", "organic")),
    ("msclkid", other("bing", "cpc")),
    ("yclid", other("yandex", "cpc")),
    ("fbclid", other("facebook", "referral")),
    ("igshid", other("instagram", "referral")),
    ("igsh", other("instagram", "referral")),
    ("twclid", other("twitter", "referral")),
    ("ttclid", other("tiktok", "cpc")),
    ("li_fat_id", other("linkedin", "cpc")),
    ("epik", other("pinterest", "referral")),
    ("sccid", other("snapchat", "cpc")),
    ("rdt_cid", other("reddit", "cpc")),
    ("mc_eid", other("mailchimp", "email")),
    ("mc_cid", other("mailchimp", "email")),
    ("_kx", other("klaviyo", "email")),
];

/// What a parameter of this name tells.
pub(super) fn of(name: &str) -> Option<Click> {
    CLICKS.iter().find(|(click, _)| name.eq_ignore_ascii_case(click)).map(|(_, click)| *click)
}
