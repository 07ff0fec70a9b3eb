//! The gate: who a request comes from, before any page or endpoint sees it.

use std::net::IpAddr;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::json;

use super::audit::{Entry, Phase};
use super::sessions::Pass;
use super::token::{self, Token};
use super::{Access, Guarded, Role, way_in};
use crate::problem::Problem;

/// Where scripts put the form's token when they send no form.
const FORM_TOKEN: &str = "x-form-token";

/// Somebody who is signed in.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    pub(crate) name: String,
    pub(crate) role: Role,
    pass: Pass,
    /// Bound to the session; programs with a key send no forms.
    form_token: Option<String>,
}

impl Visitor {
    pub(crate) fn pass(&self) -> &Pass {
        &self.pass
    }

    /// What every form of this session carries.
    pub(crate) fn form_token(&self) -> Option<&str> {
        self.form_token.as_deref()
    }

    /// Whether a form was made for this session.
    pub(super) fn made(&self, form_token: Option<&str>) -> bool {
        match (&self.form_token, form_token) {
            (Some(own), Some(sent)) => token::equal(own, sent),
            _ => false,
        }
    }

    /// Somebody, where nobody signs in.
    #[cfg(test)]
    #[allow(dead_code, reason = "for tests of pages that show actions to operators alone")]
    pub(crate) fn of_test(name: &str, role: Role) -> Self {
        Self { name: name.into(), role, pass: Pass::of_session([0; 32]), form_token: Some("0".repeat(64)) }
    }
}

/// Somebody who may act: a handler that asks for it cannot be reached by anybody else.
#[derive(Debug, Clone)]
pub(crate) struct Operator(pub(crate) Visitor);

impl std::ops::Deref for Operator {
    type Target = Visitor;

    fn deref(&self) -> &Visitor {
        &self.0
    }
}

/// What somebody who is signed in may be taken for.
pub(crate) trait Right: Sized {
    fn of(visitor: Visitor) -> Result<Self, Visitor>;
}

impl Right for Visitor {
    fn of(visitor: Visitor) -> Result<Self, Visitor> {
        Ok(visitor)
    }
}

impl Right for Operator {
    fn of(visitor: Visitor) -> Result<Self, Visitor> {
        if visitor.role == Role::Operator { Ok(Self(visitor)) } else { Err(visitor) }
    }
}

/// The address of the connection's other end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

impl<S: Guarded> FromRequestParts<S> for Peer {
    type Rejection = std::convert::Infallible;

    /// Behind a proxy it is the one that the proxy added last: what stands before it was sent by anybody.
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let connected = parts.extensions.get::<Self>().copied();
        let forwarded = || {
            let last = parts.headers.get_all("x-forwarded-for").iter().next_back()?;
            last.to_str().ok()?.rsplit(',').next()?.trim().parse().ok().map(Self)
        };
        let told = if state.access().behind_proxy() { forwarded() } else { None };
        Ok(told.or(connected).unwrap_or(Self(IpAddr::from([0, 0, 0, 0]))))
    }
}

/// Why somebody is not let through.
pub(crate) enum Refusal {
    SignIn,
    Problem(Problem),
}

impl Access {
    /// Who a request comes from.
    pub(crate) async fn visitor(&self, parts: &Parts) -> Result<Visitor, Refusal> {
        if let Some(bearer) = bearer(&parts.headers) {
            if !path_of(parts).starts_with("/api/v1/") {
                return Err(Refusal::SignIn);
            }
            if !is_safe(&parts.method) {
                let detail = "A key reads and does nothing else. Sign in to act.";
                return Err(Refusal::Problem(Problem::not_allowed(detail)));
            }
            let key = Token::sent(bearer).ok_or(Refusal::SignIn)?;
            return self.known(Pass::of_key(key.digest()), None).await;
        }
        let token = self.cookies.read(&parts.headers).ok_or(Refusal::SignIn)?;
        self.known(Pass::of_session(token.digest()), Some(token.form_token())).await
    }

    async fn known(&self, pass: Pass, form_token: Option<String>) -> Result<Visitor, Refusal> {
        match self.sessions.check(&self.pool, &pass).await {
            Ok(Some(known)) => Ok(Visitor { name: known.name, role: known.role, pass, form_token }),
            Ok(None) => Err(Refusal::SignIn),
            Err(problem) => Err(Refusal::Problem(problem)),
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, credentials) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| credentials.trim())
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// The path as the gate saw it: nested routers see a shorter one.
#[derive(Debug, Clone)]
struct Asked(String);

pub(super) fn path_of(parts: &Parts) -> &str {
    parts.extensions.get::<Asked>().map_or_else(|| parts.uri.path(), |asked| &asked.0)
}

/// Lets those through who are signed in, and sends the others to where they can be.
pub(crate) async fn gate<S: Guarded>(State(state): State<S>, request: Request, next: Next) -> Response {
    let access = state.access();
    let (mut parts, body) = request.into_parts();
    let refusal = match access.visitor(&parts).await {
        Ok(visitor) => {
            let asked = Asked(parts.uri.path().to_owned());
            parts.extensions.insert(asked);
            parts.extensions.insert(visitor);
            return next.run(Request::from_parts(parts, body)).await;
        }
        Err(refusal) => refusal,
    };
    if !is_safe(&parts.method) {
        let why = match &refusal {
            Refusal::SignIn => "not signed in",
            Refusal::Problem(_) => "not allowed",
        };
        let target = target(&parts);
        let entry = Entry::of_stranger("", "request", Phase::Refused, json!({ "why": why }));
        access.audit_refusal(&Entry { target: &target, ..entry }).await;
    }
    match refusal {
        Refusal::SignIn => to_sign_in(access, &parts),
        Refusal::Problem(problem) => problem.into_response(),
    }
}

fn target(parts: &Parts) -> String {
    let path: String = path_of(parts).chars().take(200).collect();
    format!("{} {path}", parts.method)
}

fn to_sign_in(access: &Access, parts: &Parts) -> Response {
    let path = path_of(parts);
    if path.starts_with("/api/") || path == "/events" {
        return ([(header::WWW_AUTHENTICATE, "Bearer")], Problem::sign_in()).into_response();
    }
    if !is_safe(&parts.method) {
        return Redirect::to("/sign-in").into_response();
    }
    let here = parts.uri.path_and_query().map_or("/", |here| here.as_str());
    // A strict cookie is not sent where a link of another site leads here, as one in a chat: the page asks
    // for itself once more.
    let says = |name: &str, word: &str| parts.headers.get(name).is_some_and(|value| value == word);
    let followed = says("sec-fetch-site", "cross-site") && says("sec-fetch-mode", "navigate");
    if followed && access.cookies().read(&parts.headers).is_none() {
        return way_in::once_more(here).into_response();
    }
    Redirect::to(&way_in::address(here)).into_response()
}

/// Who it is by what the gate found, or by asking where a route stands beside the gate.
pub(crate) async fn admitted(parts: &Parts, access: &Access) -> Result<Visitor, Problem> {
    if let Some(visitor) = parts.extensions.get::<Visitor>() {
        return Ok(visitor.clone());
    }
    access.visitor(parts).await.map_err(|refusal| match refusal {
        Refusal::SignIn => Problem::sign_in(),
        Refusal::Problem(problem) => problem,
    })
}

/// Takes somebody for what a handler needs; who is not is written down.
pub(super) async fn entitled<W: Right>(
    visitor: Visitor,
    parts: &Parts,
    access: &Access,
) -> Result<W, Problem> {
    match W::of(visitor) {
        Ok(entitled) => Ok(entitled),
        Err(visitor) => {
            let target = target(parts);
            let entry = Entry::of(&visitor, "request", Phase::Refused);
            let detail = json!({ "why": "operators alone" });
            access.audit_refusal(&Entry { target: &target, detail, ..entry }).await;
            Err(Problem::not_allowed("Operators alone may do this. Ask one, or sign in as one."))
        }
    }
}

/// Refuses a form that was made for another session or none.
pub(super) async fn forged(visitor: &Visitor, parts: &Parts, access: &Access) -> Problem {
    refused_form(visitor, parts, access, "not a form of this session").await
}

/// Refuses a form, and writes down why.
pub(super) async fn refused_form(
    visitor: &Visitor,
    parts: &Parts,
    access: &Access,
    why: &'static str,
) -> Problem {
    let target = target(parts);
    let entry = Entry::of(visitor, "request", Phase::Refused);
    access.audit_refusal(&Entry { target: &target, detail: json!({ "why": why }), ..entry }).await;
    Problem::not_same_origin(format!(
        "It was not taken: {why}. Load the form's page again, and send it from there."
    ))
}

async fn without_form<W: Right>(parts: &Parts, access: &Access) -> Result<W, Problem> {
    let visitor = admitted(parts, access).await?;
    if !is_safe(&parts.method) {
        let sent = parts.headers.get(FORM_TOKEN).and_then(|value| value.to_str().ok());
        if !visitor.made(sent) {
            return Err(forged(&visitor, parts, access).await);
        }
    }
    entitled(visitor, parts, access).await
}

impl<S: Guarded> FromRequestParts<S> for Visitor {
    type Rejection = Problem;

    /// Where something is changed without a form, its token stands in `X-Form-Token`; forms are taken by
    /// [`super::Signed`].
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        without_form(parts, state.access()).await
    }
}

impl<S: Guarded> FromRequestParts<S> for Operator {
    type Rejection = Problem;

    /// As [`Visitor`]'s.
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        without_form(parts, state.access()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_viewer_is_no_operator() {
        assert!(Operator::of(Visitor::of_test("ana", Role::Viewer)).is_err());
        assert_eq!(Operator::of(Visitor::of_test("ben", Role::Operator)).unwrap().name, "ben");
    }

    #[test]
    fn a_form_is_of_one_session() {
        let visitor = Visitor::of_test("ana", Role::Viewer);
        assert!(visitor.made(visitor.form_token()));
        assert!(!visitor.made(Some("1")) && !visitor.made(None));
        let program = Visitor { form_token: None, ..visitor };
        assert!(!program.made(None) && !program.made(Some("")));
    }

    #[test]
    fn a_bearer_is_read_whatever_the_case_of_its_scheme() {
        let of = |value: &str| {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]);
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(of("bearer abc").as_deref(), Some("abc"));
        assert_eq!(of("Basic abc"), None);
        assert_eq!(of("abc"), None);
    }
}
