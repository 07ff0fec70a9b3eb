//! `storepulse stack`.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use comfy_table::{CellAlignment, Table, presets};
use stack::{Health, PlainText, Service, ServiceStatus, Stack, StackConfig};
use tokio_util::sync::CancellationToken;

use crate::container::{self, ExecArgs, HealthArgs};
use crate::{connect, console, interrupt};

#[derive(Subcommand)]
pub(crate) enum StackCommand {
    #[command(flatten)]
    Here(HereCommand),
    /// Start the service of this container. Only for containers of Storepulse's images. The command renders
    /// the configuration, creates what the first start needs, and replaces itself with the service.
    Exec(ExecArgs),
    /// Check the health of this container's service, in the service's own protocol. Only for containers of
    /// Storepulse's images. If the service is not healthy, the command prints one line and exits with 1.
    Health(HealthArgs),
}

/// What is done to the stack on this machine.
#[derive(Subcommand)]
pub(crate) enum HereCommand {
    /// Start every service that does not run yet, in dependency order, and wait until each is healthy.
    Up(UpArgs),
    /// Stop every service. The data stays.
    Down(DownArgs),
    /// Show the name, health, pid, port and memory of each service. Exits 1 if a service is not healthy.
    Status(StatusArgs),
    /// Show the end of a service's log.
    Logs(LogsArgs),
    /// Print the addresses of the services as `export` lines: eval "$(storepulse stack env)".
    Env,
}

/// What a stack can have beside the line.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Extra {
    /// Scheduler, API server with its page, and DAG processor.
    Airflow,
}

impl Extra {
    fn services(self) -> &'static [Service] {
        match self {
            Self::Airflow => &Service::AIRFLOW,
        }
    }
}

#[derive(Args)]
pub(crate) struct UpArgs {
    /// Additional services to start.
    #[arg(long, value_name = "EXTRA")]
    with: Vec<Extra>,
    /// Do not serve the Control Center, for example because another program uses its port.
    #[arg(long)]
    no_console: bool,
}

#[derive(Args)]
pub(crate) struct DownArgs {
    /// Stop only these services and leave the others running.
    #[arg(long, value_name = "EXTRA", conflicts_with = "purge")]
    only: Option<Extra>,
    /// Also remove the data, the logs and the secrets.
    #[arg(long)]
    purge: bool,
}

#[derive(Args)]
pub(crate) struct StatusArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct LogsArgs {
    /// The service, as `storepulse stack status` names it. The default is all services.
    service: Option<String>,
    /// The number of lines.
    #[arg(long, short = 'n', default_value_t = 40)]
    lines: usize,
}

pub(crate) async fn run(command: StackCommand) -> anyhow::Result<ExitCode> {
    match command {
        StackCommand::Here(command) => here(command).await,
        StackCommand::Exec(args) => container::exec(&args).await,
        StackCommand::Health(args) => container::health(args).await,
    }
}

async fn here(command: HereCommand) -> anyhow::Result<ExitCode> {
    let mut config = StackConfig::main();
    match &command {
        HereCommand::Up(args) => {
            config.services.extend(args.with.iter().flat_map(|extra| extra.services()));
            if !args.no_console {
                config = with_console(config)?;
            }
        }
        HereCommand::Logs(_) => config.services.extend(Service::CONSOLE),
        _ => {}
    }
    let stack = Stack::open(config)?;
    match command {
        HereCommand::Up(args) => {
            up(&stack, &interrupt::token()?).await?;
            println!("the stack is up; `storepulse stack env` prints its addresses");
            if let Some(page) = stack.console_page() {
                let pg_url = connect::of_stack(&stack.env()?)?.pg_url;
                println!("{}", console::invitation(&page, &pg_url).await);
            }
            if args.with.contains(&Extra::Airflow) {
                let (page, login, password_file) = stack.airflow_page();
                println!("airflow: {page} as {login}, password in {}", password_file.display());
            }
        }
        HereCommand::Down(args) => {
            let progress = Arc::new(PlainText);
            if let Some(extra) = args.only {
                return Ok(stack.stop_all(extra.services(), progress).await.map(|()| ExitCode::SUCCESS)?);
            }
            if args.purge { stack.purge(progress).await? } else { stack.down(progress).await? }
        }
        HereCommand::Status(args) => return status(&stack, args.json).await,
        HereCommand::Logs(args) => logs(&stack, &args)?,
        HereCommand::Env => {
            for (name, value) in stack.env()? {
                println!("export {name}='{}'", value.replace('\'', r"'\''"));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// With the Control Center, which this very command serves.
pub(crate) fn with_console(config: StackConfig) -> anyhow::Result<StackConfig> {
    let command = std::env::current_exe().context("the command does not know its own path")?;
    Ok(config.with_console(command))
}

/// Starts the stack; an interrupt stops what had been started.
pub(crate) async fn up(stack: &Stack, cancel: &CancellationToken) -> anyhow::Result<()> {
    let started = std::time::Instant::now();
    tokio::select! {
        result = stack.up(Arc::new(PlainText)) => result?,
        () = cancel.cancelled() => anyhow::bail!("interrupted: what had been started is stopped again"),
    }
    eprintln!("  stack up in {:.1} s", started.elapsed().as_secs_f64());
    Ok(())
}

async fn status(stack: &Stack, json: bool) -> anyhow::Result<ExitCode> {
    let services = stack.status().await?;
    if json {
        println!("{}", serde_json::to_string_pretty(&services)?);
    } else {
        println!("{}", table(&services));
    }
    let healthy = services.iter().all(|service| service.health == Health::Healthy);
    Ok(if healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn table(services: &[ServiceStatus]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(["service", "health", "pid", "port", "memory MiB", ""]);
    let shown = |value: Option<String>| value.unwrap_or_else(|| "-".into());
    for service in services {
        let memory_mib = service.memory_bytes as f64 / f64::from(1 << 20);
        table.add_row([
            service.name.clone(),
            format!("{:?}", service.health).to_lowercase(),
            shown(service.pid.map(|pid| pid.to_string())),
            shown(service.port.map(|port| port.to_string())),
            format!("{memory_mib:.0}"),
            service.problem.clone().unwrap_or_default(),
        ]);
    }
    let total: u64 = services.iter().map(|service| service.memory_bytes).sum();
    let total_mib = format!("{:.0}", total as f64 / f64::from(1 << 20));
    table.add_row(["total", "", "", "", total_mib.as_str(), ""]);
    for index in 2..5 {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn logs(stack: &Stack, args: &LogsArgs) -> anyhow::Result<()> {
    let known: Vec<_> = Service::every().collect();
    let wanted: Vec<_> = match &args.service {
        None => stack.services().collect(),
        Some(name) => known.iter().copied().filter(|service| service.name() == name).collect(),
    };
    if wanted.is_empty() {
        let names = known.iter().map(|service| service.name()).collect::<Vec<_>>().join(", ");
        anyhow::bail!("no such service; there are {names}");
    }
    for service in wanted {
        println!("== {service} ({})", stack.log_path(service).display());
        println!("{}", stack.log_tail(service, args.lines));
    }
    Ok(())
}
