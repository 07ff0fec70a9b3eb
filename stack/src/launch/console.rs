//! The Control Center: the command that started the stack, serving.

use std::env;
use std::fs::File;
use std::io;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::Launch;
use crate::error::{Doing, StackError};
use crate::service::Service;
use crate::site::Site;
use crate::template::Rendered;

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

/// What the console's memory is given out by. glibc would keep an arena for each thread, and would raise the
/// size from which on a block goes back to the system: both keep tens of MiB of a search for good.
pub const CONSOLE_MEMORY: [(&str, &str); 2] =
    [("MALLOC_ARENA_MAX", "1"), ("MALLOC_MMAP_THRESHOLD_", "131072")];

impl Site {
    /// `storepulse console`, with the services' addresses. The command's digest goes with it: a command that
    /// was built anew serves anew.
    pub(super) fn console(&self) -> Result<Launch, StackError> {
        let command = self.command.as_ref().ok_or(StackError::NoCommand { service: Service::Console })?;
        let program_digest = digest(command).doing(|| format!("read {}", command.display()))?;
        // Its output is a file that stays: no link in there.
        let listen = format!("{}:{}", self.network.listen(), self.network.ports.console);
        let mut words = vec![command.display().to_string()];
        words.extend(["console", "--no-link", "--listen", &listen].map(str::to_owned));
        let mut launch = self.runs(words, Rendered::default());
        launch.environment.extend(self.client_environment()?);
        launch.environment.extend(CONSOLE_MEMORY.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let checkout = self.checkout.display().to_string();
        launch.environment.insert("STOREPULSE_CHECKOUT".to_owned(), checkout);
        launch
            .environment
            .extend(HANDED_ON.iter().filter_map(|name| Some(((*name).to_owned(), env::var(name).ok()?))));
        Ok(Launch { program_digest, ..launch })
    }
}

fn digest(file: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    io::copy(&mut File::open(file)?, &mut hash)?;
    Ok(hex::encode(hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Checkout;

    #[test]
    fn containers_give_out_memory_in_the_same_way() {
        let compose = Checkout::find().unwrap().root().join("docker-compose.yml");
        let compose = std::fs::read_to_string(compose).unwrap();
        let (_, console) = compose.split_once("\n  console:\n").unwrap();
        let (console, _) = console.split_once("\n\n").unwrap();
        for (name, value) in CONSOLE_MEMORY {
            assert!(console.contains(&format!("\n      {name}: {value}\n")), "{name}");
        }
    }
}
