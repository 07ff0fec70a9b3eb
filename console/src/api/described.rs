//! OpenAPI's description of the read API, from the types that it answers with.

use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{InfoBuilder, OpenApi, RefOr, SecurityRequirement};
use utoipa_axum::router::OpenApiRouter;

/// The file as it is published.
pub const COMMITTED: &str = include_str!("../../openapi.json");

/// The media type of errors, as of RFC 9457.
const PROBLEM: &str = "application/problem+json";

/// What the types say.
#[must_use]
pub fn render() -> String {
    let (_, described) = OpenApiRouter::new().nest("/api/v1", super::routes()).split_for_parts();
    text(described)
}

/// With what no type says: the name, who may ask, and how errors are told.
pub(crate) fn text(mut api: OpenApi) -> String {
    problems(&mut api);
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

/// Whatever handler fails, its answer has the media type of problem details.
fn problems(api: &mut OpenApi) {
    let operations = api.paths.paths.values_mut().flat_map(|path| [path.get.as_mut(), path.post.as_mut()]);
    for operation in operations.flatten() {
        for (status, response) in &mut operation.responses.responses {
            if let RefOr::T(response) = response
                && status.starts_with(['4', '5'])
            {
                let content = std::mem::take(&mut response.content).into_values();
                response.content = content.map(|content| (PROBLEM.to_owned(), content)).collect();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_openapi_file_is_what_the_types_say() {
        let remedy = "run `cargo run -p console --example render_api` and look at the difference";
        assert_eq!(COMMITTED, render(), "{remedy}");
    }

    #[test]
    fn errors_are_problem_details_on_every_path() {
        let api: serde_json::Value = serde_json::from_str(&render()).unwrap();
        let paths = api["paths"].as_object().unwrap().values();
        let operations = paths.flat_map(|path| path.as_object().unwrap().values());
        let mut errors = 0;
        for (status, response) in operations.flat_map(|operation| operation["responses"].as_object().unwrap())
        {
            let problem = response["content"].get(PROBLEM).is_some();
            assert_eq!(problem, status.starts_with(['4', '5']), "{status}: {response}");
            errors += i32::from(problem);
        }
        assert!(errors > 20, "{errors}");
    }

    #[test]
    fn every_path_lies_below_the_version() {
        let api: serde_json::Value = serde_json::from_str(&render()).unwrap();
        assert!(api["paths"].as_object().unwrap().keys().all(|path| path.starts_with("/api/v1/")), "{api}");
        assert!(api["components"]["securitySchemes"]["key"]["scheme"] == "bearer", "{api}");
    }
}
