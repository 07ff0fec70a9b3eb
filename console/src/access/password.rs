//! Passwords: argon2id, two at a time.

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

/// What a hash costs: 19 MiB, two passes, one lane, as OWASP advises for argon2id.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// How many are computed at the same time; the rest waits.
const AT_ONCE: usize = 2;
/// The fewest characters of a password.
pub(crate) const SHORTEST: usize = 12;
/// The most bytes: what is longer is no password but an attempt to make work.
const LONGEST: usize = 1024;

/// Why a password was not taken.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Too few characters.
    #[error("a password has at least {SHORTEST} characters")]
    TooShort,
    /// Too many bytes.
    #[error("a password has at most {LONGEST} bytes")]
    TooLong,
    /// The hash could not be computed.
    #[error("the password could not be hashed: {0}")]
    Hash(String),
}

/// A password's hash in PHC's format.
///
/// # Errors
/// [`PasswordError`].
pub(crate) fn hash(password: &str) -> Result<String, PasswordError> {
    if password.chars().count() < SHORTEST {
        return Err(PasswordError::TooShort);
    }
    if password.len() > LONGEST {
        return Err(PasswordError::TooLong);
    }
    let failed = |error: &dyn std::fmt::Display| PasswordError::Hash(error.to_string());
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|error| failed(&error))?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hashed = argon2.hash_password(password.as_bytes()).map_err(|error| failed(&error))?;
    Ok(hashed.to_string())
}

fn matches(password: &str, hash: &str) -> bool {
    Argon2::default().verify_password(password.as_bytes(), hash).is_ok()
}

/// Checks passwords, whether the name exists or not in the same time.
pub(crate) struct Passwords {
    turns: Semaphore,
    nobodys: std::sync::OnceLock<Option<String>>,
}

impl Passwords {
    pub(crate) fn new() -> Self {
        Self { turns: Semaphore::new(AT_ONCE), nobodys: std::sync::OnceLock::new() }
    }

    /// Whether a password is the one of a hash; never without one, but not sooner.
    pub(crate) async fn check(&self, password: String, hash: Option<String>) -> bool {
        let Ok(_turn) = self.turns.acquire().await else { return false };
        if password.len() > LONGEST {
            return false;
        }
        let somebody = hash.is_some();
        let Some(hash) = hash.or_else(|| self.of_nobody()) else { return false };
        let matched = tokio::task::spawn_blocking(move || matches(&password, &hash)).await;
        matched.unwrap_or(false) && somebody
    }

    /// The hash of a password that nobody knows: checking against it takes as long as against any other.
    fn of_nobody(&self) -> Option<String> {
        self.nobodys.get_or_init(|| hash(&hex::encode(rand::random::<[u8; 16]>())).ok()).clone()
    }

    /// Makes ready what the first check would have to.
    pub(crate) fn warm(&self) {
        self.of_nobody();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_matches_its_own_hash_alone() {
        let passwords = Passwords::new();
        let of_ana = hash("correct horse battery").unwrap();
        assert!(of_ana.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{of_ana}");
        assert!(passwords.check("correct horse battery".into(), Some(of_ana.clone())).await);
        assert!(!passwords.check("correct horse batterY".into(), Some(of_ana)).await);
        assert!(!passwords.check("correct horse battery".into(), None).await);
        assert!(!passwords.check("correct horse battery".into(), Some("no hash".into())).await);
    }

    #[test]
    fn a_password_is_neither_short_nor_endless() {
        assert!(matches!(hash("eleven char"), Err(PasswordError::TooShort)));
        assert!(matches!(hash(&"a".repeat(1025)), Err(PasswordError::TooLong)));
        // Characters count, not bytes.
        assert!(matches!(hash("ééééééé"), Err(PasswordError::TooShort)));
    }
}
