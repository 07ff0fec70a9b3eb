//! GA4's Measurement Protocol over HTTP. What becomes of its events is in [`crate::ga4`].

use std::sync::Arc;

use axum::extract::{Extension, Request, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde::Serialize;

use super::door::{self, QueryKey};
use super::{declared_bytes, read};
use crate::ga4::{self, Message};
use crate::gate::Caller;
use crate::intake::{Intake, beside};
use crate::item::Item;
use crate::openapi::{GA4_DEBUG_PATH, GA4_PATH};
use crate::refusal::Refusal;

/// Where the protocol has its key, a server's too: its clients can put it nowhere else.
const API_SECRET: QueryKey = QueryKey { name: "api_secret", of_servers: true };

/// Bytes of a request, as Google has it.
const MAX_BODY_BYTES: usize = 130 * 1024;

pub(super) fn routes(intake: &Intake) -> Router<Arc<Intake>> {
    Router::new()
        .route(GA4_PATH, door::guarded(post(collect), intake, API_SECRET))
        .route(GA4_DEBUG_PATH, door::guarded(post(validate), intake, API_SECRET))
}

/// How large a body may be: in memory it takes many times as much.
fn limit_bytes(intake: &Intake) -> usize {
    intake.limits.body_bytes.min(MAX_BODY_BYTES)
}

/// What is wrong with a request, as Google tells it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Validated {
    validation_messages: Vec<Message>,
}

/// Stores a request. Its sender hears nothing of its events, as with Google: those that are refused are in
/// quarantine.
async fn collect(
    State(intake): State<Arc<Intake>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<StatusCode, Refusal> {
    let room = caller.share.bytes_within(declared_bytes(&request), intake.limits.body_within).await?;
    let body = read(&intake, request, limit_bytes(&intake)).await?;
    let sender = caller.clone();
    let judged = move || {
        let request = ga4::Request::read(&body, &sender.source, intake.now())?;
        let items: Vec<Item> = request.items().into_iter().map(|(_, item)| item).collect();
        let events = items.iter().map(Item::len).sum();
        let room = intake.room(&sender, events, body.len())?;
        intake.judge_items(&sender, room, items)
    };
    beside(judged).await?.verdicts().await?;
    drop(room);
    Ok(StatusCode::NO_CONTENT)
}

/// Says what is wrong with a request, and stores nothing.
async fn validate(
    State(intake): State<Arc<Intake>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Json<Validated>, Refusal> {
    let room = caller.share.bytes_within(declared_bytes(&request), intake.limits.body_within).await?;
    let query = request.uri().query().unwrap_or_default().to_owned();
    let body = read(&intake, request, limit_bytes(&intake)).await?;
    let judged = move || {
        let now = intake.now();
        let mut validation_messages = ga4::messages(&body, &query, now);
        // Too many events are a finding here, and no fault of the request.
        if let Ok(request) = ga4::Request::read(&body, &caller.source, now) {
            let items = request.items();
            let events = items.iter().map(|(_, item)| item.len()).sum();
            let _room = intake.room(&caller, events, body.len())?;
            for (place, item) in &items {
                for rejection in intake.rejections(&caller, item) {
                    let message =
                        ga4::Request::message(*place, rejection.reason, rejection.field, &rejection.detail);
                    let is_told = |known: &Message| known.field_path == message.field_path;
                    if !validation_messages.iter().any(is_told) {
                        validation_messages.push(message);
                    }
                }
            }
        }
        Ok(Json(Validated { validation_messages }))
    };
    let answer = beside(judged).await?;
    drop(room);
    Ok(answer)
}
