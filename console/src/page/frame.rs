//! What stands around every page: navigation, the strip that says in one sentence how the line does, and the
//! viewer's choices.

mod strip;

use axum::Router;
use axum::extract::{FromRequestParts, Query};
use axum::http::Uri;
use axum::http::request::Parts;
use axum::response::Redirect;
use axum::routing::get;
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
use chrono::{SecondsFormat, Utc};
use chrono_tz::Tz;
use maud::{DOCTYPE, Markup, html};
use serde::Deserialize;

use super::sign_in::sign_out_form;
use super::{Against, Viewing, plain};
use crate::access::{Role, Visitor, admitted};
use crate::app::App;
use crate::assets;
use crate::panel::Panel;
use crate::problem::Problem;
use crate::watch::Source;

/// The strip stands on every page.
pub(crate) const PANELS: &[Panel] = &[Panel {
    id: "strip",
    page: "",
    sources: &[Source::Ops, Source::Shop, Source::Kafka, Source::Alerts],
    draw: strip::strip,
}];

/// The pages of the navigation: path, name, and the id that [`Panel::page`] has.
const PAGES: &[(&str, &str, &str)] = &[
    ("/", "Live", "live"),
    ("/flow", "Flow", "flow"),
    ("/topics", "Topics", "topics"),
    ("/schemas", "Schemas", "schemas"),
    ("/jobs", "Jobs", "jobs"),
    ("/quarantine", "Quarantine", "quarantine"),
    ("/actions", "Actions", "actions"),
    ("/alerts", "Alerts", "alerts"),
];

/// Zones that are offered; any other name may be written.
const ZONES: &[&str] = &[
    "UTC",
    "Europe/London",
    "Europe/Lisbon",
    "Europe/Berlin",
    "Europe/Zurich",
    "Europe/Paris",
    "Europe/Madrid",
    "Europe/Rome",
    "Europe/Warsaw",
    "Europe/Athens",
    "Europe/Helsinki",
    "Europe/Istanbul",
    "Europe/Kyiv",
    "Africa/Lagos",
    "Africa/Cairo",
    "Africa/Nairobi",
    "Africa/Johannesburg",
    "America/Sao_Paulo",
    "America/Bogota",
    "America/New_York",
    "America/Toronto",
    "America/Chicago",
    "America/Mexico_City",
    "America/Denver",
    "America/Los_Angeles",
    "Asia/Dubai",
    "Asia/Kolkata",
    "Asia/Bangkok",
    "Asia/Singapore",
    "Asia/Shanghai",
    "Asia/Seoul",
    "Asia/Tokyo",
    "Australia/Sydney",
    "Pacific/Auckland",
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
    /// Where to go back to, once they are kept.
    back: Option<String>,
}

/// Where choices are kept, for everybody who is signed in.
pub(crate) fn routes() -> Router<App> {
    Router::new().route("/choices", get(choose))
}

/// Keeps choices in cookies. They change how things are shown and nothing else, so a link may do it.
async fn choose(
    // Refuses those that mean nothing.
    _frame: Frame,
    mut jar: CookieJar,
    Query(choices): Query<Choices>,
) -> (CookieJar, Redirect) {
    for (name, value) in [("tz", choices.tz), ("against", choices.against), ("theme", choices.theme)] {
        let Some(value) = value else { continue };
        let cookie = Cookie::build((name, value)).path("/").permanent().same_site(SameSite::Lax);
        jar = jar.add(cookie);
    }
    let back = choices.back.filter(|back| is_ours(back)).unwrap_or_else(|| "/".to_owned());
    (jar, Redirect::to(&back))
}

/// Whether an address is a path of this console and leads nowhere else.
fn is_ours(back: &str) -> bool {
    back.starts_with('/')
        && !back.starts_with("//")
        && !back.contains('\\')
        && back.parse::<Uri>().is_ok_and(|uri| uri.authority().is_none())
}

impl FromRequestParts<App> for Frame {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        // Whether a form was made for this session is asked by what takes the form.
        let visitor = admitted(parts, &app.access).await?;
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
    /// A whole page: `page` is its id in the navigation; `topics.one` lies below `topics` and has live parts
    /// of its own.
    pub(crate) fn page(&self, app: &App, page: &str, title: &str, body: &Markup) -> Markup {
        let snapshot = app.watch.snapshot();
        html! {
            (DOCTYPE)
            html lang="en" data-theme=(self.theme.word()) {
                head {
                    (plain::head(title))
                    script type="module" src=(assets::path("console.js")) {}
                    @for part in ["stream.js", "part.js"] { link rel="modulepreload" href=(assets::path(part)); }
                }
                body data-page=(page) data-epoch=(app.hub.epoch()) data-zone=(self.viewing.zone.name())
                    data-against=(self.viewing.against.word())
                    data-now=(Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)) {
                    a .skip href="#main" { "Skip to the figures" }
                    header .top {
                        a .brand href="/" { img src=(assets::path("icon.svg")) alt="" width="22" height="22"; "Storepulse" }
                        nav aria-label="Pages" {
                            @for (path, name, id) in PAGES {
                                a href=(path) aria-current=[(page.split('.').next() == Some(id)).then_some("page")] { (name) }
                            }
                        }
                        (self.viewer())
                    }
                    section .around aria-label="State of the line" { (strip::strip(&snapshot, &self.viewing)) }
                    main #main tabindex="-1" { (body) }
                    (keys())
                }
            }
        }
    }

    /// Who it is, and what they chose: the zone, and light or dark.
    fn viewer(&self) -> Markup {
        let zone = self.viewing.zone;
        let now = Utc::now().with_timezone(&zone);
        let choice = |theme: Theme| {
            let back = percent_encoding(&self.here);
            (format!("/choices?theme={}&back={back}", theme.word()), (theme == self.theme).then_some("true"))
        };
        html! {
            div .viewer {
                details .menu {
                    summary { span .sr { "Time zone and theme: " } span data-clock { (now.format("%H:%M:%S")) } " " (zone.name()) }
                    div {
                        form .bar action="/choices" {
                            input type="hidden" name="back" value=(self.here);
                            label .wide {
                                "Time zone of days and clock times"
                                input name="tz" value=(zone.name()) list="zones" required autocomplete="off";
                            }
                            datalist #zones { @for name in ZONES { option value=(name) {} } }
                            button { "Set" }
                        }
                        nav .choice aria-label="Theme" {
                            @for (theme, name) in [(Theme::System, "As the system"), (Theme::Light, "Light"), (Theme::Dark, "Dark")] {
                                @let (href, current) = choice(theme);
                                a href=(href) aria-current=[current] { (name) }
                            }
                        }
                    }
                }
                (self.who())
            }
        }
    }

    /// Whether actions are offered; the server asks again when one is sent.
    pub(crate) fn may_act(&self) -> bool {
        self.visitor.role == Role::Operator
    }

    /// The name that is signed in, and its role.
    fn who(&self) -> Markup {
        let role = match self.visitor.role {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
        };
        html! {
            span .name { (self.visitor.name) ", " (role) }
            (sign_out_form(&self.visitor))
        }
    }

    /// The address asked for, with these choices in the place of its own; nothing takes one away.
    pub(crate) fn with(&self, choices: &[(&str, Option<&str>)]) -> String {
        with(&self.here, choices)
    }
}

fn with(here: &str, choices: &[(&str, Option<&str>)]) -> String {
    let (path, query) = here.split_once('?').unwrap_or((here, ""));
    let stays = |pair: &&str| {
        let name = pair.split('=').next().unwrap_or_default();
        !pair.is_empty() && choices.iter().all(|(chosen, _)| *chosen != name)
    };
    let mut pairs: Vec<String> = query.split('&').filter(stays).map(str::to_owned).collect();
    for (name, value) in choices {
        if let Some(value) = value {
            pairs.push(format!("{name}={}", percent_encoding(value)));
        }
    }
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

/// A value of an address's query.
fn percent_encoding(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// Holds live parts back, and tells of the keys: for pages with live parts.
pub(crate) fn pause() -> Markup {
    html! {
        div .row.scripted {
            button .quiet data-pause aria-pressed="false" { span aria-hidden="true" { "‖" } " Pause" }
            button .quiet data-opens="keys" { "Keys" }
        }
    }
}

/// What the keys do.
fn keys() -> Markup {
    html! {
        dialog #keys aria-labelledby="keys-title" {
            h2 #keys-title { "Keys" }
            dl .facts {
                dt { kbd { "p" } } dd { "hold live figures back, or let them go on" }
                dt { kbd { "/" } } dd { "go to the filter" }
                dt { kbd { "?" } } dd { "these keys" }
                dt { kbd { "Esc" } } dd { "close what is open" }
            }
            form method="dialog" { button .primary { "Close" } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_goes_back_to_a_path_of_this_console_only() {
        for ours in ["/", "/topics/x?at=newest&where=a%3Db"] {
            assert!(is_ours(ours), "{ours}");
        }
        for not in
            ["", "https://example.org/", "//example.org", "/\\example.org", "topics", "javascript:alert(1)"]
        {
            assert!(!is_ours(not), "{not}");
        }
    }

    #[test]
    fn a_choice_replaces_its_own_kind_in_the_address() {
        assert_eq!(
            with("/?period=today&tz=UTC", &[("period", Some("yesterday"))]),
            "/?tz=UTC&period=yesterday"
        );
        assert_eq!(with("/?from=a&to=b", &[("from", None), ("to", None)]), "/");
        assert_eq!(with("/flow", &[("q", Some("a b&c=d"))]), "/flow?q=a%20b%26c%3Dd");
    }
}
