//! Reads a password: from the terminal without showing it, or from standard input where that is no terminal.

use std::io::{BufRead, IsTerminal, Write, stdin};

use ::console::accounts::SHORTEST_PASSWORD;
use anyhow::Context;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// Exit code after Ctrl-C: 128 + SIGINT.
const INTERRUPTED: i32 = 130;

/// Keeps the terminal from showing what is typed, until it is dropped.
struct Silence(Termios);

impl Silence {
    fn begin() -> anyhow::Result<Self> {
        let before = tcgetattr(stdin()).context("the terminal does not say how it is set")?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        silent.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(stdin(), OptionalActions::Flush, &silent)
            .context("the terminal's echo cannot be turned off")?;
        Ok(Self(before))
    }

    fn end(&self) {
        let _ = tcsetattr(stdin(), OptionalActions::Now, &self.0);
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        self.end();
    }
}

/// The password of somebody, typed twice alike.
pub(super) async fn read(name: &str) -> anyhow::Result<String> {
    if !stdin().is_terminal() {
        return line().await.context("standard input holds no password");
    }
    let silence = Silence::begin()?;
    let typed = async {
        let first = asked(&format!("password for {name}, at least {SHORTEST_PASSWORD} characters: ")).await?;
        let second = asked("once more: ").await?;
        anyhow::ensure!(first == second, "the two are not the same");
        Ok(first)
    };
    tokio::select! {
        typed = typed => typed,
        _ = tokio::signal::ctrl_c() => {
            silence.end();
            eprintln!();
            std::process::exit(INTERRUPTED);
        }
    }
}

async fn asked(question: &str) -> anyhow::Result<String> {
    eprint!("{question}");
    std::io::stderr().flush()?;
    line().await.context("nothing was typed")
}

/// A line without its end.
async fn line() -> anyhow::Result<String> {
    let line = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        stdin().lock().read_line(&mut line).map(|_| line)
    });
    without_end(&line.await??)
}

fn without_end(line: &str) -> anyhow::Result<String> {
    let line = line.strip_suffix('\n').unwrap_or(line);
    let line = line.strip_suffix('\r').unwrap_or(line);
    anyhow::ensure!(!line.is_empty(), "the line is empty");
    Ok(line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_loses_its_end_and_nothing_else() {
        for (line, password) in [(" a b \n", " a b "), ("a\r\n", "a"), ("a", "a"), ("a\n\n", "a\n")] {
            assert_eq!(without_end(line).unwrap(), password);
        }
        assert!(without_end("\n").is_err() && without_end("").is_err());
    }
}
