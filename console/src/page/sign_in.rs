//! The pages of those who are not signed in: by name and password, by a link, and out again.

use axum::Router;
use axum::extract::{Form, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;

use super::plain;
use crate::access::{Attempt, Entry, Limited, Peer, Phase, Signed, Token, Visitor, local_path, token_field};
use crate::app::App;
use crate::problem::Problem;

/// Without a session.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/sign-in", get(form).post(sign_in))
        .route("/enter", get(link).post(enter))
        .route("/sign-out", post(sign_out))
}

/// The button that ends a session.
pub(crate) fn sign_out_form(visitor: &Visitor) -> Markup {
    html! {
        form method="post" action="/sign-out" {
            (token_field(visitor))
            button .quiet { "Sign out" }
        }
    }
}

#[derive(Deserialize)]
struct Asked {
    to: Option<String>,
}

async fn form(State(app): State<App>, parts: Parts, Query(asked): Query<Asked>) -> Response {
    let to = local_path(asked.to.as_deref());
    // Where it cannot be told whether somebody is signed in, the form is still there.
    if app.access.visitor(&parts).await.is_ok() {
        return Redirect::to(to).into_response();
    }
    draw(&parts.headers, to, "", None).into_response()
}

fn draw(headers: &HeaderMap, to: &str, name: &str, refused: Option<&str>) -> Markup {
    let body = html! {
        @if let Some(refused) = refused {
            p .notice.bad role="alert" { (refused) }
        }
        form method="post" action="/sign-in" {
            input type="hidden" name="to" value=(to);
            div .field {
                label for="name" { "Name" }
                input #name name="name" value=(name) required autocomplete="username" autocapitalize="none"
                    spellcheck="false" maxlength="32" autofocus[name.is_empty()];
            }
            div .field {
                label for="password" { "Password" }
                input #password name="password" type="password" required autocomplete="current-password"
                    maxlength="1024" autofocus[!name.is_empty()];
            }
            button .primary { "Sign in" }
        }
        details .more {
            summary { "No password?" }
            p { "On the machine of the stack, " code { "storepulse console link" } " prints a link that lets you in once." }
            p { code { "storepulse console user add NAME" } " makes a user with a password." }
        }
    };
    plain::page(plain::theme(headers), "Sign in", &html! {}, &body)
}

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
    to: Option<String>,
}

async fn sign_in(
    State(app): State<App>,
    peer: Peer,
    headers: HeaderMap,
    Form(sent): Form<Credentials>,
) -> Result<Response, Problem> {
    let to = local_path(sent.to.as_deref());
    let before = app.access.cookies().read(&headers);
    match app.access.sign_in(peer, &sent.name, sent.password, before.as_ref()).await? {
        Attempt::In(token) => Ok(entered(&app, &token, to)),
        Attempt::Refused => {
            let said = "The name or the password is wrong, or the user is disabled.";
            Ok((StatusCode::FORBIDDEN, draw(&headers, to, &sent.name, Some(said))).into_response())
        }
        Attempt::Limited(limited) => Ok(wait(limited, |said| draw(&headers, to, &sent.name, Some(said)))),
    }
}

fn wait(Limited { wait }: Limited, draw: impl FnOnce(&str) -> Markup) -> Response {
    let seconds = wait.as_secs() + 1;
    let said = format!("Too many attempts within a minute. Wait {seconds} s, then try again.");
    let retry = [(header::RETRY_AFTER, HeaderValue::from(seconds))];
    (StatusCode::TOO_MANY_REQUESTS, retry, draw(&said)).into_response()
}

fn entered(app: &App, token: &Token, to: &str) -> Response {
    (app.access.cookies().set(token).map(|cookie| [(header::SET_COOKIE, cookie)]), Redirect::to(to))
        .into_response()
}

#[derive(Deserialize)]
struct Ticket {
    ticket: Option<String>,
}

/// Asks for a click: what fetches a link to show a preview of it must not use it up.
async fn link(headers: HeaderMap, Query(sent): Query<Ticket>) -> Markup {
    draw_link(&headers, sent.ticket.as_deref().unwrap_or_default(), None)
}

fn draw_link(headers: &HeaderMap, ticket: &str, refused: Option<&str>) -> Markup {
    let body = html! {
        @match refused {
            Some(refused) => {
                p .notice.bad role="alert" { (refused) }
                p { code { "storepulse console link" } " prints a new one." }
                p { a href="/sign-in" { "Use name and password" } }
            }
            None => {
                p { "The link works once." }
                form method="post" action="/enter" {
                    input type="hidden" name="ticket" value=(ticket);
                    button .primary autofocus { "Enter" }
                }
            }
        }
    };
    plain::page(plain::theme(headers), "Control Center", &html! {}, &body)
}

async fn enter(
    State(app): State<App>,
    peer: Peer,
    headers: HeaderMap,
    Form(sent): Form<Ticket>,
) -> Result<Response, Problem> {
    let before = app.access.cookies().read(&headers);
    let ticket = sent.ticket.as_deref().unwrap_or_default();
    match app.access.enter(peer, ticket, before.as_ref()).await? {
        Attempt::In(token) => Ok(entered(&app, &token, "/")),
        Attempt::Refused => {
            let said = "The link was used before, is older than ten minutes, or is not whole.";
            Ok((StatusCode::FORBIDDEN, draw_link(&headers, "", Some(said))).into_response())
        }
        Attempt::Limited(limited) => Ok(wait(limited, |said| draw_link(&headers, "", Some(said)))),
    }
}

#[derive(Deserialize)]
struct Nothing {}

async fn sign_out(
    State(app): State<App>,
    Signed { by, form: Nothing {} }: Signed<Visitor, Nothing>,
) -> Response {
    let told = app.access.sign_out(&by).await;
    if told.is_err() {
        let entry = Entry::of(&by, "sign-out", Phase::Failed);
        app.access
            .audit_refusal(&Entry { detail: json!({ "why": "postgresql does not answer" }), ..entry })
            .await;
    }
    let cookie = app.access.cookies().clear().map(|cookie| [(header::SET_COOKIE, cookie)]);
    (cookie, Redirect::to("/sign-in")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_and_this_page_agree_on_what_the_address_to_go_back_to_is_called() {
        let mut sent = 0;
        for (name, script) in crate::assets::scripts() {
            for (at, path) in script.match_indices("/sign-in?") {
                let rest = script.get(at + path.len()..).unwrap_or_default();
                let parameter = rest.split_once('=').unwrap().0;
                let address = format!("/sign-in?{parameter}=%2Ftopics%3Fat%3Dnewest").parse().unwrap();
                let Query(asked) = Query::<Asked>::try_from_uri(&address).unwrap();
                assert_eq!(local_path(asked.to.as_deref()), "/topics?at=newest", "{name}");
                sent += 1;
            }
        }
        assert_eq!(sent, 2, "the streams of a page and of a topic's tail");
    }

    #[test]
    fn what_was_typed_is_escaped_and_one_label_names_each_field() {
        let drawn = draw(&HeaderMap::new(), "/\"><b>", "<script>", Some("no")).into_string();
        assert!(!drawn.contains("<script>") && !drawn.contains("\"><b>"), "{drawn}");
        assert_eq!(drawn.matches("<label").count(), 2);
    }
}
