//! `storepulse alerts`: with the owner's connection, as `storepulse console user`.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use ::console::alerts::command::{self, Said, Sent};
use ::console::alerts::{Matcher, Settings, Severity, silence_length};
use anyhow::Context;
use chrono::{TimeDelta, Utc};
use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use tokio_postgres::Client;

use crate::connect;
use crate::console::accounts::own_name;

const EXAMPLES: &str = "\
Examples:
  storepulse alerts list                                show what fires and what is silenced
  storepulse alerts rules                               show every rule, and what to do then
  storepulse alerts test ops-hook --alerts alerts.toml  send a test notice to a target
  storepulse alerts silence FiguresLate --for 2h --reason 'load test'
  storepulse alerts silence --severity warning --for 8h --reason 'moving house'
  storepulse alerts silence ServiceDown --about kafka --for 30m --reason 'new brokers'
  storepulse alerts unsilence 4
  storepulse alerts render > alerts.yml                 print the same rules for Prometheus
  echo '{\"kind\": \"backup failed\"}' | storepulse alerts send --source backup";
/// How long PostgreSQL may take, where it is not needed.
const NOTED: Duration = Duration::from_secs(3);

#[derive(Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum AlertsCommand {
    /// Show firing alerts, silences and undelivered notices, as the console last recorded them.
    List(ListArgs),
    /// Show every rule: its signal, when it fires, and what to do then.
    Rules(RulesArgs),
    /// Send one test notice to a target. Exits 1 if the target does not accept it.
    Test(TestArgs),
    /// Withhold notices for a time: those of one rule, of one severity, about one service or query, or all of
    /// them. The withheld notices are counted.
    Silence(SilenceArgs),
    /// End a silence.
    Unsilence(UnsilenceArgs),
    /// Send the JSON or text on standard input to every target. Other programs, such as Airflow, use this
    /// command.
    ///
    /// Each target receives the notice once. If a delivery fails, the console repeats it. Exits 1 if a
    /// delivery failed and the console cannot repeat it.
    Send(SendArgs),
    /// Print the rules as Prometheus alerts, with the changes that the alerts file makes.
    Render(FileArgs),
}

#[derive(Args)]
pub(crate) struct FileArgs {
    /// The alerts file: it names the targets and changes rules.
    #[arg(long = "alerts", value_name = "FILE", env = "STOREPULSE_ALERTS_FILE")]
    file: Option<PathBuf>,
    /// A shell command as a further target. It gets each notice as JSON on standard input.
    #[arg(long, value_name = "COMMAND", env = "STOREPULSE_ALERT_COMMAND", hide_env_values = true)]
    alert_command: Option<String>,
}

impl FileArgs {
    pub(crate) fn settings(self) -> anyhow::Result<Settings> {
        // Containers cannot leave a variable out, only empty.
        let file = self.file.filter(|file| !file.as_os_str().is_empty());
        Ok(Settings::new(file.as_deref(), self.alert_command)?)
    }
}

#[derive(Args)]
pub(crate) struct ListArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct RulesArgs {
    #[command(flatten)]
    file: FileArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct TestArgs {
    /// The name of the target in the alerts file.
    target: String,
    #[command(flatten)]
    file: FileArgs,
}

#[derive(Args)]
pub(crate) struct SilenceArgs {
    /// The rule to silence. The default is all rules.
    rule: Option<String>,
    /// Silence only this severity: warning or critical.
    #[arg(long)]
    severity: Option<Severity>,
    /// Silence only alerts about this service or query, as `list` shows it.
    #[arg(long, value_name = "SUBJECT")]
    about: Option<String>,
    /// The length of the silence, for example 30m, 2h or 3d. The maximum is seven days.
    #[arg(long = "for", value_name = "TIME", value_parser = silence_length)]
    length: TimeDelta,
    /// The reason, which other operators see.
    #[arg(long)]
    reason: String,
}

#[derive(Args)]
pub(crate) struct UnsilenceArgs {
    /// The number of the silence, as `list` shows it.
    silence: i64,
}

#[derive(Args)]
pub(crate) struct SendArgs {
    /// The name of the sender.
    #[arg(long, default_value = "command")]
    source: String,
    /// The name of the incident, for example `backup of 2026-11-29`. Each target receives an incident once,
    /// even if it is sent again.
    #[arg(long, value_name = "NAME")]
    incident: Option<String>,
    #[command(flatten)]
    file: FileArgs,
}

async fn client() -> anyhow::Result<Client> {
    Ok(provision::connect(&connect::pg_url()?).await?)
}

pub(crate) async fn run(command: AlertsCommand) -> anyhow::Result<ExitCode> {
    match command {
        AlertsCommand::List(args) => list(&args).await,
        AlertsCommand::Rules(args) => rules(args),
        AlertsCommand::Test(args) => test(args).await,
        AlertsCommand::Silence(args) => silence(args).await,
        AlertsCommand::Unsilence(args) => {
            command::end_silence(&client().await?, args.silence).await?;
            println!("silence {} has ended", args.silence);
            Ok(ExitCode::SUCCESS)
        }
        AlertsCommand::Send(args) => send(args).await,
        AlertsCommand::Render(args) => {
            crate::say::out(::console::alerts::render(&args.settings()?).trim_end());
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn list(args: &ListArgs) -> anyhow::Result<ExitCode> {
    let listed = command::list(&client().await?).await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&listed)?);
        return Ok(ExitCode::SUCCESS);
    }
    if listed.alerts.is_empty() {
        println!("no alert is firing");
    } else {
        let mut table = table(&["alert", "about", "state", "since", "what", "what to do"]);
        for alert in listed.alerts {
            let since = alert.since.format("%Y-%m-%d %H:%M:%S UTC").to_string();
            table.add_row([alert.rule, alert.subject, alert.state, since, alert.summary, alert.action]);
        }
        println!("{table}");
    }
    if !listed.silences.is_empty() {
        let mut table = table(&["silence", "rule", "about", "severity", "until", "why", "by", "kept back"]);
        for silence in listed.silences {
            table.add_row([
                silence.silence_id.to_string(),
                silence.of.rule.unwrap_or_else(|| "any".to_owned()),
                silence.of.subject.unwrap_or_else(|| "any".to_owned()),
                silence.of.severity.map_or("any", Severity::word).to_owned(),
                silence.until.format("%Y-%m-%d %H:%M UTC").to_string(),
                silence.reason,
                silence.by_whom,
                silence.suppressed.to_string(),
            ]);
        }
        println!("{table}");
    }
    if listed.undelivered > 0 {
        println!("{} notices are not delivered yet: the page Alerts says why", listed.undelivered);
    }
    Ok(ExitCode::SUCCESS)
}

fn rules(args: RulesArgs) -> anyhow::Result<ExitCode> {
    let rules = command::rules(&args.file.settings()?);
    if args.json {
        println!("{}", serde_json::to_string_pretty(&rules)?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = table(&["rule", "signal", "fires", "is over", "severity", "what to do"]);
    for rule in rules {
        let severity = if rule.enabled { rule.severity.word() } else { "off" };
        table.add_row([rule.rule, rule.signal, rule.fires, rule.clears, severity.to_owned(), rule.action]);
    }
    println!("{table}");
    Ok(ExitCode::SUCCESS)
}

async fn test(args: TestArgs) -> anyhow::Result<ExitCode> {
    let sent = command::test(&args.file.settings()?, &args.target, &own_name()).await?;
    println!("{}", told(&sent));
    Ok(if sent.delivered { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn told(sent: &Sent) -> String {
    let Sent { target, answer, took_ms, .. } = sent;
    match (sent.delivered, sent.goes_on) {
        (true, _) if *took_ms == 0 => format!("{target} was told before"),
        (true, _) => format!("{target} was told in {took_ms} ms: {answer}"),
        (false, true) => {
            format!("{target} was not told after {took_ms} ms: {answer}; the console goes on trying")
        }
        (false, false) => format!("{target} was not told after {took_ms} ms: {answer}"),
    }
}

async fn silence(args: SilenceArgs) -> anyhow::Result<ExitCode> {
    let SilenceArgs { rule, severity, about, length, reason } = args;
    let of = Matcher { rule, subject: about, severity };
    let number = command::silence(&client().await?, &of, length, &reason, &own_name()).await?;
    let until = (Utc::now() + length).format("%Y-%m-%d %H:%M UTC");
    println!("silence {number} until {until}; `storepulse alerts unsilence {number}` ends it");
    Ok(ExitCode::SUCCESS)
}

async fn send(args: SendArgs) -> anyhow::Result<ExitCode> {
    let settings = args.file.settings()?;
    if settings.target_names().is_empty() {
        eprintln!("there is no target: name an alerts file or a command");
        return Ok(ExitCode::SUCCESS);
    }
    let said = tokio::task::spawn_blocking(|| {
        let mut said = String::new();
        std::io::stdin().lock().read_to_string(&mut said).map(|_| said)
    });
    let said = said.await?.context("standard input cannot be read")?;
    let said = serde_json::from_str(&said).unwrap_or_else(|_| said.trim().into());
    // Somebody is told without PostgreSQL, too: it may be what has failed.
    let client = match tokio::time::timeout(NOTED, client()).await {
        Ok(Ok(client)) => Some(client),
        _ => None,
    };
    let said = Said { source: args.source, incident: args.incident, what: said };
    let sent = command::send(&settings, client.as_ref(), &said).await?;
    for sent in &sent {
        println!("{}", told(sent));
    }
    let lost = sent.iter().any(|sent| !sent.delivered && !sent.goes_on);
    Ok(if lost { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn table(columns: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY).set_header(columns);
    table
}
