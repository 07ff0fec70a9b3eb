//! Names that Google keeps for itself or does not take, and how long values may be.

/// Names of events that only Google's own programs may send. `session_start` is among them: here it counts as
/// any other.
const EVENTS: &[&str] = &[
    "ad_activeview",
    "ad_click",
    "ad_exposure",
    "ad_query",
    "ad_reward",
    "adunit_exposure",
    "app_background",
    "app_clear_data",
    "app_exception",
    "app_remove",
    "app_store_refund",
    "app_store_subscription_cancel",
    "app_store_subscription_convert",
    "app_store_subscription_renew",
    "app_update",
    "app_upgrade",
    "dynamic_link_app_open",
    "dynamic_link_app_update",
    "dynamic_link_first_open",
    "error",
    "firebase_campaign",
    "firebase_in_app_message_action",
    "firebase_in_app_message_dismiss",
    "firebase_in_app_message_impression",
    "first_open",
    "first_visit",
    "in_app_purchase",
    "notification_dismiss",
    "notification_foreground",
    "notification_open",
    "notification_receive",
    "notification_send",
    "os_update",
    "screen_view",
    "session_start",
    "user_engagement",
];
const USER_PROPERTIES: &[&str] = &[
    "first_open_time",
    "first_visit_time",
    "last_deep_link_referrer",
    "user_id",
    "first_open_after_install",
];
const PREFIXES: &[&str] = &["_", "firebase_", "ga_", "google_", "gtag."];

pub(super) fn is_event(name: &str) -> bool {
    EVENTS.contains(&name) || has_prefix(name)
}

pub(super) fn is_param(name: &str) -> bool {
    name == "firebase_conversion" || has_prefix(name)
}

pub(super) fn is_user_property(name: &str) -> bool {
    USER_PROPERTIES.contains(&name) || has_prefix(name)
}

fn has_prefix(name: &str) -> bool {
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether a name begins with a letter, goes on with letters, digits and underscores, and is no longer than
/// that.
pub(super) fn is_name(name: &str, max_chars: usize) -> bool {
    name.starts_with(|c: char| c.is_alphabetic())
        && name.chars().all(|c| c.is_alphanumeric() || c == '_')
        && name.chars().count() <= max_chars
}

/// How many characters the value of a parameter may have.
pub(super) fn max_value_chars(param: &str) -> usize {
    match param {
        "page_title" => 300,
        "page_referrer" => 420,
        "page_location" => 1000,
        _ => 100,
    }
}
