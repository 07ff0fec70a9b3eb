//! Why a request is refused as a whole: nothing of it is acknowledged.

use std::time::Duration;

use axum::http::StatusCode;

/// The cause, which decides the status in both protocols.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// No key, or an unknown one; which of the two is not told.
    #[error("an API key is needed, as in `authorization: Bearer <key>`")]
    Unauthenticated,
    /// Its key was revoked after it had come in.
    #[error("the API key was revoked")]
    Revoked,
    /// Its key is a browser's, and it has no `Origin`.
    #[error("the key is for browsers, which send an `Origin`: use a server's key, made without --origin")]
    NoOrigin,
    /// Its key is a browser's, and its page is of none of the key's origins.
    #[error(
        "the key is for pages of other origins: make one with `storepulse collect key <name> --origin <origin>`"
    )]
    WrongOrigin,
    /// Its key is a server's, and stands where proxies log it.
    #[error(
        "a server's key in an address ends in logs: send it as `authorization: Bearer <key>`, and replace it"
    )]
    KeyInQuery,
    /// It is a webhook of a name without a secret.
    #[error(
        "no secret of a webhook of this name and shop system is known: add a line to the --webhooks file"
    )]
    UnknownHook,
    /// It is a webhook without a signature.
    #[error("a webhook is signed with its secret, and this one has no signature")]
    NoSignature,
    /// It is a webhook that its secret did not sign.
    #[error("the signature is not that of the body by the secret of this webhook")]
    WrongSignature,
    /// It cannot be read.
    #[error("the request cannot be read: {0}")]
    Malformed(String),
    /// It is not of a type that is read here.
    #[error("the content type must be application/json or text/plain")]
    ContentType,
    /// It has more bytes than are read.
    #[error("the request has more than {limit_bytes} bytes; send smaller batches")]
    TooLarge {
        /// How many are read.
        limit_bytes: usize,
    },
    /// It has more events than fit into a commit.
    #[error("the request has more than {limit} events; send smaller batches")]
    TooManyEvents {
        /// How many it may have.
        limit: usize,
    },
    /// Its body came too slowly.
    #[error("the body did not arrive within {} s", .0.as_secs())]
    TooSlow(Duration),
    /// Nothing came on its stream.
    #[error("no batch arrived for {} s; open a new stream for the next batch", .0.as_secs())]
    Idle(Duration),
    /// Its key sends more than it may.
    #[error("the key sends more events or bytes a second than its rate allows")]
    TooFast {
        /// When it may send again.
        retry_after: Duration,
    },
    /// The collector has all it can take.
    #[error("the collector is busy")]
    Busy,
    /// PostgreSQL does not take events.
    #[error(
        "events cannot be stored now; send all of them again: an event that was stored counts as repeated"
    )]
    Unavailable,
    /// The collector is stopping.
    #[error("the collector is stopping; send the events again, to it or another one")]
    Stopping,
    /// A defect of ours.
    #[error("the request failed because of a defect of the collector")]
    Defect,
}

/// When to come again where nothing better is known.
const A_WHILE: Duration = Duration::from_secs(1);

impl Refusal {
    /// In HTTP.
    pub(crate) const fn http_status(&self) -> StatusCode {
        match self {
            Self::Unauthenticated
            | Self::Revoked
            | Self::UnknownHook
            | Self::NoSignature
            | Self::WrongSignature => StatusCode::UNAUTHORIZED,
            Self::NoOrigin | Self::WrongOrigin | Self::KeyInQuery => StatusCode::FORBIDDEN,
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge { .. } | Self::TooManyEvents { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow(_) | Self::Idle(_) => StatusCode::REQUEST_TIMEOUT,
            Self::TooFast { .. } | Self::Busy => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable | Self::Stopping => StatusCode::SERVICE_UNAVAILABLE,
            Self::Defect => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// In gRPC.
    pub(crate) const fn grpc_code(&self) -> tonic::Code {
        match self {
            Self::Unauthenticated
            | Self::Revoked
            | Self::UnknownHook
            | Self::NoSignature
            | Self::WrongSignature => tonic::Code::Unauthenticated,
            Self::NoOrigin | Self::WrongOrigin | Self::KeyInQuery => tonic::Code::PermissionDenied,
            Self::Malformed(_) | Self::ContentType | Self::TooManyEvents { .. } => {
                tonic::Code::InvalidArgument
            }
            Self::TooLarge { .. } | Self::TooFast { .. } | Self::Busy => tonic::Code::ResourceExhausted,
            Self::TooSlow(_) | Self::Idle(_) => tonic::Code::DeadlineExceeded,
            Self::Unavailable | Self::Stopping => tonic::Code::Unavailable,
            Self::Defect => tonic::Code::Internal,
        }
    }

    /// When the same request may be sent again; nothing where that would not help.
    pub(crate) const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooFast { retry_after } => Some(*retry_after),
            Self::Busy | Self::Unavailable | Self::Stopping => Some(A_WHILE),
            _ => None,
        }
    }
}
