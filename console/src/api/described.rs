//! OpenAPI's description of the read API, from the types that it answers with.

use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{InfoBuilder, OpenApi, SecurityRequirement};
use utoipa_axum::router::OpenApiRouter;

/// The file as it is published.
pub const COMMITTED: &str = include_str!("../../openapi.json");

/// What the types say.
#[must_use]
pub fn render() -> String {
    let (_, described) = OpenApiRouter::new().nest("/api/v1", super::routes()).split_for_parts();
    text(described)
}

/// With what no type says: the name, and who may ask.
pub(crate) fn text(mut api: OpenApi) -> String {
    api.info = InfoBuilder::new()
        .title("Storepulse Control Center")
        .version("1")
        .description(Some(
            "The figures that the pages show, as JSON. Money and counts beyond 2^53 are strings, times are RFC 3339 in UTC, \
             durations are milliseconds. Errors are application/problem+json as of RFC 9457.",
        ))
        .build();
    let session = ApiKeyValue::with_description(
        "storepulse_session_56090",
        "Of a browser that is signed in; the name ends in the console's port, and is __Host-storepulse_session under HTTPS.",
    );
    let key = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "Of a program, made by `storepulse console key add NAME`; it reads and does nothing else.",
        ))
        .build();
    let components = api.components.get_or_insert_default();
    components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(session)));
    components.add_security_scheme("key", SecurityScheme::Http(key));
    let nothing: [&str; 0] = [];
    api.security =
        Some(vec![SecurityRequirement::new("session", nothing), SecurityRequirement::new("key", nothing)]);
    let mut text = api.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_openapi_file_is_what_the_types_say() {
        let remedy = "run `cargo run -p console --example render_openapi` and look at the difference";
        assert_eq!(COMMITTED, render(), "{remedy}");
    }

    #[test]
    fn every_path_lies_below_the_version() {
        let api: serde_json::Value = serde_json::from_str(&render()).unwrap();
        assert!(api["paths"].as_object().unwrap().keys().all(|path| path.starts_with("/api/v1/")), "{api}");
        assert!(api["components"]["securitySchemes"]["key"]["scheme"] == "bearer", "{api}");
    }
}
