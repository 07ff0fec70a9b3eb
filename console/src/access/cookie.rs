//! The cookie of a session, and where somebody goes after signing in.

use axum::http::{HeaderMap, HeaderValue};
use axum_extra::extract::CookieJar;

use super::token::Token;

/// How the session's cookie is named and set.
///
/// Cookies know no port. The name holds the port, so that two consoles of one machine do not sign each
/// other's viewers out; the cookie is still sent to every program of that host, hence a session's short life.
#[derive(Debug)]
pub(crate) struct Cookies {
    name: String,
    secure: bool,
}

impl Cookies {
    pub(crate) fn new(port: u16, public_url: Option<&str>) -> Self {
        let secure = public_url.is_some_and(|url| url.starts_with("https://"));
        let name = if secure {
            "__Host-storepulse_session".to_owned()
        } else {
            format!("storepulse_session_{port}")
        };
        Self { name, secure }
    }

    /// The token that a browser sent.
    pub(crate) fn read(&self, headers: &HeaderMap) -> Option<Token> {
        CookieJar::from_headers(headers).get(&self.name).and_then(|cookie| Token::sent(cookie.value()))
    }

    /// Sets it; without `Max-Age` it ends with the browser, and with the session at the latest.
    pub(crate) fn set(&self, token: &Token) -> Option<HeaderValue> {
        self.header(token.text(), "")
    }

    /// Removes it.
    pub(crate) fn clear(&self) -> Option<HeaderValue> {
        self.header("", "; Max-Age=0")
    }

    fn header(&self, value: &str, more: &str) -> Option<HeaderValue> {
        let secure = if self.secure { "; Secure" } else { "" };
        let text = format!("{}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{more}", self.name);
        HeaderValue::try_from(text).ok()
    }
}

/// A path of this console to go to, whatever was asked for: an address elsewhere becomes the first page.
pub(crate) fn local_path(asked: Option<&str>) -> &str {
    let Some(path) = asked else { return "/" };
    let local = path.starts_with('/')
        && !path.starts_with("//")
        && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
        && !["/sign-in", "/sign-out", "/enter"].iter().any(|own| path.starts_with(own));
    if local { path } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_for_this_host_and_out_of_reach_of_scripts() {
        let token = Token::new();
        let plain = Cookies::new(56090, None).set(&token).unwrap();
        let expected =
            format!("storepulse_session_56090={}; Path=/; HttpOnly; SameSite=Strict", token.text());
        assert_eq!(plain.to_str().unwrap(), expected);
        let cookies = Cookies::new(56090, Some("https://shop.example"));
        let secure = cookies.set(&token).unwrap();
        assert!(secure.to_str().unwrap().starts_with("__Host-storepulse_session="));
        assert!(secure.to_str().unwrap().ends_with("; Secure"));
        assert!(cookies.clear().unwrap().to_str().unwrap().ends_with("; Secure; Max-Age=0"));
    }

    #[test]
    fn what_was_set_is_read_back() {
        let (cookies, token) = (Cookies::new(1, None), Token::new());
        let mut headers = HeaderMap::new();
        let sent = format!("theme=dark; storepulse_session_1={}", token.text());
        headers.insert("cookie", sent.parse().unwrap());
        assert_eq!(cookies.read(&headers), Some(token));
        assert_eq!(Cookies::new(2, None).read(&headers), None);
    }

    #[test]
    fn nobody_is_sent_elsewhere() {
        assert_eq!(local_path(Some("/flow?tz=Europe/Zurich")), "/flow?tz=Europe/Zurich");
        let others = [
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "flow",
            "",
            "/a\nb",
            "/sign-out",
            "/é",
        ];
        for elsewhere in others {
            assert_eq!(local_path(Some(elsewhere)), "/", "{elsewhere:?}");
        }
        assert_eq!(local_path(None), "/");
    }
}
