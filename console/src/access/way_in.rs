//! Where somebody is sent who is not signed in.

use maud::{Markup, html};

use crate::page::plain;

/// Where somebody signs in who wanted to go elsewhere.
pub(super) fn address(to: &str) -> String {
    if to == "/" { "/sign-in".to_owned() } else { format!("/sign-in?to={}", quoted(to)) }
}

/// As a value of a query.
fn quoted(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut quoted, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            quoted.push(char::from(byte));
        } else {
            let _ = write!(quoted, "%{byte:02X}");
        }
        quoted
    })
}

/// Goes to the same page again, this time from a page of ours, so that the browser sends its cookie.
pub(super) fn once_more(here: &str) -> Markup {
    let head = html! { meta http-equiv="refresh" content={ "0; url=" (here) }; };
    let body = html! { p { a href=(here) { "Go on" } } };
    plain::page("system", "Control Center", &head, &body)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use axum::extract::Query;

    use super::*;

    #[test]
    fn where_somebody_wanted_to_go_survives_the_address() {
        assert_eq!(address("/"), "/sign-in");
        assert_eq!(
            address("/flow?tz=Europe/Zurich&x=a b"),
            "/sign-in?to=/flow%3Ftz%3DEurope/Zurich%26x%3Da%20b"
        );
        let uri = address("/flow?tz=Europe/Zurich&a=%26").parse().unwrap();
        let Query(sent) = Query::<HashMap<String, String>>::try_from_uri(&uri).unwrap();
        assert_eq!(sent["to"], "/flow?tz=Europe/Zurich&a=%26");
    }
}
