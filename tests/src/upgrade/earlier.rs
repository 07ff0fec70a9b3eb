//! The version from before events had unknown values, built from this repository's history.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The migration by which the event changed, from the top of the checkout.
const CHANGED_BY: &str = "contracts/migrations/V22__visitors.sql";
/// Where the version lies, from the top of the checkout. What is built there stays for the next run.
const PLACE: &str = "target/upgrade/checkout";

/// A checkout of that version with its own build.
pub(super) struct Earlier {
    /// Its top folder.
    pub(super) checkout: PathBuf,
    /// Its `storepulse`.
    pub(super) command: PathBuf,
}

/// The top folder of this version's checkout.
pub(super) fn this_checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// Checks the version out and builds it. Blocks, for minutes where it was not built before.
///
/// # Errors
/// Why it cannot be taken from the history.
pub(super) fn build() -> Result<Earlier, String> {
    let root = this_checkout();
    let commit = commit_before(&root)?;
    let checkout = root.join(PLACE);
    if checkout.join("Cargo.toml").is_file() {
        git(&checkout, &["checkout", "--quiet", "--detach", &commit])?;
    } else {
        // With --force also where git knows of a worktree in this place that somebody has removed.
        let place = checkout.display().to_string();
        git(&root, &["worktree", "add", "--quiet", "--force", "--detach", &place, &commit])?;
    }
    println!("before {CHANGED_BY}: {commit} in {}", checkout.display());
    share_tools(&root, &checkout);
    // The second half of `make setup`: what the console's pages embed. The packages are there.
    run(&mut Command::new(checkout.join("services/webjars")));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let target = checkout.join("target");
    let mut build = Command::new(cargo);
    build.args(["build", "--locked", "--package", "storepulse", "--target-dir"]).arg(&target);
    run(build.current_dir(&checkout));
    Ok(Earlier { command: target.join("debug/storepulse"), checkout })
}

/// The commit before the one that added the migration.
fn commit_before(root: &Path) -> Result<String, String> {
    let added = git(root, &["log", "--diff-filter=A", "--format=%H", "--", CHANGED_BY])?;
    let added = added.lines().last().ok_or_else(|| format!("no commit of the history adds {CHANGED_BY}"))?;
    git(root, &["rev-parse", "--verify", &format!("{added}^")]).map_err(|error| {
        format!(
            "the history does not go back beyond {added} (a shallow clone? `git fetch --unshallow`): {error}"
        )
    })
}

/// Both versions install into one folder: its entries are named by digests of what they are made from.
fn share_tools(root: &Path, checkout: &Path) {
    let (tools, link) = (root.join(".tools"), checkout.join(".tools"));
    fs::create_dir_all(&tools).unwrap();
    if !link.exists() {
        symlink(tools.canonicalize().unwrap(), &link).unwrap();
    }
}

/// What git prints.
fn git(folder: &Path, words: &[&str]) -> Result<String, String> {
    let output = Command::new("git").arg("-C").arg(folder).args(words).output();
    let output = output.map_err(|error| format!("git does not run: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("`git {}` ended with {}: {}", words.join(" "), output.status, said.trim()))
}

/// Runs a program to its end; what it prints is seen with what the test prints.
fn run(command: &mut Command) {
    let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}
