//! Who comes in over HTTP, and what a page of another origin is told (the CORS protocol of the Fetch
//! standard).
//!
//! A preflight carries no key, so it is answered for the origins of all keys. The request after it is judged
//! by its own key, and only a page of that key's origins may read the answer. tower-http's `CorsLayer` does
//! not fit: to a page of any origin it tells the methods, the headers and the age of a preflight, and it
//! answers `OPTIONS` of every path before anybody looks at it.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ALLOW, HeaderMap,
    HeaderName, HeaderValue, ORIGIN, VARY,
};
use axum::http::{StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;

use super::problem;
use crate::connections::Peer;
use crate::gate::{Caller, Gate, presented};
use crate::intake::Intake;
use crate::keys::Key;
use crate::refusal::Refusal;

/// The headers of a page's request; the last two are those of Segment's and RudderStack's SDKs.
const HEADERS: &str = "authorization, content-type, content-encoding, x-retry-count, anonymousid";

/// What an answer to a preflight holds beside the origin. Browsers keep it for two hours at most.
const PREFLIGHT: [(HeaderName, HeaderValue); 3] = [
    (ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST")),
    (ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(HEADERS)),
    (ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("7200")),
];

/// The field of an address in which a key may stand.
#[derive(Debug, Clone, Copy)]
pub(super) struct QueryKey {
    pub(super) name: &'static str,
    /// Whether a server's key may stand there, which proxies log.
    pub(super) of_servers: bool,
}

impl QueryKey {
    /// Keys have no characters that are escaped.
    fn of(self, uri: &Uri) -> Option<&str> {
        let pairs = uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find(|(name, _)| *name == self.name).map(|(_, key)| key)
    }
}

#[derive(Debug, Clone)]
struct Door {
    gate: Gate,
    query_key: QueryKey,
}

/// Lets requests in by their key, which handlers find as a [`Caller`](crate::gate::Caller), and answers
/// preflights.
pub(super) fn guarded(
    handlers: MethodRouter<Arc<Intake>>,
    intake: &Intake,
    query_key: QueryKey,
) -> MethodRouter<Arc<Intake>> {
    let door = Door { gate: intake.gate.clone(), query_key };
    handlers.route_layer(from_fn_with_state(door, pass)).options(preflight)
}

async fn pass(State(door): State<Door>, mut request: Request, next: Next) -> Response {
    let origin = request.headers().get(ORIGIN).cloned();
    let (key, share) = match door.gate.key(door.presented(request.headers(), request.uri())) {
        Ok(known) => known,
        Err(refusal) => return varying(refusal.into_response()),
    };
    let is_allowed = origin.as_ref().is_some_and(|origin| key.allows(origin.as_bytes()));
    let entered = door.judge(&key, request.headers());
    let mut response = match entered.and_then(|()| door.gate.enter(key, share)) {
        Ok(caller) => {
            let caller = door.gate.located(caller, request.headers(), peer(&request));
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refusal) => refusal.into_response(),
    };
    if let Some(origin) = origin.filter(|_| is_allowed) {
        allow(&mut response, origin);
    }
    varying(response)
}

impl Door {
    fn presented<'a>(&self, headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
        presented(headers).or_else(|| self.query_key.of(uri))
    }

    /// Judges how a key is used.
    fn judge(&self, key: &Key, headers: &HeaderMap) -> Result<(), Refusal> {
        self.gate.check_origin(key, headers.get(ORIGIN))?;
        if key.is_browsers() || self.query_key.of_servers || presented(headers).is_some() {
            return Ok(());
        }
        Err(self.gate.refuse(Refusal::KeyInQuery, key))
    }
}

/// What of a request decides whether it comes in, where the key may stand in the body.
#[derive(Debug)]
pub(super) struct Head {
    headers: HeaderMap,
    peer: Option<IpAddr>,
}

impl Head {
    pub(super) fn of(request: &Request) -> Self {
        Self { headers: request.headers().clone(), peer: peer(request) }
    }

    /// Lets the request in by its key.
    pub(super) fn admit(&self, gate: &Gate, presented: Option<&str>) -> Result<Caller, Refusal> {
        let (key, share) = gate.key(presented)?;
        gate.check_origin(&key, self.headers.get(ORIGIN))?;
        Ok(gate.located(gate.enter(key, share)?, &self.headers, self.peer))
    }

    /// Lets a page of an origin that may send with some key read the answer, which holds nothing but whether
    /// it was taken.
    pub(super) fn answer(&self, gate: &Gate, mut response: Response) -> Response {
        if let Some(origin) = self.headers.get(ORIGIN).filter(|origin| gate.any_allows(origin.as_bytes())) {
            allow(&mut response, origin.clone());
        }
        varying(response)
    }
}

fn peer(request: &Request) -> Option<IpAddr> {
    request.extensions().get::<ConnectInfo<Peer>>().map(|peer| peer.0.0.ip())
}

fn allow(response: &mut Response, origin: HeaderValue) {
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("retry-after"));
}

/// Answers `OPTIONS`: a preflight of a page of an origin that may send with some key, or what methods there
/// are.
pub(super) async fn preflight(State(intake): State<Arc<Intake>>, request: Request) -> Response {
    let headers = request.headers();
    let Some(origin) = headers.get(ORIGIN).filter(|_| headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD))
    else {
        return (StatusCode::NO_CONTENT, [(ALLOW, "POST, OPTIONS")]).into_response();
    };
    if !intake.gate.any_allows(origin.as_bytes()) {
        return varying(problem::response(StatusCode::FORBIDDEN, "no key is for pages of this origin", None));
    }
    let allowed = (StatusCode::NO_CONTENT, PREFLIGHT, [(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone())]);
    varying(allowed.into_response())
}

/// A cache must not hand the answer for one origin to another.
fn varying(mut response: Response) -> Response {
    response.headers_mut().append(VARY, HeaderValue::from_name(ORIGIN));
    response
}
