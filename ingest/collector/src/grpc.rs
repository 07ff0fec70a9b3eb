//! The gRPC service. Messages come from `proto/`; reflection and health stand beside it.

pub(crate) mod codec;
mod message;
mod metered;
mod request;
/// What is generated from `proto/storepulse/collector/v1/collector.proto`.
#[allow(missing_docs, clippy::all, clippy::clone_on_ref_ptr, reason = "generated")]
pub mod proto {
    tonic::include_proto!("storepulse.collector.v1");

    pub use super::request::CollectRequest;

    /// The definition as reflection gives it.
    pub const DESCRIPTOR: &[u8] = tonic::include_file_descriptor_set!("collector");
}
mod status;

use std::sync::Arc;

use axum::http;
use futures::StreamExt;
use futures::stream::{BoxStream, unfold};
use tonic::body::Body;
use tonic::codec::CompressionEncoding;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Response, Status, Streaming};

use crate::gate::{Caller, Gate};
use crate::intake::{Intake, Pending, beside};
use crate::refusal::Refusal;
use prost::bytes::Bytes;
use proto::collector_server::{Collector, CollectorServer};
use proto::{CollectRequest, CollectResponse};

use metered::Metered;
use status::standard_code;
pub(crate) use status::standard_response;

/// Batches of one stream that wait for their commits at a time.
const PIPELINED: usize = 8;

/// The service, guarded by the gate.
pub(crate) fn service(intake: &Arc<Intake>) -> InterceptedService<CollectorServer<Service>, Guard> {
    let server = CollectorServer::new(Service(Arc::clone(intake)))
        .accept_compressed(CompressionEncoding::Gzip)
        .max_decoding_message_size(intake.limits.body_bytes);
    InterceptedService::new(server, Guard(intake.gate.clone()))
}

/// Lets calls in by their metadata, before anything of a message is read.
#[derive(Debug, Clone)]
pub(crate) struct Guard(Gate);

impl tonic::service::Interceptor for Guard {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let headers = request.metadata().clone().into_headers();
        let caller = self.0.admit(&headers)?;
        let caller = self.0.located(caller, &headers, request.remote_addr().map(|peer| peer.ip()));
        request.extensions_mut().insert(caller);
        Ok(request)
    }
}

/// Lets the body of a call be read only as far as its name has room for it; without a key it is refused
/// before any is read.
pub(crate) fn metered(gate: &Gate, request: http::Request<Body>) -> http::Request<Body> {
    match gate.share(request.headers()) {
        Some(share) => request.map(|body| Body::new(Metered::new(body, share))),
        None => request,
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Service(Arc<Intake>);

#[tonic::async_trait]
impl Collector for Service {
    async fn collect(&self, request: Request<CollectRequest>) -> Result<Response<CollectResponse>, Status> {
        let caller = caller(&request)?;
        let events = request.into_inner().events;
        let room = self.0.room(&caller, events.len(), size_bytes(&events))?;
        // The place among the requests is held until the answer.
        let (intake, sender) = (Arc::clone(&self.0), caller.clone());
        let judged = move || intake.judge(&sender, room, events.into_iter().map(request::event));
        let verdicts = beside(judged).await?.verdicts().await?;
        Ok(Response::new(verdicts.into()))
    }

    type CollectStreamStream = BoxStream<'static, Result<CollectResponse, Status>>;

    async fn collect_stream(
        &self,
        request: Request<Streaming<CollectRequest>>,
    ) -> Result<Response<Self::CollectStreamStream>, Status> {
        let caller = caller(&request)?;
        let reading = Reading { intake: Arc::clone(&self.0), caller, messages: request.into_inner() };
        // One after another into the queue; the answers of several may be outstanding.
        let pending = unfold(Some(reading), |reading| async {
            let mut reading = reading?;
            match reading.next().await {
                Ok(None) => None,
                Ok(Some(pending)) => Some((Ok(pending), Some(reading))),
                Err(status) => Some((Err(status), None)),
            }
        });
        let answers = pending
            .map(|pending| async { Ok(CollectResponse::from(pending?.verdicts().await?)) })
            .buffered(PIPELINED);
        Ok(Response::new(answers.boxed()))
    }
}

/// One side of a stream: messages into the queue.
struct Reading {
    intake: Arc<Intake>,
    caller: Caller,
    messages: Streaming<CollectRequest>,
}

impl Reading {
    /// Queues the next message, when there is room.
    async fn next(&mut self) -> Result<Option<Pending>, Status> {
        let idle_within = self.intake.limits.idle_within;
        let message = tokio::select! {
            biased;
            message = tokio::time::timeout(idle_within, self.messages.message()) => message,
            () = self.intake.stopping.cancelled() => return Err(Refusal::Stopping.into()),
            () = self.caller.key.revoked() => return Err(Refusal::Revoked.into()),
        };
        let message = message.map_err(|_| Refusal::Idle(idle_within))?.map_err(standard_code)?;
        let Some(CollectRequest { events }) = message else { return Ok(None) };
        let room = self.intake.room_later(&self.caller, events.len(), size_bytes(&events)).await?;
        let (intake, caller) = (Arc::clone(&self.intake), self.caller.clone());
        let judged = move || intake.judge(&caller, room, events.into_iter().map(request::event));
        let pending = beside(judged).await?;
        Ok(Some(pending))
    }
}

fn size_bytes(events: &[Bytes]) -> usize {
    events.iter().map(Bytes::len).sum()
}

/// Whom the guard let in.
fn caller<T>(request: &Request<T>) -> Result<Caller, Refusal> {
    request.extensions().get::<Caller>().cloned().ok_or(Refusal::Defect)
}
