use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use contracts::secret::Address;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use super::API_VERSION;
use super::error::{ApiError, FetchError};
use super::page::{Page, error_message, excerpt};
use super::request::PageRequest;
use super::retry::RetryPolicy;

/// 5,000 full users are about 5.4 MB; three times that is no page any more.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Which server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// randomuser.me itself, through the system's proxy where there is one.
    Public,
    /// A server of this machine, never through a proxy: `http://127.0.0.1:port`.
    Local(Address),
}

impl Endpoint {
    fn url(&self) -> String {
        let root = match self {
            Self::Public => "https://randomuser.me",
            Self::Local(root) => root.trim_end_matches('/'),
        };
        format!("{root}/api/{API_VERSION}/")
    }
}

/// Fetches pages of users.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    url: Address,
    call_timeout: Duration,
    retry: RetryPolicy,
}

impl Client {
    /// A client with a time limit for each single call.
    ///
    /// # Errors
    /// When the HTTP client cannot be set up.
    pub fn new(endpoint: &Endpoint, call_timeout: Duration, retry: RetryPolicy) -> Result<Self, ApiError> {
        // An error says that one is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("storepulse/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT.min(call_timeout));
        if let Endpoint::Local(_) = endpoint {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(ApiError::Setup)?;
        Ok(Self { http, url: endpoint.url().into(), call_timeout, retry })
    }

    /// Fetches a page, trying again where that may help.
    ///
    /// # Errors
    /// The last failure, with the number of tries.
    pub async fn fetch(&self, request: &PageRequest, ingested_at: DateTime<Utc>) -> Result<Page, FetchError> {
        let started = Instant::now();
        let mut attempts = 0;
        loop {
            attempts += 1;
            let left = self.retry.deadline.saturating_sub(started.elapsed());
            let last = match self.call(request, ingested_at, left).await {
                Ok(page) => return Ok(page),
                Err(error) => error,
            };
            let elapsed = started.elapsed();
            let Some(pause) = self.retry.pause(&last, attempts, elapsed) else {
                return Err(FetchError { page: request.page(), attempts, elapsed, last });
            };
            tracing::warn!(
                page = request.page(),
                attempts,
                pause_ms = pause.as_millis(),
                error = &last as &dyn std::error::Error,
                "users api failed, trying again"
            );
            tokio::time::sleep(pause).await;
        }
    }

    /// One call.
    async fn call(
        &self,
        request: &PageRequest,
        ingested_at: DateTime<Utc>,
        left: Duration,
    ) -> Result<Page, ApiError> {
        // The deadline over all tries holds for the call under way too.
        let call =
            self.http.get(self.url.as_str()).query(&request.query()).timeout(self.call_timeout.min(left));
        let mut response = call.send().await.map_err(transport)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(transport)? {
            if body.len() + chunk.len() > MAX_BODY_BYTES {
                return Err(ApiError::TooLarge { limit_bytes: MAX_BODY_BYTES });
            }
            body.extend_from_slice(&chunk);
        }
        judge_status(status, &headers, &body)?;
        Page::parse(request, &body, ingested_at)
    }
}

/// Everything but 200 is a failure, and what kind decides whether to try again.
fn judge_status(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Result<(), ApiError> {
    if status == StatusCode::OK {
        return Ok(());
    }
    let retry_after = retry_after(headers);
    let code = status.as_u16();
    let message = error_message(body);
    // Older deployments limited the rate with 503 and the same body.
    Err(match (status, message) {
        (StatusCode::TOO_MANY_REQUESTS, message) => ApiError::RateLimited {
            status: code,
            message: message.unwrap_or_else(|| excerpt(body)),
            retry_after,
        },
        (StatusCode::SERVICE_UNAVAILABLE, Some(message)) => {
            ApiError::RateLimited { status: code, message, retry_after }
        }
        (_, Some(message)) => ApiError::Service { status: code, message },
        (status, None) if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => {
            ApiError::Unavailable { status: code, retry_after, excerpt: excerpt(body) }
        }
        (_, None) => ApiError::Refused { status: code, excerpt: excerpt(body) },
    })
}

/// `Retry-After` in seconds; the form with a date is not used by this API and is passed over.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u32 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(u64::from(seconds)))
}

fn transport(error: reqwest::Error) -> ApiError {
    // A connection attempt that timed out is both; that it never connected says more.
    if error.is_connect() {
        ApiError::Connect(error.without_url())
    } else if error.is_timeout() {
        ApiError::Timeout(error.without_url())
    } else {
        ApiError::Transport(error.without_url())
    }
}
