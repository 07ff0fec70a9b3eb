//! Finds what Debian packages, or says which command installs it; runs helper programs.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Doing, StackError};

/// How much of a failed program's output an error shows.
const OUTPUT_LINES: usize = 20;

/// A program on PATH.
pub(super) fn find(program: &str, remedy: &str) -> Result<PathBuf, StackError> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| StackError::ProgramMissing { program: program.to_owned(), remedy: remedy.to_owned() })
}

/// PostgreSQL's programs, which Debian keeps apart by version.
pub(super) fn postgres_bin(major: u32) -> Result<PathBuf, StackError> {
    let bin = PathBuf::from(format!("/usr/lib/postgresql/{major}/bin"));
    if bin.join("initdb").is_file() {
        return Ok(bin);
    }
    let remedy = format!("apt-get install -y postgresql-{major}");
    Err(StackError::ProgramMissing { program: bin.join("initdb").display().to_string(), remedy })
}

/// The first JDK of the right version among JAVA_HOME, PATH and Debian's place for it.
pub(super) fn java_home(major: u32) -> Result<PathBuf, StackError> {
    let on_path = find("java", "").ok().and_then(|java| java.canonicalize().ok());
    let from_path = on_path.and_then(|java| Some(java.parent()?.parent()?.to_owned()));
    let debian = std::fs::read_dir("/usr/lib/jvm")
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect::<Vec<_>>())
        .unwrap_or_default();
    let named = env::var_os("JAVA_HOME").map(PathBuf::from);
    let mut found = None;
    for home in named.into_iter().chain(from_path).chain(debian) {
        match java_major(&home) {
            // Maven compiles the sink, so a JRE alone will not do.
            Some(version) if version == major && home.join("bin/javac").is_file() => return Ok(home),
            Some(version) if found.is_none() => {
                found = Some(format!("version {version} in {}", home.display()));
            }
            _ => {}
        }
    }
    Err(StackError::JdkMissing { major, found })
}

/// Read from the file that every JDK since 9 carries, which spares starting it.
fn java_major(home: &Path) -> Option<u32> {
    let release = std::fs::read_to_string(home.join("release")).ok()?;
    let version = release.lines().find_map(|line| line.strip_prefix("JAVA_VERSION="))?;
    version.trim_matches('"').split('.').next()?.parse().ok()
}

/// Makes a Python environment.
pub(super) fn make_venv(place: &Path) -> Result<(), StackError> {
    let python = find("python3", "apt-get install -y python3 python3-venv")?;
    run(Command::new(python).args(["-m", "venv"]).arg(place)).map_err(|error| match error {
        StackError::CommandFailed { output, .. } if output.contains("ensurepip") => {
            StackError::ProgramMissing {
                program: "python3 -m venv".to_owned(),
                remedy: "apt-get install -y python3-venv".to_owned(),
            }
        }
        other => other,
    })
}

/// Runs a helper to its end; what it printed becomes part of the error.
pub(crate) fn run(command: &mut Command) -> Result<(), StackError> {
    output(command).map(drop)
}

/// As [`run`], and returns what it printed on standard output.
pub(crate) fn output(command: &mut Command) -> Result<String, StackError> {
    let line = || {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
    };
    let line = line();
    let output = command.stdin(std::process::Stdio::null()).output().doing(|| format!("run {line}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8_lossy(&printed);
    let lines = printed.lines().collect::<Vec<_>>();
    let output_end = lines[lines.len().saturating_sub(OUTPUT_LINES)..].join("\n");
    Err(StackError::CommandFailed { command: line, status: output.status.to_string(), output: output_end })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_names_the_command_that_installs_it() {
        let error = find("no-such-program", "apt-get install -y maven").unwrap_err().to_string();
        assert_eq!(error, "`no-such-program` not found; install it with `apt-get install -y maven`");
        let error = postgres_bin(9).unwrap_err().to_string();
        assert!(error.contains("apt-get install -y postgresql-9"), "{error}");
    }

    #[test]
    fn a_missing_jdk_names_the_package_and_what_was_found() {
        let error = java_home(99).unwrap_err().to_string();
        assert!(error.contains("apt-get install -y openjdk-99-jdk-headless"), "{error}");
        assert!(error.contains("found version 17"), "{error}");
    }

    #[test]
    fn a_failed_helper_shows_what_it_printed() {
        let error = run(Command::new("sh").args(["-c", "echo why >&2; exit 3"])).unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.ends_with("why"), "{error}");
    }
}
