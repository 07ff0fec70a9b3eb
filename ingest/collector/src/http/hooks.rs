//! Webhooks over HTTP. What becomes of them is in [`crate::hooks`].

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderMap};
use axum::routing::post;

use super::{declared_bytes, read};
use crate::gate::Caller;
use crate::hooks::{Head, System};
use crate::intake::{Intake, beside};
use crate::openapi::HOOKS_PATH;
use crate::refusal::Refusal;

/// A shop waits seconds for its answer, and its orders are small.
const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;
/// WooCommerce asks with so little whether anybody is there.
const MAX_PING_BYTES: usize = 64;

pub(super) fn routes() -> Router<Arc<Intake>> {
    System::ALL.into_iter().fold(Router::new(), |router, system| {
        let take = move |state, path, request| collect(system, state, path, request);
        router.route(&format!("{HOOKS_PATH}/{}/{{name}}", system.name()), post(take))
    })
}

async fn collect(
    system: System,
    State(intake): State<Arc<Intake>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<StatusCode, Refusal> {
    let headers = request.headers().clone();
    let hooks = intake.gate.hooks.of(system, &name);
    let Some((key, share)) =
        hooks.first().and_then(|hook| Some((Arc::clone(&hook.key), hook.share.clone()?)))
    else {
        return Err(intake.gate.refuse_hook(Refusal::UnknownHook, ""));
    };
    let caller = intake.gate.enter(key, share)?;
    let room = caller.share.bytes_within(declared_bytes(&request), intake.limits.body_within).await?;
    let body = read(&intake, request, intake.limits.body_bytes.min(MAX_BODY_BYTES)).await?;
    if system == System::Woocommerce && is_ping(&headers, &body) {
        return Ok(StatusCode::OK);
    }
    let [signature, ..] = system.headers();
    let refusal = match text(&headers, signature) {
        None => Some(Refusal::NoSignature),
        Some(signature) if hooks.iter().any(|hook| hook.has_signed(signature, &body)) => None,
        Some(_) => Some(Refusal::WrongSignature),
    };
    if let Some(refusal) = refusal {
        return Err(intake.gate.refuse_hook(refusal, &name));
    }
    let (sender, taking): (Caller, _) = (caller.clone(), Arc::clone(&intake));
    let judged = move || {
        let [_, topic, id] = system.headers();
        let head = Head {
            at: taking.now(),
            shop: &name,
            topic: text(&headers, topic).unwrap_or_default(),
            id: text(&headers, id),
            triggered_at: text(&headers, "x-shopify-triggered-at"),
        };
        let delivery = system.translate(&body, &head);
        let room = taking.room(&sender, delivery.len(), body.len())?;
        taking.judge_delivery(&sender, room, delivery)
    };
    beside(judged).await?.verdicts().await?;
    drop(room);
    Ok(StatusCode::OK)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// What WooCommerce sends when a webhook is made: a form with the webhook's number, which is not signed.
fn is_ping(headers: &HeaderMap, body: &[u8]) -> bool {
    let is_form =
        text(headers, CONTENT_TYPE.as_str()).is_some_and(|told| told.starts_with("application/x-www-form"));
    let number = body.strip_prefix(b"webhook_id=");
    is_form
        && body.len() <= MAX_PING_BYTES
        && number.is_some_and(|number| number.iter().all(u8::is_ascii_digit))
}
