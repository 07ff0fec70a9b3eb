//! The file of keys, read again when it changes and on SIGHUP, so that a key is revoked without a restart.
//!
//! A change is taken once the file has read the same twice: whoever writes it may be half-way. One that
//! cannot be read, or has a line that is wrong, leaves the keys in force as they are, and is complained of
//! until it is mended. A file without any key lets nobody in.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::gate::Gate;
use crate::keys::{Keys, KeysError};

/// How often the file is looked at.
const EVERY: Duration = Duration::from_millis(500);
/// How often is said again that it is wrong.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

/// Such a file.
#[derive(Debug)]
pub struct KeyFile {
    path: PathBuf,
    /// What the keys in force were read from.
    in_force: String,
    every: Duration,
}

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It cannot be read.
    #[error("cannot read the API keys in {}", .path.display())]
    Unreadable {
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It has no keys, or a line that is none.
    #[error("the API keys in {} are refused", .path.display())]
    Keys {
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: KeysError,
    },
}

impl KeyFile {
    /// Reads keys from a file, which is to be followed; nothing to be followed where it is no file that could
    /// be read twice, such as a pipe.
    ///
    /// # Errors
    /// When it cannot be read, has a wrong line, or no key at all.
    pub fn open(path: &Path) -> Result<(Keys, Option<Self>), KeyFileError> {
        let unreadable = |source| KeyFileError::Unreadable { path: path.to_owned(), source };
        let is_file = std::fs::metadata(path).map_err(unreadable)?.is_file();
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let keys =
            Keys::parse(&text).map_err(|source| KeyFileError::Keys { path: path.to_owned(), source })?;
        let file = Self { path: path.to_owned(), in_force: text, every: EVERY };
        Ok((keys, is_file.then_some(file)))
    }

    /// Looks at the file that often.
    #[must_use]
    pub const fn every(mut self, every: Duration) -> Self {
        self.every = every;
        self
    }

    /// Puts in force what the file says until the collector stops.
    pub(crate) fn follow(
        self,
        gate: Gate,
        stopping: CancellationToken,
    ) -> io::Result<impl Future<Output = ()> + Send> {
        let mut hangups = signal(SignalKind::hangup())?;
        Ok(async move {
            let mut looks = interval(self.every);
            looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut following = Following { file: self, gate, seen: None, complained: None };
            loop {
                let is_asked = tokio::select! {
                    () = stopping.cancelled() => return,
                    _ = hangups.recv() => true,
                    _ = looks.tick() => false,
                };
                following.look(is_asked).await;
            }
        })
    }
}

/// A file while it is followed.
struct Following {
    file: KeyFile,
    gate: Gate,
    /// What it said the last time, where that is not in force.
    seen: Option<String>,
    /// What was said of it, and when.
    complained: Option<(String, Instant)>,
}

impl Following {
    async fn look(&mut self, is_asked: bool) {
        let text = match tokio::fs::read_to_string(&self.file.path).await {
            Ok(text) => text,
            Err(error) => return self.complain(error.to_string(), is_asked),
        };
        if text == self.file.in_force {
            self.seen = None;
            self.complained = None;
            if is_asked {
                tracing::info!(file = %self.file.path.display(), "the API keys are what they were");
            }
            return;
        }
        if !is_asked && self.seen.as_ref() != Some(&text) {
            self.seen = Some(text);
            return;
        }
        match Keys::parse_any(&text) {
            Ok(keys) => self.take(keys, text),
            Err(error) => {
                self.seen = Some(text);
                self.complain(error.to_string(), is_asked);
            }
        }
    }

    fn take(&mut self, keys: Keys, text: String) {
        let (keys, revoked) = self.gate.replace(keys);
        (self.file.in_force, self.seen, self.complained) = (text, None, None);
        let file = self.file.path.display();
        if keys == 0 {
            tracing::warn!(%file, ?revoked, "the API keys were read again: there is none left, nobody may send");
        } else {
            tracing::warn!(%file, keys, ?revoked, "the API keys were read again");
        }
    }

    /// Says it when it is new, when it is asked for, and every minute: a key that was to be revoked is in
    /// force still.
    fn complain(&mut self, fault: String, is_asked: bool) {
        let is_said = self
            .complained
            .as_ref()
            .is_some_and(|(said, at)| *said == fault && at.elapsed() < COMPLAIN_EVERY);
        if is_said && !is_asked {
            return;
        }
        tracing::error!(
            file = %self.file.path.display(),
            fault,
            "the API keys cannot be read again: the earlier keys are STILL in force, revoked ones too; correct the file"
        );
        self.complained = Some((fault, Instant::now()));
    }
}
