//! Whom to tell, and what this installation has otherwise than the table of rules: a file that only its
//! operator writes.
//!
//! Targets never come from a page, so that nobody who is signed in makes the console call an address.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::rules::{RULES, Severity, rule};
use super::state::Held;

/// How often signals are looked at.
const EVERY: Duration = Duration::from_secs(5);
/// The target that a command on the command line is.
const COMMAND: &str = "command";

/// How alerts are judged and whom they are told.
#[derive(Debug, Clone)]
pub struct Settings {
    pub(crate) targets: Vec<Target>,
    pub(crate) rules: Vec<Held>,
    pub(crate) every: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { targets: Vec::new(), rules: RULES.iter().map(Held::from).collect(), every: EVERY }
    }
}

/// Where notices go.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) way: Way,
}

/// How they get there.
#[derive(Clone)]
pub(crate) enum Way {
    /// A POST; its body is signed where there is a secret.
    Webhook { url: reqwest::Url, secret: Option<Vec<u8>> },
    /// A command of the shell, with the notice on its standard input.
    Command(String),
}

// An address, a secret and a command may each let somebody in.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("name", &self.name).field("kind", &self.kind()).finish_non_exhaustive()
    }
}

impl Target {
    /// In a word.
    pub(crate) const fn kind(&self) -> &'static str {
        match self.way {
            Way::Webhook { .. } => "webhook",
            Way::Command(_) => "command",
        }
    }
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// It cannot be read.
    #[error("cannot read {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// It is no TOML, or has something that is not known. The parser's own words quote the file, which may
    /// hold secrets.
    #[error("{path} cannot be understood{}: {message}", line.map(|line| format!(" in line {line}")).unwrap_or_default())]
    Syntax { path: PathBuf, line: Option<usize>, message: String },
    /// A target is not whole, or twice there.
    #[error("{path}: target {name:?}: {why}")]
    Target { path: PathBuf, name: String, why: &'static str },
    /// There is no such rule, or it cannot be held so.
    #[error("{path}: rule {name:?}: {why}")]
    Rule { path: PathBuf, name: String, why: &'static str },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    target: Vec<TargetEntry>,
    #[serde(default)]
    rule: BTreeMap<String, RuleEntry>,
    every_ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetEntry {
    name: String,
    webhook: Option<String>,
    secret: Option<String>,
    secret_file: Option<PathBuf>,
    command: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleEntry {
    enabled: Option<bool>,
    raise_at: Option<f64>,
    for_s: Option<u32>,
    clear_at: Option<f64>,
    clear_for_s: Option<u32>,
    severity: Option<Severity>,
}

impl Settings {
    /// Those of a file, where there is one, and a command as a target more, where there is one.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn new(file: Option<&Path>, command: Option<String>) -> Result<Self, SettingsError> {
        let mut settings = match file {
            Some(path) => Self::of_file(path)?,
            None => Self::default(),
        };
        if let Some(command) = command.filter(|command| !command.trim().is_empty())
            && settings.target(COMMAND).is_none()
        {
            settings.targets.push(Target { name: COMMAND.to_owned(), way: Way::Command(command) });
        }
        Ok(settings)
    }

    /// The same, and nobody is told: another tells them.
    #[must_use]
    pub fn without_targets(self) -> Self {
        Self { targets: Vec::new(), ..self }
    }

    /// The names of those who are told.
    #[must_use]
    pub fn target_names(&self) -> Vec<String> {
        self.targets.iter().map(|target| target.name.clone()).collect()
    }

    pub(crate) fn target(&self, name: &str) -> Option<&Target> {
        self.targets.iter().find(|target| target.name == name)
    }

    fn of_file(path: &Path) -> Result<Self, SettingsError> {
        let read = |path: &Path| {
            let failed = |source| SettingsError::Read { path: path.to_owned(), source };
            std::fs::read_to_string(path).map_err(failed)
        };
        let text = read(path)?;
        let file: File = toml::from_str(&text).map_err(|error| SettingsError::Syntax {
            path: path.to_owned(),
            line: error.span().and_then(|span| Some(text.get(..span.start)?.matches('\n').count() + 1)),
            message: without_values(error.message()),
        })?;
        let mut settings = Self::default();
        if let Some(ms) = file.every_ms {
            settings.every = Duration::from_millis(ms.clamp(100, 60_000));
        }
        for told in file.target {
            let name = told.name.clone();
            let secret = match &told.secret_file {
                Some(secret) => {
                    let beside = path.parent().unwrap_or(Path::new("")).join(secret);
                    Some(read(&beside)?.trim().to_owned())
                }
                None => told.secret.clone(),
            };
            let target = told.target(secret).map_err(|why| SettingsError::Target {
                path: path.to_owned(),
                name: name.clone(),
                why,
            })?;
            if settings.target(&name).is_some() {
                return Err(SettingsError::Target {
                    path: path.to_owned(),
                    name,
                    why: "the file has it twice",
                });
            }
            settings.targets.push(target);
        }
        for (name, told) in file.rule {
            let refused = |why| SettingsError::Rule { path: path.to_owned(), name: name.clone(), why };
            let held = settings.rules.iter_mut().find(|held| held.rule.name == name);
            let held =
                held.ok_or_else(|| refused("there is no such rule: `storepulse alerts rules` lists them"))?;
            told.put(held).map_err(refused)?;
        }
        Ok(settings)
    }
}

/// A secret that can be guessed signs nothing.
const SHORTEST_SECRET: usize = 16;

impl TargetEntry {
    fn target(self, secret: Option<String>) -> Result<Target, &'static str> {
        let is_name = (1..=32).contains(&self.name.len())
            && self.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if !is_name {
            return Err("use 1 to 32 letters, digits, dots, dashes and underscores as its name");
        }
        let way = match (self.webhook, self.command) {
            (Some(url), None) => {
                let url: reqwest::Url = url.parse().map_err(|_| "its webhook is not a URL")?;
                if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
                    return Err("its webhook is not http:// or https:// with a host");
                }
                if secret.as_ref().is_some_and(|secret| secret.len() < SHORTEST_SECRET) {
                    return Err("its secret has less than 16 characters");
                }
                Way::Webhook { url, secret: secret.map(String::into_bytes) }
            }
            (None, Some(command)) if secret.is_none() => Way::Command(command),
            (None, Some(_)) => return Err("a command has no secret: nothing is signed for it"),
            _ => return Err("give it a webhook or a command, and not both"),
        };
        Ok(Target { name: self.name, way })
    }
}

impl RuleEntry {
    fn put(self, held: &mut Held) -> Result<(), &'static str> {
        held.enabled = self.enabled.unwrap_or(held.enabled);
        held.raise_at = self.raise_at.unwrap_or(held.raise_at);
        // A threshold that is moved alone takes the other one along rather than pass it.
        let follows = match held.rule.op {
            super::rules::Op::Above => held.clear_at.min(held.raise_at),
            super::rules::Op::Below => held.clear_at.max(held.raise_at),
        };
        held.clear_at = self.clear_at.unwrap_or(follows);
        held.for_s = self.for_s.unwrap_or(held.for_s);
        held.clear_for_s = self.clear_for_s.unwrap_or(held.clear_for_s);
        held.severity = self.severity.unwrap_or(held.severity);
        let in_order = match held.rule.op {
            super::rules::Op::Above => held.clear_at <= held.raise_at,
            super::rules::Op::Below => held.clear_at >= held.raise_at,
        };
        if in_order && held.raise_at.is_finite() && held.clear_at.is_finite() {
            Ok(())
        } else {
            Err("clear_at lies beyond raise_at: the alert would end before it begins")
        }
    }
}

/// Whether there is a rule of that name.
#[must_use]
pub fn is_rule(name: &str) -> bool {
    rule(name).is_some()
}

/// What a parser says, without what it quotes of the file: that may be a secret at the wrong place. The names
/// of our own fields stay.
fn without_values(message: &str) -> String {
    let said = |text: &str| text.split([':', '`', '"']).next().unwrap_or_default().trim().to_owned();
    match message.split_once(", expected ") {
        Some((what, expected)) => format!("{}, expected {expected}", said(what)),
        None if message.starts_with("missing field ") => message.to_owned(),
        None => said(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Settings, SettingsError> {
        let folder = std::env::temp_dir().join(format!("storepulse-alerts-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("secret"), "0123456789abcdef\n").unwrap();
        std::fs::write(folder.join("alerts.toml"), text).unwrap();
        let settings = Settings::new(Some(&folder.join("alerts.toml")), None);
        std::fs::remove_dir_all(folder).unwrap();
        settings
    }

    #[test]
    fn a_file_names_targets_and_changes_rules() {
        let settings = read(
            r#"
            [[target]]
            name = "ops-hook"
            webhook = "https://alerts.example/hook?token=s3cret"
            secret_file = "secret"
            [[target]]
            name = "mail"
            command = "mail -s storepulse ops@example.org"
            [rule.RelayNotStreaming]
            for_s = 3
            [rule.FiguresLate]
            raise_at = 4
            [rule.LedgerOld]
            enabled = false
            "#,
        )
        .unwrap();
        assert_eq!(settings.target_names(), ["ops-hook", "mail"]);
        let held = |name: &str| settings.rules.iter().find(|held| held.rule.name == name).unwrap();
        assert_eq!((held("RelayNotStreaming").for_s, held("LedgerOld").enabled), (3, false));
        assert!((held("FiguresLate").clear_at - 4.0).abs() < 1e-9);
        let told = format!("{settings:?}");
        for secret in ["s3cret", "0123456789abcdef", "alerts.example", "ops@example.org"] {
            assert!(!told.contains(secret), "{told}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_without_telling_secrets() {
        for (text, why) in [
            ("[[target]]\nname = \"a\"", "webhook or a command"),
            ("[[target]]\nname = \"a\"\nwebhook = \"file:///etc/passwd\"", "http"),
            ("[[target]]\nname = \"a\"\nwebhook = \"http://h/\"\nsecret = \"short\"", "16"),
            ("[[target]]\nname = \"a b\"\ncommand = \"x\"", "name"),
            ("[[target]]\nname = \"a\"\ncommand = \"x\"\n[[target]]\nname = \"a\"\ncommand = \"y\"", "twice"),
            ("[rule.Nothing]\nfor_s = 1", "no such rule"),
            ("[rule.FiguresLate]\nraise_at = 1\nclear_at = 2", "beyond"),
            ("[[target]]\nname = \"a\"\nhook = \"http://h/?s3cret\"", "in line 3"),
            ("target = \"s3cret\"", "in line 1: invalid type, expected a sequence"),
            ("[[target]]\ns3cret = 1", "unknown field, expected one of `name`"),
            ("[[target]]\nwebhook = \"s3cret\"", "missing field `name`"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(why) && !error.contains("s3cret"), "{text}: {error}");
        }
    }
}
