//! Webhooks of shop systems: whose they are, and what they tell.
//!
//! A shop signs each delivery with a secret (HMAC-SHA256 over the body). A signature is checked by the secret
//! itself, so that it cannot be known by a digest as keys are. Secrets stand in a file that its owner alone
//! may read, a line each:
//!
//! ```text
//! # name as in the address and in the records' source, shop system, secret
//! shop shopify 2f7c…
//! outlet woocommerce q8W…
//! ```
//!
//! Two lines may have one name and system while one secret is replaced by the other. A name is of one system:
//! by it orders are told from those of other shops.

mod addresses;
mod delivery;
mod shopify;
#[cfg(test)]
mod tests;
mod woocommerce;

use std::fmt;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::keys::{Key, KeysError};
use crate::limits::Limits;
use crate::share::Share;

pub(crate) use delivery::{Delivery, Head, ToldLine, ToldOrder, ToldRefund, ToldUnread};

/// A shop system whose webhooks are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum System {
    Shopify,
    Woocommerce,
}

impl System {
    pub(crate) const ALL: [Self; 2] = [Self::Shopify, Self::Woocommerce];

    /// Its word in addresses, in the file of secrets and in `raw.other_events`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Shopify => "shopify",
            Self::Woocommerce => "woocommerce",
        }
    }

    /// Where it has the signature, the topic, and the id of a delivery.
    pub(crate) const fn headers(self) -> [&'static str; 3] {
        match self {
            Self::Shopify => ["x-shopify-hmac-sha256", "x-shopify-topic", "x-shopify-webhook-id"],
            Self::Woocommerce => ["x-wc-webhook-signature", "x-wc-webhook-topic", "x-wc-webhook-delivery-id"],
        }
    }

    /// What a delivery tells.
    pub(crate) fn translate(self, body: &[u8], head: &Head<'_>) -> Delivery {
        match self {
            Self::Shopify => shopify::translate(body, head),
            Self::Woocommerce => woocommerce::translate(body, head),
        }
    }
}

/// The webhooks that a collector takes.
#[derive(Debug, Clone, Default)]
pub struct Hooks(Vec<Hook>);

/// One of them.
#[derive(Clone)]
pub(crate) struct Hook {
    system: System,
    secret: Vec<u8>,
    pub(crate) key: Arc<Key>,
    pub(crate) share: Option<Share>,
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook")
            .field("system", &self.system)
            .field("name", &self.key.name())
            .finish_non_exhaustive()
    }
}

/// A file of secrets that cannot be used. No secret is shown.
#[derive(Debug, thiserror::Error)]
pub enum HooksError {
    /// It cannot be read.
    #[error("cannot read the secrets of webhooks in {}", .path.display())]
    Unreadable {
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Others may read it.
    #[error("{} holds secrets, and others than its owner may read it: run `chmod 600` on it", .0.display())]
    Open(PathBuf),
    /// A line that is not as it should be.
    #[error("line {line} of the secrets of webhooks: {fault}")]
    Line {
        /// Which, from 1.
        line: usize,
        /// What is wrong with it.
        fault: &'static str,
    },
}

impl Hooks {
    /// Reads the file of secrets.
    ///
    /// # Errors
    /// When it cannot be read, when others may read it, and the first line that is wrong.
    pub fn open(path: &Path) -> Result<Self, HooksError> {
        let unreadable = |source| HooksError::Unreadable { path: path.to_owned(), source };
        let mode = std::fs::metadata(path).map_err(unreadable)?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(HooksError::Open(path.to_owned()));
        }
        Self::parse(&std::fs::read_to_string(path).map_err(unreadable)?)
    }

    /// Reads secrets; empty lines and those that begin with `#` are passed over.
    ///
    /// # Errors
    /// The first line that is wrong.
    pub fn parse(text: &str) -> Result<Self, HooksError> {
        let mut hooks: Vec<Hook> = Vec::new();
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let hook = hook(text).map_err(|fault| HooksError::Line { line, fault })?;
            if hooks.iter().any(|known| known.key.name() == hook.key.name() && known.system != hook.system) {
                let fault =
                    "this name is that of a shop of the other system: give each shop a name of its own";
                return Err(HooksError::Line { line, fault });
            }
            hooks.push(hook);
        }
        Ok(Self(hooks))
    }

    /// Gives each name a share of what the collector can take, beside those of keys.
    pub(crate) fn sharing(mut self, limits: &Limits, keys: usize) -> Self {
        let count = keys + self.0.len();
        let mut shares: Vec<(String, Share)> = Vec::new();
        for hook in &mut self.0 {
            let name = hook.key.name();
            let known = shares.iter().find(|(known, _)| known == name).map(|(_, share)| share.clone());
            let share = known.unwrap_or_else(|| Share::new(limits, count));
            shares.push((name.to_owned(), share.clone()));
            hook.share = Some(share);
        }
        self
    }

    /// The webhooks of a name.
    pub(crate) fn of(&self, system: System, name: &str) -> Vec<&Hook> {
        self.0.iter().filter(|hook| hook.system == system && hook.key.name() == name).collect()
    }
}

impl Hook {
    /// Whether its secret gives this signature of a body, in base64. How alike two are does not show in the
    /// time.
    pub(crate) fn has_signed(&self, signature: &str, body: &[u8]) -> bool {
        let Ok(signature) = STANDARD.decode(signature.trim()) else { return false };
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.secret) else { return false };
        mac.update(body);
        mac.verify_slice(&signature).is_ok()
    }
}

fn hook(line: &str) -> Result<Hook, &'static str> {
    let mut words = line.split_ascii_whitespace();
    let (name, system, secret) = (words.next(), words.next(), words.next());
    let key = name.map(Key::of_hook).transpose().map_err(|_: KeysError| "it begins with no name")?;
    let system = System::ALL.into_iter().find(|known| Some(known.name()) == system);
    let system = system.ok_or("shopify or woocommerce follows the name")?;
    let secret =
        secret.filter(|secret| secret.len() >= 8).ok_or("a secret of at least 8 characters comes third")?;
    match (key, words.next()) {
        (Some(key), None) => {
            Ok(Hook { system, secret: secret.as_bytes().to_vec(), key: Arc::new(key), share: None })
        }
        _ => Err("a line is name, shop system and secret, and nothing else"),
    }
}
