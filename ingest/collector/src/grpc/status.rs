//! Refusals and verdicts as gRPC has them.

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::proto::{CollectResponse, Outcome, Verdict as Message};
use crate::refusal::Refusal;
use crate::verdict::Verdict;

/// Beside `google.rpc.RetryInfo`: what clients with a retry policy of gRPC's own heed.
const PUSHBACK: &str = "grpc-retry-pushback-ms";

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let (code, text) = (refusal.grpc_code(), refusal.to_string());
        let Some(wait) = refusal.retry_after() else { return Self::new(code, text) };
        let details = ErrorDetails::with_retry_info(Some(wait));
        let mut status = Self::with_error_details(code, text, details);
        if let Ok(wait_ms) = wait.as_millis().to_string().parse() {
            status.metadata_mut().insert(PUSHBACK, wait_ms);
        }
        status
    }
}

/// A message that is too large has one code, packed or not: gRPC's `RESOURCE_EXHAUSTED`, without a time to
/// retry after. Tonic has `OUT_OF_RANGE` for one that says so itself.
pub(crate) fn standard_code(status: Status) -> Status {
    if status.code() != Code::OutOfRange {
        return status;
    }
    Status::new(Code::ResourceExhausted, status.message())
}

/// [`standard_code`] for what tonic answers by itself, before a call gets to us.
pub(crate) fn standard_response<B>(mut response: axum::http::Response<B>) -> axum::http::Response<B> {
    if let Some(code) = response.headers_mut().get_mut(Status::GRPC_STATUS)
        && Code::from_bytes(code.as_bytes()) == Code::OutOfRange
    {
        *code = (Code::ResourceExhausted as i32).into();
    }
    response
}

impl From<Vec<Verdict>> for CollectResponse {
    fn from(verdicts: Vec<Verdict>) -> Self {
        Self { verdicts: verdicts.into_iter().map(Message::from).collect() }
    }
}

impl From<Verdict> for Message {
    fn from(verdict: Verdict) -> Self {
        let stored = |outcome: Outcome, event_id: uuid::Uuid| Self {
            outcome: outcome.into(),
            event_id: Some(event_id.to_string()),
            ..Self::default()
        };
        match verdict {
            Verdict::Accepted { event_id } => stored(Outcome::Accepted, event_id),
            Verdict::Repeated { event_id } => stored(Outcome::Repeated, event_id),
            Verdict::Ignored { reason } => {
                Self { outcome: Outcome::Ignored.into(), reason: Some(reason.to_owned()), ..Self::default() }
            }
            Verdict::Rejected { reason, field, detail } => Self {
                outcome: Outcome::Rejected.into(),
                event_id: None,
                reason: Some(reason.to_owned()),
                field: Some(field.to_owned()),
                detail: Some(detail),
            },
        }
    }
}
