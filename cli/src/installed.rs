//! What goes with an installed command: completions for shells, and manual pages. Both come from the words of
//! the command itself.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::say::as_far_as_read;

use crate::Cli;

/// Its options.
#[derive(Args)]
#[command(after_help = "\
Examples:
  source <(storepulse completions bash)      for this shell only
  storepulse completions zsh > _storepulse   into a folder of $fpath

`make install` installs the scripts for bash, zsh and fish.")]
pub(crate) struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

/// Prints a shell's completions.
pub(crate) fn completions(args: &CompletionsArgs) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "storepulse", &mut script);
    as_far_as_read(io::stdout().write_all(&script)).context("could not print the completions")?;
    Ok(ExitCode::SUCCESS)
}

/// Its options.
#[derive(Args)]
#[command(after_help = "\
Example:
  storepulse man ~/.local/share/man/man1 && man storepulse-job-run")]
pub(crate) struct ManArgs {
    /// The folder for the pages, one per command. It is created if it does not exist.
    folder: PathBuf,
}

/// Writes the manual pages.
pub(crate) fn man(args: &ManArgs) -> anyhow::Result<ExitCode> {
    let folder = args.folder.display();
    fs::create_dir_all(&args.folder).with_context(|| format!("could not make the folder {folder}"))?;
    clap_mangen::generate_to(Cli::command(), &args.folder)
        .with_context(|| format!("could not write the pages into {folder}"))?;
    println!("manual pages are in {folder}");
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    /// Every command that help shows, as a manual page is named.
    fn names(command: &clap::Command, so_far: &str, found: &mut Vec<String>) {
        found.push(so_far.to_owned());
        for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
            names(below, &format!("{so_far}-{}", below.get_name()), found);
        }
    }

    #[test]
    fn every_command_has_a_manual_page() {
        let folder = std::env::temp_dir().join(format!("storepulse-man-{}", uuid::Uuid::now_v7()));
        man(&ManArgs { folder: folder.clone() }).unwrap();
        let mut expected = Vec::new();
        names(&Cli::command(), "storepulse", &mut expected);
        assert!(expected.len() > 40, "{expected:?}");
        for name in expected {
            let page = fs::read_to_string(folder.join(format!("{name}.1")))
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(page.contains(".SH NAME") && page.contains(".SH SYNOPSIS"), "{name}");
        }
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn every_shell_completes_every_command() {
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "storepulse", &mut script);
            let script = String::from_utf8(script).unwrap();
            for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
                assert!(script.contains(command.get_name()), "{shell}: {}", command.get_name());
            }
        }
    }
    #[test]
    fn the_table_of_commands_names_every_command() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/commands.md");
        let document = fs::read_to_string(path).unwrap();
        let command = Cli::command();
        for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
            let name = command.get_name();
            let cells = document.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
            let named = [format!("{name} "), format!("{name}`"), format!("`{name} ")];
            let rows: String = cells.filter(|cell| named.iter().any(|named| cell.contains(named))).collect();
            assert!(!rows.is_empty(), "docs/commands.md has no row for `{name}`");
            for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
                let below = below.get_name();
                let told = [format!("`{below}`"), format!("{name} {below}"), format!("`{below} ")];
                assert!(told.iter().any(|told| rows.contains(told)), "docs/commands.md: `{name} {below}`");
            }
        }
    }
}
