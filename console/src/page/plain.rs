//! A page without the frame: for those who are not signed in, and for errors.

use axum::http::HeaderMap;
use axum_extra::extract::CookieJar;
use maud::{DOCTYPE, Markup, html};

use crate::assets;

/// The theme that a viewer has chosen, as the document's attribute has it.
pub(crate) fn theme(headers: &HeaderMap) -> &'static str {
    match CookieJar::from_headers(headers).get("theme").map(|cookie| cookie.value().to_owned()).as_deref() {
        Some("light") => "light",
        Some("dark") => "dark",
        _ => "system",
    }
}

/// What stands in the head of every page.
pub(super) fn head(title: &str) -> Markup {
    html! {
        meta charset="utf-8";
        meta name="viewport" content="width=device-width, initial-scale=1";
        title { (title) " · Storepulse" }
        link rel="icon" href=(assets::path("icon.svg"));
        link rel="stylesheet" href=(assets::path("console.css"));
    }
}

/// A whole page. `head` stands in its head, `body` in its card.
pub(crate) fn page(theme: &str, title: &str, head: &Markup, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" data-theme=(theme) {
            head { (self::head(title)) (head) }
            body .alone {
                main #main .card {
                    a .brand href="/" { "Storepulse" }
                    h1 { (title) }
                    (body)
                }
            }
        }
    }
}
