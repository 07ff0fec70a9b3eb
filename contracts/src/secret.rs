//! Addresses that hold a password, and text that may hold one.
//!
//! An [`Address`] shows itself without its password, as an error, a log and `Debug` do; only who asks for the
//! text gets all of it. [`hidden`] does the same to text of others: a driver's error may quote the address
//! that it was given.

use std::fmt;
use std::ops::Deref;

/// What stands in place of a password.
const HIDDEN: &str = "***";
/// Names whose values are secrets, as in `password=…` of a connection string and in parameters of Spark
/// Connect's address.
const SECRETS: [&str; 6] = ["password", "passwd", "pwd", "secret", "token", "passphrase"];

/// An address that may hold a password: of PostgreSQL, the registry, Spark Connect, the users' API or a
/// collector.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Address(String);

impl Address {
    /// The address as it is, password included: for whoever connects.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Address {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Address {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl Deref for Address {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hidden(&self.0))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", hidden(&self.0))
    }
}

/// A text without the passwords of the addresses in it, and without the values of what is named like a
/// secret.
#[must_use]
pub fn hidden(text: &str) -> String {
    without_values(&without_userinfo(text))
}

/// `scheme://user:password@host`: what is between the first colon and the last at sign goes, whatever stands
/// in it.
fn without_userinfo(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("://") {
        let (before, authority) = rest.split_at(start + 3);
        shown.push_str(before);
        let end = authority
            .find(|c: char| c.is_whitespace() || matches!(c, '"' | '<' | '>'))
            .unwrap_or(authority.len());
        let (authority, after) = authority.split_at(end);
        match authority.rsplit_once('@') {
            Some((user, host)) => {
                // Without a colon it may be a key that stands alone.
                let user = user.split_once(':').map_or(String::new(), |(user, _)| format!("{user}:"));
                shown.push_str(&format!("{user}{HIDDEN}@{host}"));
            }
            None => shown.push_str(authority),
        }
        rest = after;
    }
    shown.push_str(rest);
    shown
}

/// `name=value` and `name: value`, where the name ends in that of a secret: the value goes.
fn without_values(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let mut shown = String::with_capacity(text.len());
    let mut at = 0;
    while let Some((_, end)) = next_secret(&lower, at) {
        let after = &text[end..];
        let value = after.trim_start();
        let Some(value) = value.strip_prefix('=') else {
            shown.push_str(&text[at..end]);
            at = end;
            continue;
        };
        let value = value.trim_start();
        let begin = text.len() - value.len();
        shown.push_str(&text[at..begin]);
        let length = value_length(value);
        if length > 0 {
            shown.push_str(HIDDEN);
        }
        at = begin + length;
    }
    shown.push_str(&text[at..]);
    shown
}

/// Where the next name of a secret stands, from a place on.
fn next_secret(lower: &str, from: usize) -> Option<(usize, usize)> {
    let found = SECRETS
        .iter()
        .filter_map(|name| lower[from..].find(name).map(|at| (from + at, from + at + name.len())));
    found.min()
}

/// How long a value is: a quoted one goes to its quote.
fn value_length(value: &str) -> usize {
    if let Some(quote @ ('\'' | '"')) = value.chars().next() {
        let mut is_escaped = false;
        for (index, c) in value.char_indices().skip(1) {
            match c {
                _ if is_escaped => is_escaped = false,
                '\\' => is_escaped = true,
                _ if c == quote => return index + 1,
                _ => {}
            }
        }
        return value.len();
    }
    value
        .find(|c: char| c.is_whitespace() || matches!(c, ';' | '&' | '"' | '\'' | '<' | '>'))
        .unwrap_or(value.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn passwords_are_hidden_wherever_they_stand() {
        for (text, shown) in [
            ("postgresql://shop:hunter2@db:5432/shop?x=1", "postgresql://shop:***@db:5432/shop?x=1"),
            ("at http://a:hun@ter/2@r/x, then", "at http://a:***@r/x, then"),
            ("postgresql://hunter2@db", "postgresql://***@db"),
            ("host=db password=hunter2 user=x", "host=db password=*** user=x"),
            ("password = 'hun\\'ter 2' user=x", "password = *** user=x"),
            ("sc://h:1/;x-storepulse-secret=hunter2;user=x", "sc://h:1/;x-storepulse-secret=***;user=x"),
            ("sasl.PASSWORD=hunter2", "sasl.PASSWORD=***"),
            ("no password was given", "no password was given"),
            ("http://127.0.0.1:58081/apis", "http://127.0.0.1:58081/apis"),
        ] {
            assert_eq!(hidden(text), shown);
        }
    }

    #[test]
    fn an_address_shows_itself_without_its_password_and_is_whole_for_who_connects() {
        let address = Address::from("postgresql://shop:hunter2@db/shop");
        assert_eq!(
            format!("{address} {address:?}"),
            "postgresql://shop:***@db/shop \"postgresql://shop:***@db/shop\""
        );
        assert_eq!(address.as_str(), "postgresql://shop:hunter2@db/shop");
        assert_eq!(address.parse::<String>().unwrap(), address.as_str());
    }

    proptest! {
        #[test]
        fn no_password_is_left(user in "[a-z]{1,8}", password in "[A-Z0-9:/?#@%]{4,20}", host in "[a-z]{1,8}") {
            let shown = hidden(&format!("cannot reach x://{user}:{password}@{host}/y: gone"));
            prop_assert_eq!(shown, format!("cannot reach x://{user}:***@{host}/y: gone"));
        }

        #[test]
        fn any_text_is_shown(text: String) {
            let _ = hidden(&text);
        }
    }
}
