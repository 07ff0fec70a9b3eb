//! Style, scripts and drawings, embedded, each under a name that holds its digest.

use axum::Router;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// A file: its name, media type and content.
struct Asset {
    name: &'static str,
    media_type: &'static str,
    content: &'static [u8],
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! assets {
    ($($name:literal $media_type:expr, $content:expr;)+) => {
        &[$(Asset { name: $name, media_type: $media_type, content: $content }),+]
    };
}

/// Those with uPlot in them are made by the build.
const ASSETS: &[Asset] = assets! {
    "console.css" "text/css; charset=utf-8", include_bytes!(concat!(env!("OUT_DIR"), "/console.css"));
    "console.js" SCRIPT, include_bytes!("assets/console.js");
    "stream.js" SCRIPT, include_bytes!("assets/stream.js");
    "part.js" SCRIPT, include_bytes!("assets/part.js");
    "tail.js" SCRIPT, include_bytes!("assets/tail.js");
    "chart.js" SCRIPT, include_bytes!("assets/chart.js");
    "uplot.js" SCRIPT, include_bytes!(concat!(env!("OUT_DIR"), "/uplot.js"));
    "icon.svg" "image/svg+xml", include_bytes!("assets/icon.svg");
};

/// Every script by its name.
#[cfg(test)]
pub(crate) fn scripts() -> impl Iterator<Item = (&'static str, &'static str)> {
    let of_script = |asset: &&Asset| asset.media_type == SCRIPT;
    ASSETS
        .iter()
        .filter(of_script)
        .filter_map(|asset| Some((asset.name, std::str::from_utf8(asset.content).ok()?)))
}

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
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str) -> &'static str {
        let asset = ASSETS.iter().find(|asset| asset.name == name).unwrap();
        std::str::from_utf8(asset.content).unwrap()
    }

    #[test]
    fn what_scripts_import_is_served_beside_them() {
        for asset in ASSETS.iter().filter(|asset| asset.media_type == SCRIPT) {
            for line in text(asset.name).lines().filter(|line| line.contains("import")) {
                let Some((_, rest)) = line.split_once("'./") else { continue };
                let (name, _) = rest.split_once('\'').unwrap();
                assert!(ASSETS.iter().any(|asset| asset.name == name), "{}: {name}", asset.name);
            }
        }
    }

    #[test]
    fn scripts_keep_to_the_policy() {
        let mut ours = 0;
        for name in ["console.js", "stream.js", "part.js", "chart.js"] {
            let script = text(name);
            ours += script.lines().count();
            for forbidden in ["eval(", "new Function", "insertAdjacentHTML", "outerHTML", "document.write"] {
                assert!(!script.contains(forbidden), "{name}: {forbidden}");
            }
        }
        assert_eq!(text("part.js").matches("innerHTML = policy.").count(), 1);
        assert!(ours <= 510, "{ours} lines of script");
    }

    #[test]
    fn charts_come_as_a_module_with_their_licence() {
        assert!(text("uplot.js").starts_with("/*!"), "no licence");
        assert!(text("uplot.js").contains("Permission is hereby granted"));
        assert!(text("uplot.js").ends_with("export default uPlot;\n"));
        assert!(text("console.css").contains(".u-wrap"));
    }
}
