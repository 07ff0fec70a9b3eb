//! Connections: how many, for how long, and how they end.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::access::Peer;

/// Open connections at most; further ones wait in the kernel's queue.
const CONNECTIONS: usize = 256;
/// How long a client may take to send the head of a request, and how long a connection without one stays
/// open.
const HEAD: Duration = Duration::from_secs(15);
/// What waits for a client, here and as much again in the kernel, and how large a request's head may be. What
/// waits cannot be replaced by what is newer: who reads slowly would be sent parts that are minutes old.
pub(super) const UNSENT_BYTES: u32 = 32 * 1024;
/// How long answers under way may take when the console ends.
const ENDING: Duration = Duration::from_millis(1_500);
/// How long nothing is accepted after the kernel refused, as where the process has no more descriptors.
const AFTER_REFUSAL: Duration = Duration::from_millis(200);

/// Answers until the token is cancelled; then idle connections close at once and answers under way have a
/// moment.
pub(super) async fn serve(listener: TcpListener, router: Router, stop: &CancellationToken) {
    let turns = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &turns) => accepted,
        };
        match accepted {
            Ok((stream, peer, turn)) => {
                connections.spawn(answer(stream, peer, router.clone(), stop.clone(), turn));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(AFTER_REFUSAL).await;
            }
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(ENDING, ended).await.is_err() {
        tracing::warn!("answers under way were cut off");
    }
}

async fn accept(
    listener: &TcpListener,
    turns: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, Peer, OwnedSemaphorePermit)> {
    let turn = Arc::clone(turns).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, address) = listener.accept().await?;
    Ok((stream, Peer(address.ip()), turn))
}

async fn answer(
    stream: TcpStream,
    peer: Peer,
    router: Router,
    stop: CancellationToken,
    _turn: OwnedSemaphorePermit,
) {
    // Small events are sent as they come.
    let _ = stream.set_nodelay(true);
    let service = router.map_request(move |request: axum::http::Request<_>| {
        let mut request: Request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(peer);
        request
    });
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(UNSENT_BYTES as usize);
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    tokio::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return said(ended),
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    said(connection.await);
}

fn said(ended: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = ended {
        tracing::debug!(error = &*error, "a connection ended");
    }
}
