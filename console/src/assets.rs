//! Style, scripts and drawings, embedded, each under a name that holds its digest.

use axum::Router;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::app::App;

/// A file: its name, media type and content.
struct Asset {
    name: &'static str,
    media_type: &'static str,
    content: &'static [u8],
}

macro_rules! assets {
    ($($name:literal $media_type:literal;)+) => {
        &[$(Asset {
            name: $name,
            media_type: $media_type,
            content: include_bytes!(concat!("assets/", $name)),
        }),+]
    };
}

const ASSETS: &[Asset] = assets! {
    "console.css" "text/css; charset=utf-8";
    "console.js" "text/javascript; charset=utf-8";
    "icon.svg" "image/svg+xml";
};

/// Of what is built in: a new build has a new one, and browsers keep the old files for ever.
fn digest() -> &'static str {
    use std::sync::OnceLock;

    use sha2::{Digest, Sha256};
    static DIGEST: OnceLock<String> = OnceLock::new();
    DIGEST.get_or_init(|| {
        let mut hash = Sha256::new();
        for asset in ASSETS {
            hash.update(asset.content);
        }
        hex::encode(&hash.finalize()[..6])
    })
}

/// Where a file is served.
pub(crate) fn path(name: &str) -> String {
    format!("/static/{}/{name}", digest())
}

/// Without a session: the page of those who are not signed in needs them too.
pub(crate) fn routes() -> Router<App> {
    Router::new().route("/static/{digest}/{name}", get(file))
}

async fn file(Path((_, name)): Path<(String, String)>) -> Response {
    match ASSETS.iter().find(|asset| asset.name == name) {
        Some(asset) => (
            [
                (header::CONTENT_TYPE, asset.media_type),
                (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
            ],
            asset.content,
        )
            .into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
