//! No command shows the password of an address that it was given, and none hands a terminal what a sender
//! wrote.

use std::process::Output;
use std::time::Duration;

use tokio::process::Command;
use tokio::task::JoinSet;

use crate::support::storepulse;

const PASSWORD: &str = "hunter2";
/// Some wait for services that are away: they have said by then what they have to say.
const STOPPED_AFTER: &str = "3";

/// Addresses that lead nowhere, and some that are none: an error quotes those most readily.
const ADDRESSES: [&str; 5] = [
    "postgresql://shop:hunter2@127.0.0.1:1/shop",
    "postgresql://shop:hunter2@127.0.0.1:no-port/shop",
    "postgresql://shop:hunter2/x@[::1/shop",
    "host=127.0.0.1 port=1 user=shop password=hunter2 sslmode=maybe",
    "http://shop:hunter2@127.0.0.1:1/apis",
];

const COMMANDS: &[&str] = &[
    "setup",
    "users --count 1 --source api --api {address}",
    "simulate --rate 1 --duration 1s",
    "simulate --rate 1 --duration 1s --to {address}",
    "collect --http 127.0.0.1:0 --grpc 127.0.0.1:0",
    "relay run",
    "relay status",
    "job run",
    "job run --remote {address}",
    "job status",
    "metrics --listen {address}",
    "alerts list",
    "alerts rules --alerts {alerts}",
    "alerts render --alerts {alerts}",
    "alerts test hook --alerts {alerts}",
    "alerts test mail --alerts {alerts}",
    "alerts test {address} --alerts {alerts}",
    "alerts send --incident backup --alerts {alerts}",
    "alerts silence FiguresLate --about {address} --for 2h --reason test",
    "alerts rules --alerts {broken}",
    "console --listen 127.0.0.1:0 --no-link --alerts {alerts}",
    "console --listen 127.0.0.1:0 --no-link --alerts {broken}",
    "metrics --collector {address} --listen 127.0.0.1:0",
    "console --listen 127.0.0.1:0 --collector {address}",
    "console --public-url {address}",
    "doctor",
    "verify",
    "ledger",
    "quarantine list",
    "reconcile --at {address}",
    "rebuild",
    "retention --keep-days 9 --dry-run",
    "erase 6d0ac2ce-2d3b-5d5c-a1a0-5e5d2c9d7e11",
    "ingest replay {address} --mapping {address}",
    "{address}",
    "--help",
    "users --help",
    "console --help",
    "job run --help",
];

/// Who is told alerts: each way to say so holds what lets somebody in, and none of it may be told.
const ALERTS: &str = r#"
every_ms = 100
[[target]]
name = "hook"
webhook = "http://shop:hunter2@127.0.0.1:1/hook?token=hunter2"
secret = "hunter2-hunter2-hunter2"
[[target]]
name = "mail"
command = "echo hunter2 hunter2 >&2; sleep 0.2; exit 3"
[rule.NothingTakenIn]
for_s = 0
"#;

/// Files that cannot be used, for a reason that stands in the line of a secret or is it.
const BROKEN: [&str; 7] = [
    "[[target]]\nname = \"hook\"\nwebhook = \"ftp://shop:hunter2@127.0.0.1/hunter2\"",
    "[[target]]\nname = \"hook\"\nwebhook = \"http://shop:hunter2@127.0.0.1:no-port/\"",
    "[[target]]\nname = \"hook\"\nwebhook = \"http://127.0.0.1/\"\nsecret = \"hunter2\"",
    "[[target]]\nname = \"hook\"\nwebhook = \"http://127.0.0.1/\"\nsecret = hunter2",
    "[[target]]\nname = \"hook\"\nsecret = [\"hunter2\"]",
    "[[target]]\nname = \"hook\"\nwebhook = \"http://127.0.0.1/?hunter2\" \"x\"",
    "target = \"hunter2\"",
];

/// The files of alerts, gone with the test.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("alerts.toml"), ALERTS).unwrap();
        for (number, text) in BROKEN.iter().enumerate() {
            std::fs::write(folder.path().join(format!("broken-{number}.toml")), text).unwrap();
        }
        Self(folder)
    }

    /// The words of a command for each file that it is tried with.
    fn named(&self, words: &str) -> Vec<String> {
        let path = |name: String| self.0.path().join(name).display().to_string();
        let words = words.replace("{alerts}", &path("alerts.toml".to_owned()));
        if !words.contains("{broken}") {
            return vec![words];
        }
        (0..BROKEN.len())
            .map(|number| words.replace("{broken}", &path(format!("broken-{number}.toml"))))
            .collect()
    }
}

/// Whether a program that runs now has the password in its arguments, which everybody on the machine may
/// read. Those of the commands that are tried have it where this test gave it to them.
fn shown_by_a_process() -> Option<String> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let arguments = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    arguments
        .map(|arguments| String::from_utf8_lossy(&arguments).replace('\0', " "))
        .find(|arguments| arguments.starts_with("sh ") && arguments.contains(PASSWORD))
}

/// Runs a command with an address wherever one can be given, and everything logged.
async fn run(words: &str, address: &str) -> Output {
    let words = words.split(' ').map(|word| word.replace("{address}", address));
    let mut command = Command::new("timeout");
    command.arg(STOPPED_AFTER).arg(storepulse()).arg("--log").arg("trace").args(words);
    let variables = [
        "PG_URL",
        "SCHEMA_REGISTRY_URL",
        "SPARK_REMOTE",
        "STOREPULSE_USERS_API",
        "STOREPULSE_COLLECTOR_URL",
        "STOREPULSE_CONSOLE_PUBLIC_URL",
    ];
    command.envs(variables.map(|variable| (variable, address)));
    command.env("SPARK_REMOTE", format!("sc://127.0.0.1:1/;x-storepulse-secret={PASSWORD}"));
    command
        .env("STOREPULSE_COLLECTOR_KEY", PASSWORD)
        .env("STOREPULSE_COLLECTOR_KEYS", format!("web {PASSWORD}"));
    command.env("KAFKA_BROKERS", "127.0.0.1:1").env("CASSANDRA_CONTACT_POINTS", "127.0.0.1:1");
    command.env("STOREPULSE_CHECKPOINT_ROOT", "file:/nowhere").env("RUST_BACKTRACE", "0");
    command.kill_on_drop(true).output().await.unwrap()
}

#[tokio::test]
async fn no_command_shows_a_password() {
    let files = Files::new();
    let words: Vec<String> = COMMANDS.iter().flat_map(|words| files.named(words)).collect();
    // What is said of a file of alerts does not depend on the services' addresses.
    let runs = words.iter().flat_map(|words| {
        let addresses = if words.contains("--alerts") { 1 } else { ADDRESSES.len() };
        ADDRESSES.into_iter().take(addresses).map(move |address| (words.clone(), address))
    });
    let runs: Vec<_> = runs.collect();
    // A few at a time: they share two cores with the rest.
    for some in runs.chunks(10) {
        let mut outputs = JoinSet::new();
        for (words, address) in some.iter().cloned() {
            outputs.spawn(async move {
                let output = run(&words, address).await;
                (words, address, output)
            });
        }
        let mut ended = Vec::new();
        let mut look = tokio::time::interval(Duration::from_millis(20));
        while !outputs.is_empty() {
            tokio::select! {
                Some(one) = outputs.join_next() => ended.push(one.unwrap()),
                _ = look.tick() => assert_eq!(shown_by_a_process(), None),
            }
        }
        for (words, address, Output { stdout, stderr, status }) in ended {
            let printed = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
            assert!(!printed.contains(PASSWORD), "`{words}` at {address}: {status}\n{printed}");
            let is_control = |c: char| c.is_control() && c != '\n';
            assert!(!printed.contains(is_control), "`{words}` at {address}: {printed:?}");
        }
    }
}

#[tokio::test]
async fn a_name_cannot_write_to_the_terminal() {
    let rude = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}\u{9b}31m";
    for words in [
        "ingest replay {address} --mapping m",
        "collect --keys {address}",
        "{address}",
        "users --source {address}",
        "verify --only {address}",
    ] {
        let Output { stdout, stderr, .. } = run(words, rude).await;
        let printed = String::from_utf8([stdout, stderr].concat()).unwrap();
        assert!(
            !printed.contains(|c: char| c != '\n' && contracts::printable::is_hidden(c)),
            "`{words}`: {printed:?}"
        );
    }
}
