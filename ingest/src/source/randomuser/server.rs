//! A local server that speaks the API's own JSON (version 1.4): the product's simulated source of users.
//!
//! It keeps the documented behaviour, awkward parts included: the same seed, page and filter give the same
//! users; a page reseeds, so page 2 continues nothing; fewer results are a prefix of more; `gender` is
//! ignored beside a seed; a number of results out of range becomes 1; one unknown nationality drops the
//! filter; of a repeated parameter the last one counts; postcodes are integers or text by nationality,
//! coordinates are strings and ages move with the day. Passwords and their hashes are left out of `login`.
//!
//! [`Fault`]s make the next answers go wrong, each in a way that the API has gone wrong.

mod faults;
mod nations;
mod people;

use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use faults::Fault;
use faults::Faults;
use people::People;

use super::request::{MAX_PAGE, MAX_RESULTS, NATIONALITIES};
use super::{API_VERSION, Endpoint};
use crate::clock::Clock;

/// A running server; it stops when this is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    faults: Faults,
    stop: CancellationToken,
}

#[derive(Clone)]
struct Shared {
    faults: Faults,
    clock: Clock,
    stop: CancellationToken,
}

impl Server {
    /// Starts on a free port of 127.0.0.1. Ages are those of the clock's day.
    ///
    /// # Errors
    /// When no port can be opened.
    pub async fn start(clock: Clock) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let faults = Faults::default();
        let shared = Shared { faults: faults.clone(), clock, stop: stop.clone() };
        let router = Router::new().fallback(answer).with_state(shared);
        let stopped = stop.clone();
        tokio::spawn(async move {
            let serving = axum::serve(listener, router);
            if let Err(error) = serving.with_graceful_shutdown(stopped.cancelled_owned()).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "simulated users api ended");
            }
        });
        Ok(Self { address, faults, stop })
    }

    /// Where it is.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::Local(format!("http://{}", self.address).into())
    }

    /// Lets the next answers go wrong, one fault each, in this order.
    pub fn inject(&self, faults: impl IntoIterator<Item = Fault>) {
        self.faults.add(faults);
    }

    /// How many requests have come in.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.faults.requests()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The parameters as the API understands them.
struct Asked {
    results: u32,
    page: u32,
    seed: String,
    seeded: bool,
    gender: Option<bool>,
    nats: Vec<&'static str>,
    fields: Vec<&'static str>,
    pretty: bool,
    info: bool,
}

const FIELDS: [&str; 12] = [
    "gender",
    "name",
    "location",
    "email",
    "login",
    "registered",
    "dob",
    "phone",
    "cell",
    "id",
    "picture",
    "nat",
];

impl Asked {
    fn read(parameters: &[(String, String)]) -> Self {
        let last = |name: &str| {
            parameters.iter().rev().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
        };
        let number = |name, range: std::ops::RangeInclusive<u32>| {
            last(name).and_then(|value| value.parse().ok()).filter(|n| range.contains(n)).unwrap_or(1)
        };
        let named = |list: &str| -> Vec<&'static str> {
            let wanted: Vec<String> = list.split(',').map(|name| name.trim().to_lowercase()).collect();
            FIELDS.iter().copied().filter(|field| wanted.iter().any(|name| name == field)).collect()
        };
        let fields = match (last("inc"), last("exc")) {
            (Some(list), _) => named(list),
            (None, Some(list)) => {
                let without = named(list);
                FIELDS.iter().copied().filter(|field| !without.contains(field)).collect()
            }
            (None, None) => FIELDS.to_vec(),
        };
        let given_seed = last("seed").filter(|seed| !seed.is_empty());
        let gender = match last("gender") {
            _ if given_seed.is_some() => None,
            Some("male") => Some(false),
            Some("female") => Some(true),
            _ => None,
        };
        Self {
            results: number("results", 1..=MAX_RESULTS),
            page: number("page", 1..=MAX_PAGE),
            seed: given_seed.map_or_else(|| format!("{:016x}", rand::random::<u64>()), str::to_owned),
            seeded: given_seed.is_some(),
            gender,
            nats: known_nationalities(last("nat")),
            fields,
            pretty: matches!(last("format").or_else(|| last("fmt")), Some("pretty" | "PrettyJSON")),
            info: last("noinfo").is_none(),
        }
    }
}

/// The filter; one unknown code drops all of it.
fn known_nationalities(list: Option<&str>) -> Vec<&'static str> {
    let Some(list) = list else { return Vec::new() };
    let known = |code: &str| NATIONALITIES.iter().copied().find(|nat| nat.eq_ignore_ascii_case(code.trim()));
    list.split(',').map(known).collect::<Option<Vec<_>>>().unwrap_or_default()
}

async fn answer(
    State(shared): State<Shared>,
    uri: Uri,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Response {
    let version = uri.path().trim_matches('/').strip_prefix("api").map(|rest| rest.trim_matches('/'));
    if !matches!(version, Some("" | API_VERSION)) {
        return (StatusCode::NOT_FOUND, "Unknown version").into_response();
    }
    let asked = Asked::read(&parameters);
    let fault = shared.faults.next();
    if let Some(answered) = faults::instead_of_an_answer(fault.as_ref(), asked.results, &shared.stop).await {
        return answered;
    }
    let page = faults::spoil_page(fault.as_ref(), page(&asked, &shared.clock));
    let text = if asked.pretty { serde_json::to_string_pretty(&page) } else { serde_json::to_string(&page) };
    match text {
        Ok(text) => {
            let body = faults::spoil_body(fault.as_ref(), text);
            ([(header::CONTENT_TYPE, "application/json; charset=utf-8")], body).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

fn page(asked: &Asked, clock: &Clock) -> Value {
    let mut people =
        People::new(&asked.seed, asked.page, &asked.nats, asked.gender, clock.now().date_naive());
    let results: Vec<Value> = (0..asked.results)
        .map(|_| {
            let person = people.next();
            let kept: Map<String, Value> =
                person.into_iter().filter(|(field, _)| asked.fields.contains(&field.as_str())).collect();
            Value::Object(kept)
        })
        .collect();
    if !asked.info {
        return json!({ "results": results });
    }
    tracing::debug!(
        results = asked.results,
        page = asked.page,
        seeded = asked.seeded,
        "simulated users given"
    );
    json!({
        "results": results,
        "info": { "seed": asked.seed, "results": asked.results, "page": asked.page, "version": API_VERSION },
    })
}
