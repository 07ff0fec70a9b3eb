//! What stands around every page: navigation, the strip that says in one sentence how the line does, and the viewer's choices.

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use axum_extra::extract::CookieJar;
use chrono_tz::Tz;
use maud::{DOCTYPE, Markup, html};
use serde::Deserialize;

use super::{Against, Viewing};
use crate::access::Visitor;
use crate::app::App;
use crate::assets;
use crate::hub::Panel;
use crate::problem::Problem;
use crate::watch::{Snapshot, Source};

/// The strip stands on every page.
pub(crate) const PANELS: &[Panel] = &[Panel {
    id: "strip",
    page: "",
    sources: &[Source::Ops, Source::Shop],
    draw: |snapshot, viewing| strip(snapshot, viewing),
}];

/// The pages of the navigation: path, name, and the id that [`Panel::page`] has.
const PAGES: &[(&str, &str, &str)] = &[
    ("/", "Live", "live"),
    ("/flow", "Flow", "flow"),
    ("/topics", "Topics", "topics"),
    ("/schemas", "Schemas", "schemas"),
    ("/jobs", "Jobs", "jobs"),
    ("/quarantine", "Quarantine", "quarantine"),
];

/// The viewer's choices, from the address or a cookie, and who it is.
pub(crate) struct Frame {
    pub(crate) visitor: Visitor,
    pub(crate) viewing: Viewing,
    pub(crate) theme: Theme,
    /// The path and query asked for: links back lead there.
    pub(crate) here: String,
}

/// Light, dark, or what the system says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Theme {
    #[default]
    System,
    Light,
    Dark,
}

impl Theme {
    /// The word of the cookie and of the document's attribute.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// What an address may say of it.
#[derive(Debug, Deserialize)]
struct Choices {
    tz: Option<String>,
    against: Option<String>,
    theme: Option<String>,
}

impl FromRequestParts<App> for Frame {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let visitor = Visitor::from_request_parts(parts, app).await?;
        let jar = CookieJar::from_headers(&parts.headers);
        let Query(choices) = Query::<Choices>::try_from_uri(&parts.uri)
            .map_err(|error| Problem::bad_request("bad-choice", error.to_string()))?;
        let cookie = |name: &str| jar.get(name).map(|cookie| cookie.value().to_owned());
        let zone = match choices.tz.or_else(|| cookie("tz")) {
            Some(name) => name.parse::<Tz>().map_err(|_| {
                Problem::bad_request(
                    "bad-choice",
                    format!("{name:?} is no time zone: use a name such as Europe/Zurich"),
                )
            })?,
            None => app.config.time_zone,
        };
        let against = match choices.against.or_else(|| cookie("against")) {
            Some(word) => word.parse().map_err(|()| {
                Problem::bad_request(
                    "bad-choice",
                    format!("{word:?} is nothing to compare with: use yesterday or last-week"),
                )
            })?,
            None => Against::default(),
        };
        let theme = match choices.theme.or_else(|| cookie("theme")).as_deref() {
            Some("light") => Theme::Light,
            Some("dark") => Theme::Dark,
            _ => Theme::System,
        };
        let here = parts.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
        Ok(Self { visitor, viewing: Viewing { zone, against }, theme, here })
    }
}

impl Frame {
    /// A whole page: `page` is its id in the navigation.
    pub(crate) fn page(&self, app: &App, page: &str, title: &str, body: &Markup) -> Markup {
        let snapshot = app.watch.snapshot();
        html! {
            (DOCTYPE)
            html lang="en" data-theme=(self.theme.word()) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (title) " · Storepulse" }
                    link rel="icon" href=(assets::path("icon.svg"));
                    link rel="stylesheet" href=(assets::path("console.css"));
                    script type="module" src=(assets::path("console.js")) {}
                }
                body data-page=(page) data-epoch=(app.hub.epoch()) data-zone=(self.viewing.zone.name())
                    data-against=(self.viewing.against.word()) {
                    a .skip href="#main" { "Skip to the figures" }
                    header .top {
                        a .brand href="/" { "Storepulse" }
                        nav aria-label="Pages" {
                            @for (path, name, id) in PAGES {
                                a href=(path) aria-current=[(*id == page).then_some("page")] { (name) }
                            }
                        }
                    }
                    (strip(&snapshot, &self.viewing))
                    main #main { (body) }
                }
            }
        }
    }
}

/// How the line does, in one sentence.
fn strip(_snapshot: &Snapshot, _viewing: &Viewing) -> Markup {
    html! { div #strip .strip role="status" {} }
}
