//! `cargo run -q -p stack --example stack -- up|down|purge|status|logs <service>|env`

use std::sync::Arc;

use stack::{PlainText, Service, Stack, StackConfig};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let stack = Stack::open(StackConfig::main())?;
    match command.as_str() {
        "up" => {
            tokio::select! {
                result = stack.up(Arc::new(PlainText)) => result?,
                _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
            }
        }
        "down" => stack.down(Arc::new(PlainText)).await?,
        "purge" => stack.purge(Arc::new(PlainText)).await?,
        "status" => {
            for status in stack.status().await? {
                println!("{}", serde_json::to_string(&status)?);
            }
        }
        "logs" => {
            let service = arguments.next().unwrap_or_default().parse::<Service>()?;
            println!("{}", stack.log_tail(service, 100));
        }
        "env" => {
            for (name, value) in stack.env()? {
                println!("export {name}='{value}'");
            }
        }
        other => anyhow::bail!("no command `{other}`; there are up, down, purge, status, logs, env"),
    }
    Ok(())
}
