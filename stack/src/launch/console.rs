//! The Control Center: the command that started the stack, serving.

use std::env;
use std::fs::File;
use std::io;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::{HOST, Launch, Parts};
use crate::error::{Doing, StackError};
use crate::service::Service;

/// What whoever starts it may hand on. Everything else in a shell stays there.
const HANDED_ON: [&str; 8] = [
    "STOREPULSE_NAMESPACE",
    "STOREPULSE_TIME_ZONE",
    "STOREPULSE_COLLECTOR_URL",
    "STOREPULSE_CONSOLE_PUBLIC_URL",
    "STOREPULSE_CONSOLE_HOSTS",
    "STOREPULSE_LOG",
    "STOREPULSE_ALERTS_FILE",
    "STOREPULSE_ALERT_COMMAND",
];

impl Parts<'_> {
    /// `storepulse console`, with the services' addresses. What is rendered is the command's digest: a command that was built
    /// anew serves anew.
    pub(super) fn console(&self, launch: &mut Launch) -> Result<String, StackError> {
        let command = self.command.ok_or(StackError::NoCommand { service: Service::Console })?;
        let digest = digest(command).doing(|| format!("read {}", command.display()))?;
        // Its output is a file that stays: no link in there.
        let listen = format!("{HOST}:{}", self.ports.console);
        launch.words = vec![command.display().to_string()];
        launch.words.extend(["console", "--no-link", "--listen", &listen].map(str::to_owned));
        launch.environment.extend(self.client_environment());
        let checkout = self.checkout.root().display().to_string();
        launch.environment.insert("STOREPULSE_CHECKOUT".to_owned(), checkout);
        launch
            .environment
            .extend(HANDED_ON.iter().filter_map(|name| Some(((*name).to_owned(), env::var(name).ok()?))));
        Ok(digest)
    }
}

fn digest(file: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    io::copy(&mut File::open(file)?, &mut hash)?;
    Ok(hex::encode(hash.finalize()))
}
