//! Secrets that machines make: 256 bits, of which only the digest is kept.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

/// What is kept of a secret.
pub(crate) type Digest = [u8; 32];

/// A secret as it is handed out once.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Token {
    /// Of the operating system's randomness.
    pub(crate) fn new() -> Self {
        Self(hex::encode(rand::random::<[u8; 32]>()))
    }

    /// As somebody sent it; none where it cannot be one.
    pub(crate) fn sent(text: &str) -> Option<Self> {
        let is_one = text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_one.then(|| Self(text.to_owned()))
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    pub(crate) fn digest(&self) -> Digest {
        Sha256::digest(&self.0).into()
    }

    /// What forms of a session carry. Who knows it does not know the session's token.
    pub(crate) fn form_token(&self) -> String {
        hex::encode(Sha256::digest(format!("form/{}", self.0)))
    }
}

/// Compares without telling by time where they differ.
pub(crate) fn equal(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_token_is_another_and_is_read_back() {
        let (one, other) = (Token::new(), Token::new());
        assert_ne!(one, other);
        assert_eq!(Token::sent(one.text()), Some(one.clone()));
        assert_ne!(one.digest(), other.digest());
        assert_ne!(one.form_token(), one.text());
    }

    #[test]
    fn what_cannot_be_a_token_is_none() {
        for text in ["", "abc", &"g".repeat(64), &"A".repeat(64), &"a".repeat(65)] {
            assert_eq!(Token::sent(text), None, "{text}");
        }
    }

    #[test]
    fn a_token_does_not_show_in_logs() {
        let token = Token::new();
        assert!(!format!("{token:?}").contains(token.text()));
    }
}
