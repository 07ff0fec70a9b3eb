//! Stacks for tests: one of their own on free ports, or the warm one that everybody shares; and how tests
//! wait for what runs there.

use std::fmt::Display;
use std::fs;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use crate::error::StackError;
use crate::layout::{Checkout, Home};
use crate::ports::Ports;
use crate::process::ProcessId;
use crate::progress::Progress;
use crate::service::Service;
use crate::stack::{Stack, StackConfig};
use crate::state::State;

/// A stack that belongs to this process: it ends with it, and its data with both.
pub struct Isolated {
    stack: Stack,
}

/// Starts some services, and what these need, on free ports in a folder of their own.
pub async fn isolated(services: &[Service], progress: Arc<dyn Progress>) -> Result<Isolated, StackError> {
    let checkout = Checkout::find()?;
    let stacks = checkout.stacks().join("isolated");
    sweep(&checkout);
    let name = format!("{}-{:08x}", std::process::id(), rand::random::<u32>());
    let home = Home::new(stacks.join(&name));
    let config =
        StackConfig { name, services: services.to_vec(), ports: Ports::free()?, ..StackConfig::main() };
    // Held from here on, so that a failed start leaves no folder either.
    let isolated = Isolated { stack: Stack::open_in(config, checkout, home, ProcessId::own())? };
    isolated.stack.up(progress).await?;
    Ok(isolated)
}

/// The main stack, started if it does not run. It is never stopped from here: others may be using it.
///
/// Test binaries that begin at the same time wait for the one that starts it.
pub async fn shared(progress: Arc<dyn Progress>) -> Result<Stack, StackError> {
    // A restart because of a changed file would break whoever is using the stack now.
    let stack = Stack::open(StackConfig { restart_changed: false, ..StackConfig::main() })?;
    if !stack.is_healthy().await? {
        stack.up(progress).await?;
    }
    Ok(stack)
}

/// How long after a look at something the next one follows.
const LOOK: Duration = Duration::from_millis(50);

/// Looks at what tells nobody when it changes, until the answer is there.
///
/// # Panics
/// When it is not there in time: with what was seen instead, which is what a failing test shows.
pub async fn until<T, Seen: Display>(
    what: &str,
    within: Duration,
    mut look: impl AsyncFnMut() -> Result<T, Seen>,
) -> T {
    let mut last = None;
    let looking = async {
        loop {
            match look().await {
                Ok(answer) => return answer,
                Err(seen) => last = Some(seen.to_string()),
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    match tokio::time::timeout(within, looking).await {
        Ok(answer) => answer,
        Err(_) => {
            let seen = last.unwrap_or_else(|| "no answer".to_owned());
            panic!("not within {} s: {what}; seen instead: {seen}", within.as_secs())
        }
    }
}

/// Removes stacks whose owner was killed before it could.
fn sweep(checkout: &Checkout) {
    let Ok(entries) = fs::read_dir(checkout.stacks().join("isolated")) else { return };
    for entry in entries.flatten() {
        let home = Home::new(entry.path());
        let Ok(Some(state)) = State::read(&home.state()) else { continue };
        let Some(owner) = state.owner.filter(|owner| !owner.is_alive()) else { continue };
        let config = StackConfig {
            name: entry.file_name().to_string_lossy().into_owned(),
            services: Service::every().collect(),
            ports: state.ports,
            restart_changed: false,
            command: None,
        };
        let swept =
            Stack::open_in(config, checkout.clone(), home, Some(owner)).and_then(|stack| stack.destroy());
        if let Err(error) = swept {
            // Another test binary may be sweeping the same one.
            tracing::debug!(%error, "could not remove an abandoned stack");
        }
    }
}

impl Deref for Isolated {
    type Target = Stack;

    fn deref(&self) -> &Stack {
        &self.stack
    }
}

impl Drop for Isolated {
    fn drop(&mut self) {
        if let Err(error) = self.stack.destroy() {
            tracing::error!(%error, "could not remove an isolated stack");
        }
    }
}
