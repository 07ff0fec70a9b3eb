//! Stacks for tests and measurements: one of their own on free ports, one that a command of theirs starts, or
//! the warm one that everybody shares; and how tests wait for what runs there.

use std::fmt::Display;
use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Doing, StackError};
use crate::layout::{Checkout, Home};
use crate::ports::Ports;
use crate::private;
use crate::process::ProcessId;
use crate::progress::Progress;
use crate::service::Service;
use crate::stack::{Stack, StackConfig};
use crate::state::State;

/// A stack that belongs to this process: it ends with it, and its data with both.
pub struct Isolated {
    stack: Stack,
}

/// The folder of all isolated stacks, among the stacks of a checkout.
const ISOLATED: &str = "isolated";
/// The folder of all checkouts with a stack apart.
const APART: &str = "apart";

/// Starts some services, and what these need, on free ports in a folder of their own.
pub async fn isolated(services: &[Service], progress: Arc<dyn Progress>) -> Result<Isolated, StackError> {
    let checkout = Checkout::find()?;
    let stacks = checkout.stacks().join(ISOLATED);
    sweep(&checkout);
    let name = name();
    let home = Home::new(stacks.join(&name));
    let config =
        StackConfig { name, services: services.to_vec(), ports: Ports::free()?, ..StackConfig::main() };
    // Held from here on, so that a failed start leaves no folder either.
    let isolated = Isolated { stack: Stack::open_in(config, checkout, home, ProcessId::own())? };
    isolated.stack.up(progress).await?;
    Ok(isolated)
}

/// A main stack of its own, for a command that starts and stops the one of its checkout: see [`apart`].
///
/// Whatever the command has started ends with this value, and its data with it. Where this process is killed,
/// the next one that asks for a stack of its own does that.
pub struct Apart {
    stack: Stack,
    checkout: Checkout,
}

/// Prepares a checkout for a command to find in `STOREPULSE_CHECKOUT`: with the services and tools of this
/// one, and a main stack on free ports that nothing has started yet. `command` serves its Control Center.
pub fn apart(command: PathBuf) -> Result<Apart, StackError> {
    let checkout = Checkout::find()?;
    sweep(&checkout);
    let stacks = checkout.stacks();
    let root = stacks.join(APART).join(name());
    for folder in [&stacks, &stacks.join(APART), &root] {
        private::passage(folder)?;
    }
    let checkout = checkout.linked(root)?;
    let config = StackConfig::main().with_console(command);
    let home = Home::new(checkout.stacks().join(&config.name));
    home.prepare(&checkout.stacks())?;
    // The command keeps the ports that it finds here, and a sweep finds the owner.
    State::new(Ports::free()?, ProcessId::own()).write(&home.state())?;
    let stack = Stack::open_in(config, checkout.clone(), home, None)?;
    Ok(Apart { stack, checkout })
}

/// A name that no other stack of this process or of another one has.
fn name() -> String {
    format!("{}-{:08x}", std::process::id(), rand::random::<u32>())
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
    let folders = |name: &str| {
        let entries = fs::read_dir(checkout.stacks().join(name)).into_iter().flatten();
        entries.flatten().map(|entry| entry.path())
    };
    for folder in folders(ISOLATED) {
        remove_abandoned(checkout, Home::new(folder));
    }
    for folder in folders(APART) {
        let apart = Checkout::at(folder.clone());
        if remove_abandoned(&apart, Home::new(apart.stacks().join(StackConfig::main().name))) {
            let _ = fs::remove_dir_all(folder);
        }
    }
}

/// Removes a stack if its owner is gone; tells whether it did.
fn remove_abandoned(checkout: &Checkout, home: Home) -> bool {
    let Ok(Some(state)) = State::read(&home.state()) else { return false };
    let Some(owner) = state.owner.filter(|owner| !owner.is_alive()) else { return false };
    let config = StackConfig {
        name: home.root().file_name().unwrap_or_default().to_string_lossy().into_owned(),
        services: Service::every().collect(),
        ports: state.ports,
        restart_changed: false,
        command: None,
    };
    let swept = Stack::open_in(config, checkout.clone(), home, Some(owner)).and_then(|stack| stack.destroy());
    if let Err(error) = &swept {
        // Another test binary may be sweeping the same one.
        tracing::debug!(%error, "could not remove an abandoned stack");
    }
    swept.is_ok()
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

impl Apart {
    /// What the command finds its stack in.
    pub fn checkout(&self) -> &Path {
        self.checkout.root()
    }
}

impl Deref for Apart {
    type Target = Stack;

    fn deref(&self) -> &Stack {
        &self.stack
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        let root = self.checkout.root();
        let removed = self
            .stack
            .destroy()
            .and_then(|()| fs::remove_dir_all(root).doing(|| format!("remove {}", root.display())));
        if let Err(error) = removed {
            tracing::error!(%error, "could not remove a stack apart");
        }
    }
}
