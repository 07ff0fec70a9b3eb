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
  storepulse alerts list                                what fires, what is silenced
  storepulse alerts rules                               every rule, and what to do when it fires
  storepulse alerts test ops-hook --alerts alerts.toml  tells a target that this is a test
  storepulse alerts silence FiguresLate --for 2h --reason 'load test'
  storepulse alerts silence --severity warning --for 8h --reason 'moving house'
  storepulse alerts silence ServiceDown --about kafka --for 30m --reason 'new brokers'
  storepulse alerts unsilence 4
  storepulse alerts render > alerts.yml                 the same rules for Prometheus
  echo '{\"kind\": \"backup failed\"}' | storepulse alerts send --source backup";
/// How long PostgreSQL may take, where it is not needed.
const NOTED: Duration = Duration::from_secs(3);

#[derive(Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum AlertsCommand {
    /// What fires, what is silenced and what is still to be told, as the console last wrote it.
    List(ListArgs),
    /// Every rule: on what it looks, when it fires, and what to do then.
    Rules(RulesArgs),
    /// Tell a target once that this is a test. Exits 1 when it does not take it.
    Test(TestArgs),
    /// Let a rule, a severity or all of them tell nobody for a while; what they have to tell is counted.
    Silence(SilenceArgs),
    /// End a silence.
    Unsilence(UnsilenceArgs),
    /// Tell every target what standard input holds, as JSON or text: for other programs, as Airflow.
    ///
    /// Each target is told once; where that fails the console goes on trying. Exits 1 when somebody was not told and nobody goes on.
    Send(SendArgs),
    /// Print Prometheus's alerts from the rules, with what the file of alerts changes.
    Render(FileArgs),
}

#[derive(Args)]
pub(crate) struct FileArgs {
    /// The file of alerts: whom to tell, and what differs from the table of rules.
    #[arg(long = "alerts", value_name = "FILE", env = "STOREPULSE_ALERTS_FILE")]
    file: Option<PathBuf>,
    /// A command of the shell that is told too: it gets each notice as JSON on standard input.
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
    /// As the file of alerts names it.
    target: String,
    #[command(flatten)]
    file: FileArgs,
}

#[derive(Args)]
pub(crate) struct SilenceArgs {
    /// Only this rule.
    rule: Option<String>,
    /// Only warning, or only critical.
    #[arg(long)]
    severity: Option<Severity>,
    /// Only about this service or query, as `list` shows it.
    #[arg(long, value_name = "SUBJECT")]
    about: Option<String>,
    /// For how long, as 30m, 2h or 3d; seven days at most.
    #[arg(long = "for", value_name = "TIME", value_parser = silence_length)]
    length: TimeDelta,
    /// Why, for whoever wonders.
    #[arg(long)]
    reason: String,
}

#[derive(Args)]
pub(crate) struct UnsilenceArgs {
    /// As `list` shows it.
    silence: i64,
}

#[derive(Args)]
pub(crate) struct SendArgs {
    /// Who says it.
    #[arg(long, default_value = "command")]
    source: String,
    /// What it is about, as `backup of 2026-11-29`: of one incident each target is told once, however often it is said.
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
            print!("{}", ::console::alerts::render(&args.settings()?));
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
        println!("nothing fires");
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
        println!("{} notices are still to be told: the page Alerts says why", listed.undelivered);
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
        eprintln!("nobody is to be told: name a file of alerts or a command");
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
