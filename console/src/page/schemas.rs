//! Schemas: subjects, what changed between their versions, and whether a pasted schema may come in.

mod checked;
mod fields;
mod list;
mod versions;

use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::routing::{get, post};
use axum::{Router, response::Redirect};
use chrono::Utc;
use maud::{Markup, html};
use serde::Deserialize;

use super::address::encoded;
use super::frame::Frame;
use super::states;
use crate::access::{Signed, Visitor, act_fields, token_field};
use crate::app::App;
use crate::panel::Panel;
use crate::problem::Problem;
use crate::schemas::check::LARGEST;
use crate::schemas::view;
use crate::watch::Source;
use crate::watch::registry::{Subject, Subjects};

/// Its live parts.
pub(crate) const PANELS: &[Panel] = &[Panel {
    id: "schemas.subjects",
    page: "schemas",
    sources: &[Source::Registry],
    draw: |snapshot, viewing| list::subjects(&snapshot.registry, viewing, Utc::now()),
}];

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/schemas", get(page))
        .route("/schemas/{subject}", get(subject))
        // A form writes most of JSON's characters in three bytes.
        .route("/schemas/check", post(check).get(async || Redirect::to("/schemas#check")))
        .layer(DefaultBodyLimit::max(3 * LARGEST + 64 * 1024))
}

async fn page(State(app): State<App>, frame: Frame) -> Markup {
    let snapshot = app.watch.snapshot();
    let subjects = snapshot.registry.value.as_deref();
    let body = html! {
        h1 { "Schemas" }
        (list::subjects(&snapshot.registry, &frame.viewing, Utc::now()))
        (form(&frame, subjects, None, ""))
    };
    frame.page(&app, "schemas", "Schemas", &body)
}

/// What a pasted schema is checked by. It is outside of every live part: what is typed stays.
fn form(frame: &Frame, subjects: Option<&Subjects>, chosen: Option<&str>, text: &str) -> Markup {
    html! {
        section #check .panel {
            header { h2 { "Check a schema" } }
            p .note {
                "Asks the registry, and judges the schema against each version here. Nothing is registered."
            }
            @match subjects.filter(|subjects| !subjects.subjects.is_empty()) {
                None => (states::empty("There is no subject to check a schema against.", Some("storepulse setup"))),
                Some(subjects) => form .form method="post" action="/schemas/check" {
                    (token_field(&frame.visitor))
                    div .field {
                        label for="subject" { "Subject" }
                        select #subject name="subject" {
                            @for subject in &subjects.subjects {
                                option value=(subject.name) selected[chosen == Some(&*subject.name)] { (subject.name) }
                            }
                        }
                    }
                    div .field {
                        label for="schema" { "Schema, in JSON" }
                        textarea #schema name="schema" rows="14" maxlength=(LARGEST) spellcheck="false"
                            autocomplete="off" required
                            placeholder=r#"{"type": "record", "name": "Event", "fields": [ … ]}"# { "\n" (text) }
                        p .hint { "256 KiB at most. A field that is added needs a default, so that earlier records can be read." }
                    }
                    p { button .primary type="submit" { "Check" } }
                }
            }
        }
    }
}

#[derive(Debug, Deserialize)]
struct Pasted {
    subject: String,
    schema: String,
}

async fn check(
    State(app): State<App>,
    frame: Frame,
    Signed { form: pasted, .. }: Signed<Visitor, Pasted>,
) -> Result<Markup, Problem> {
    // Browsers send a form's lines with two characters at their ends; an editor counts one.
    let text = pasted.schema.replace("\r\n", "\n");
    let checked = view::check(&app, &pasted.subject, &text).await?;
    let subjects = view::subjects(&app)?;
    let subject = view::subject(&subjects, &pasted.subject)?;
    let body = html! {
        p .crumbs { a href="/schemas" { "Schemas" } }
        h1 { "Check against " (pasted.subject) }
        (checked::judged(&checked, &text))
        @if frame.may_act() && checked.is_green() && subject.contract.is_none() {
            (register(&app, &frame, subject, &text))
        }
        (form(&frame, Some(&subjects), Some(&pasted.subject), &text))
    };
    Ok(frame.page(&app, "schemas", "Check a schema", &body))
}

/// What registers a schema that was checked.
fn register(app: &App, frame: &Frame, subject: &Subject, text: &str) -> Markup {
    let action = format!("/api/v1/subjects/{}/versions", encoded(&subject.name));
    let next = subject.newest().map_or(1, |newest| newest.version + 1);
    html! {
        section .panel {
            header { h2 { "Register it" } }
            p {
                "It becomes v" (next) " of " (subject.name) ", which has " (subject.versions.len())
                @if subject.versions.len() == 1 { " version" } @else { " versions" }
                ". A version stays: it is never changed, and what is written with it can be read as long as it is there."
            }
            form .form method="post" action=(action) {
                input type="hidden" name="schema" value=(text);
                (act_fields(&app.access, &frame.visitor, &action))
                p { button .primary { "Register v" (next) } }
            }
        }
    }
}

/// Which versions, and how their difference is told.
#[derive(Debug, Deserialize)]
struct Shown {
    from: Option<i32>,
    to: Option<i32>,
    /// `meaning` or `text`.
    view: Option<String>,
}

async fn subject(
    State(app): State<App>,
    frame: Frame,
    Path(name): Path<String>,
    Query(shown): Query<Shown>,
) -> Result<Markup, Problem> {
    let subjects = view::subjects(&app)?;
    let subject = view::subject(&subjects, &name)?;
    let to = view::version(subject, shown.to)?;
    let from = match shown.from {
        Some(from) => Some(view::version(subject, Some(from))?),
        None => subject.before(to.version),
    };
    let new = view::known(&app, to.id).await?;
    let compared = match from {
        Some(from) => {
            let old = view::known(&app, from.id).await?;
            Some(view::compared(&subject.name, (from, &old), (to, &new)))
        }
        None => None,
    };
    let schema = view::schema(&subject.name, to, &new);
    let by_text = shown.view.as_deref() == Some("text");
    let body = html! {
        p .crumbs { a href="/schemas" { "Schemas" } }
        h1 { (subject.name) }
        (versions::about(subject, to))
        (versions::difference(subject, from, to, compared.as_ref(), by_text))
        (fields::table(&schema))
        (fields::text(&schema))
    };
    Ok(frame.page(&app, "schemas", &subject.name, &body))
}

/// A subject's own page.
fn address(subject: &str) -> String {
    format!("/schemas/{}", encoded(subject))
}
