//! Holds launches in containers to those in `recorded/`. A shell script made these for years, before there
//! was `stack exec`; they were recorded from it.
//!
//! A file has what a container finds (its name, what `docker-compose.yml` gives it, the words) and what it
//! becomes: words, what it adds to the environment, working folder. Of each rendered file it has the lines
//! that no template has (`+`), and those without a placeholder that the file lacks (`-`).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::{Container, Role};
use crate::error::StackError;
use crate::layout::Checkout;
use crate::site::{Surroundings, Templates};

/// What the script did not set: PostgreSQL's own programs find the server as they do on this machine.
const BEYOND: [&str; 5] = ["PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE"];
const SECRETS: [&str; 7] = [
    "postgres_password",
    "registry_password",
    "airflow_password",
    "airflow_login",
    "airflow_signing_key",
    "connect_secret",
    "jupyter_token",
];

/// A container on this checkout's templates, and what it is given.
struct Found<'a> {
    host: &'a str,
    given: BTreeMap<&'a str, &'a str>,
    words: Vec<String>,
}

impl<'a> Found<'a> {
    fn new(host: &'a str, given: &[(&'a str, &'a str)], words: &str) -> Self {
        let given = given.iter().copied().collect();
        Self { host, given, words: words.split(' ').map(str::to_owned).collect() }
    }

    /// The lines at the top of a recorded file.
    fn read(text: &'a str) -> Self {
        let (mut given, mut host, mut words) = (Vec::new(), "", "");
        for line in text.lines().take_while(|line| !line.is_empty()) {
            match line.split_once(' ').unwrap() {
                ("host", name) => host = name,
                ("given", variable) => given.push(variable.split_once('=').unwrap()),
                ("exec", line) => words = line,
                other => panic!("{other:?}"),
            }
        }
        Self::new(host, &given, words)
    }

    fn container(&self) -> Result<Container, StackError> {
        let folder = tempfile::tempdir().unwrap().keep();
        for name in SECRETS {
            fs::write(folder.join(name), format!("the-{}-of-the-test\n", name.replace('_', "-"))).unwrap();
        }
        let secrets = folder.display().to_string();
        let variable = |name: &str| match name {
            "STOREPULSE_SECRETS" => Some(secrets.clone()),
            "PATH" => Some("/usr/bin".to_owned()),
            name => self.given.get(name).map(|&value| value.to_owned()),
        };
        let address = Some("172.18.0.5".parse().unwrap());
        let mut container =
            Container::of(&Surroundings { variable: &variable, host: self.host.to_owned(), address })?;
        let checkout = Checkout::find()?;
        container.site.templates =
            Templates { services: checkout.services(""), spark: checkout.spark().join("conf") };
        container.site.tools.java_home = "/opt/storepulse/jdk".into();
        Ok(container)
    }

    /// What becomes of it, as a recorded file says it.
    fn said(&self) -> Result<String, StackError> {
        let container = self.container()?;
        let (name, words) = self.words.split_first().unwrap();
        let role = name.parse::<Role>()?;
        let launch = container.launch(role, words);
        let folder = container.folder(role);
        fs::remove_dir_all(&container.secrets).unwrap();
        let launch = launch?;
        let mut said = format!("== words\n{}\n\n== environment\n", launch.words.join("\n"));
        for (name, value) in &launch.environment {
            if !BEYOND.contains(&name.as_str()) && self.given.get(name.as_str()) != Some(&value.as_str()) {
                writeln!(said, "{name}={value}").unwrap();
            }
        }
        write!(said, "\n== folder\n{}\n", folder.display()).unwrap();
        let templates = container.site.templates;
        let conf = launch.conf.folder().file_name().map(|name| name.to_str().unwrap()).unwrap_or_default();
        for (file, text) in launch.conf.files() {
            // Of the checkout's folder, and elsewhere in the image.
            if file != "keep-running" {
                write!(said, "\n== {conf}/{file}\n").unwrap();
                said += &difference(&templates.of(conf).join(file), text);
            }
        }
        Ok(said)
    }
}

/// What rendering made of a template.
fn difference(template: &Path, rendered: &str) -> String {
    let template = fs::read_to_string(template).unwrap();
    let mut kept = rendered.lines().map(Some).collect::<Vec<_>>();
    let mut gone = String::new();
    for line in template.lines() {
        match kept.iter_mut().find(|kept| **kept == Some(line)) {
            Some(kept) => *kept = None,
            None if line.contains('@') => {}
            None => writeln!(gone, "- {line}").unwrap(),
        }
    }
    kept.into_iter().flatten().fold(gone, |said, line| said + "+ " + line + "\n")
}

#[test]
fn every_container_becomes_what_was_recorded() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/container/recorded");
    let mut compared = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let recorded = fs::read_to_string(&path).unwrap();
        let (_, expected) = recorded.split_once("\n\n").unwrap();
        let said =
            Found::read(&recorded).said().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(said, expected, "{}", path.display());
        compared += 1;
    }
    assert!(compared > 20, "{compared}");
}

#[test]
fn whoever_collects_gets_the_key_by_environment() {
    let found = Found::new("0a1b2c", &[], "storepulse simulate");
    let container = found.container().unwrap();
    let key = |container: &Container| {
        let launch = container.launch(Role::Storepulse, &["simulate".to_owned()]).unwrap();
        launch.environment.get("STOREPULSE_COLLECTOR_KEY").cloned()
    };
    assert_eq!(key(&container), None);
    fs::write(container.secrets.join("collector_key"), "storepulse_0123456789").unwrap();
    assert_eq!(key(&container).as_deref(), Some("storepulse_0123456789"));
    fs::remove_dir_all(&container.secrets).unwrap();
}

#[test]
fn settings_that_cannot_be_are_refused_with_their_name() {
    let refused = |host, given: &[_], words| Found::new(host, given, words).said().unwrap_err().to_string();
    let cluster = ("STOREPULSE_NODES", "3");
    let cases = [
        (refused("kafka", &[("STOREPULSE_NODES", "2")], "kafka"), "STOREPULSE_NODES is 1 or 3, and not `2`"),
        (refused("kafka", &[("KAFKA_MODE", "other")], "kafka"), "KAFKA_MODE is zookeeper or kraft"),
        (
            refused("kafka", &[cluster, ("KAFKA_MODE", "kraft")], "kafka"),
            "KAFKA_MODE=kraft is for one broker",
        ),
        (refused("cassandra-2", &[], "cassandra"), "STOREPULSE_NODES is not 3"),
        (
            refused("0a1b2c", &[("STOREPULSE_ALERTMANAGER", "http://x")], "prometheus"),
            "STOREPULSE_ALERTMANAGER is HOST:PORT",
        ),
        (refused("0a1b2c", &[], "zookeeper --help"), "zookeeper takes no words"),
        (refused("0a1b2c", &[], "nothing"), "no image starts `nothing`"),
    ];
    for (error, expected) in cases {
        assert!(error.contains(expected), "{error}");
    }
}
