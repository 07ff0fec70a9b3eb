//! What brought the shopper here, by the default channel groups of Google Analytics 4.
//!
//! The rules are public: <https://support.google.com/analytics/answer/9756891>. They judge three texts
//! (source, medium and name of the campaign), which follow from what was told explicitly, the parameters of
//! the page's address, and the page before it. Our vocabulary has fewer words than GA4: [`Group::channel`]
//! says which stands for which.

mod clicks;
mod page;
mod rules;
mod sources;

use contracts::vocabulary::Channel;

use page::Page;
pub use rules::Group;

/// Where a visit comes from, as far as it was told. An empty text counts as not told, except for the
/// referrer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The address of the page, with its parameters.
    pub page_url: Option<&'a str>,
    /// The address of the page before it. Empty where the browser says that there was none.
    pub referrer: Option<&'a str>,
    /// The campaign's source, as in `utm_source`.
    pub source: Option<&'a str>,
    /// The campaign's medium, as in `utm_medium`.
    pub medium: Option<&'a str>,
    /// The campaign's name, as in `utm_campaign`.
    pub campaign: Option<&'a str>,
    /// The name of the parameter with an advertisement's click, as in `gclid`.
    pub click_id: Option<&'a str>,
}

/// What the rules judge, in lower case.
#[derive(Debug, Default, PartialEq, Eq)]
struct Traffic {
    source: String,
    medium: String,
    campaign: String,
}

/// What brought the shopper here; nothing where that was not told, as on a page that follows another one of
/// the same host.
#[must_use]
pub fn channel(origin: &Origin<'_>) -> Option<Channel> {
    group(origin).map(Group::channel)
}

/// The group of GA4 that an origin belongs to.
#[must_use]
pub fn group(origin: &Origin<'_>) -> Option<Group> {
    traffic(origin).map(|traffic| rules::judge(&traffic))
}

fn traffic(origin: &Origin<'_>) -> Option<Traffic> {
    let page = origin.page_url.map(Page::read).unwrap_or_default();
    let source = told(origin.source).or(page.source);
    let medium = told(origin.medium).or(page.medium);
    let campaign = told(origin.campaign).or(page.campaign);
    let click = origin.click_id.and_then(clicks::of).or(page.click);
    let is_tagged = source.is_some() || medium.is_some();
    let (source, medium) = match click {
        // As in GA4: Google's own mark counts more than what somebody wrote into the address.
        Some(click) if click.is_googles || !is_tagged => (click.source.to_owned(), click.medium.to_owned()),
        _ if is_tagged => (source.unwrap_or_default(), medium.unwrap_or_default()),
        _ => match origin.referrer.and_then(|referrer| referred(referrer, page.host.as_deref())) {
            Some((source, medium)) => (source, medium),
            None if campaign.is_some() => Default::default(),
            None => return None,
        },
    };
    Some(Traffic { source, medium, campaign: campaign.unwrap_or_default() })
}

/// Source and medium by the page before; nothing where that is one of the shop, or may be.
fn referred(referrer: &str, own: Option<&str>) -> Option<(String, String)> {
    let referrer = referrer.trim();
    if referrer.is_empty() {
        return Some(("(direct)".to_owned(), "(none)".to_owned()));
    }
    let host = page::host(referrer)?;
    let category = sources::category(&host);
    match own {
        Some(own) if is_same_site(&host, own) => return None,
        // Without the page's own address only hosts that are surely no shop's say something.
        None if category.is_none() => return None,
        _ => {}
    }
    let medium = if category == Some(sources::Category::Search) { "organic" } else { "referral" };
    Some((host, medium.to_owned()))
}

/// Whether one host is the other one, or below it.
fn is_same_site(host: &str, own: &str) -> bool {
    let bare = |host: &str| host.strip_prefix("www.").unwrap_or(host).to_owned();
    let (host, own) = (bare(host), bare(own));
    let is_below = |one: &str, other: &str| one.strip_suffix(other).is_some_and(|rest| rest.ends_with('.'));
    host == own || is_below(&host, &own) || is_below(&own, &host)
}

/// A text in the form that is compared, where there is one.
fn told(text: Option<&str>) -> Option<String> {
    text.map(|text| text.trim().to_lowercase()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests;
