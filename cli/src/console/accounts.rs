//! `storepulse console user`, `key` and `link`: with the owner's connection, so that who can read the stack's
//! secrets decides.

use std::process::ExitCode;

use ::console::accounts::{self, Role};
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use tokio_postgres::Client;

use super::password;
use crate::connect;

/// Where a console listens unless told otherwise.
const LOCAL: &str = "http://127.0.0.1:56090";
const USER_EXAMPLES: &str = "\
Examples:
  storepulse console user add ana                      add a viewer and ask for the password
  pass show ana | storepulse console user add ana      read the password from standard input
  storepulse console user add ben --role operator      add an operator";
const KEY_EXAMPLES: &str = "\
Examples:
  storepulse console key add notebook
  curl -H 'Authorization: Bearer KEY' http://127.0.0.1:56090/api/v1/line
  storepulse console key revoke notebook";
const LINK_EXAMPLES: &str = "\
Examples:
  storepulse console link
  storepulse console link --name ana --role viewer
  storepulse console link --url https://shop.example";

#[derive(Subcommand)]
#[command(after_help = USER_EXAMPLES)]
pub(crate) enum UserCommand {
    /// Add a user. The command asks for the password on a terminal, and reads it from standard input
    /// otherwise.
    Add(AddArgs),
    /// Set a new password for a user. The sessions of the user end.
    Password(NameArgs),
    /// Disable a user. The sessions of the user end within seconds.
    Disable(NameArgs),
    /// Enable a disabled user.
    Enable(NameArgs),
    /// List all users.
    List,
}

#[derive(Args)]
#[command(after_help = USER_EXAMPLES)]
pub(crate) struct AddArgs {
    /// The name: 1 to 32 lower-case letters, digits, dots, dashes and underscores, starting with a letter.
    name: String,
    /// The role. A viewer may look, and an operator may also act.
    #[arg(long, default_value = "viewer")]
    role: Role,
}

#[derive(Args)]
pub(crate) struct NameArgs {
    /// The name of the user. `list` shows all names.
    name: String,
}

#[derive(Args)]
pub(crate) struct KeyArgs {
    /// The name of the key. `list` shows all names.
    name: String,
}

#[derive(Args)]
pub(crate) struct NewKeyArgs {
    /// The name of the new key.
    name: String,
}

#[derive(Subcommand)]
#[command(after_help = KEY_EXAMPLES)]
pub(crate) enum KeyCommand {
    /// Make a key. It is printed once, and only its digest is kept.
    Add(NewKeyArgs),
    /// Revoke a key.
    Revoke(KeyArgs),
    /// List all keys.
    List,
}

#[derive(Args)]
#[command(after_help = LINK_EXAMPLES)]
pub(crate) struct LinkArgs {
    /// The user whom the link signs in. The default is your own name.
    #[arg(long)]
    name: Option<String>,
    /// The role: viewer or operator. The default is the user's own role, and operator for a new user.
    #[arg(long)]
    role: Option<Role>,
    /// The address of the console for browsers.
    #[arg(
        long,
        value_name = "URL",
        env = "STOREPULSE_CONSOLE_PUBLIC_URL",
        hide_env_values = true,
        default_value = LOCAL
    )]
    url: String,
}

/// Who runs the command, as a name that the console takes.
pub(crate) fn own_name() -> String {
    let account = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    accounts::name_of_account(&account.unwrap_or_default())
}

async fn client() -> anyhow::Result<Client> {
    Ok(provision::connect(&connect::pg_url()?).await?)
}

fn sessions(ended: u64) -> String {
    match ended {
        0 => String::new(),
        1 => "; one session ended".to_owned(),
        ended => format!("; {ended} sessions ended"),
    }
}

pub(super) async fn user(command: UserCommand) -> anyhow::Result<ExitCode> {
    match command {
        UserCommand::Add(AddArgs { name, role }) => {
            let mut client = client().await?;
            let password = password::read(&name).await?;
            accounts::add_user(&mut client, &name, role, &password).await?;
            println!("{name} may sign in as {}", role.word());
        }
        UserCommand::Password(NameArgs { name }) => {
            let mut client = client().await?;
            let password = password::read(&name).await?;
            let ended = accounts::change_password(&mut client, &name, &password).await?;
            println!("{name} has a new password{}", sessions(ended));
        }
        UserCommand::Disable(NameArgs { name }) => {
            let ended = accounts::set_disabled(&mut client().await?, &name, true).await?;
            println!("{name} may no longer sign in{}", sessions(ended));
        }
        UserCommand::Enable(NameArgs { name }) => {
            accounts::set_disabled(&mut client().await?, &name, false).await?;
            println!("{name} may sign in again");
        }
        UserCommand::List => {
            let mut table = table(&["name", "role", "signs in by", "since", "signed in", "disabled"]);
            for user in accounts::users(&client().await?).await? {
                let by = if user.has_password { "password" } else { "link" };
                table.add_row([
                    user.name,
                    user.role,
                    by.to_owned(),
                    minute(user.created_at),
                    user.sessions.to_string(),
                    user.disabled_at.map(minute).unwrap_or_default(),
                ]);
            }
            println!("{table}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn key(command: KeyCommand) -> anyhow::Result<ExitCode> {
    match command {
        KeyCommand::Add(NewKeyArgs { name }) => {
            let key = accounts::add_key(&mut client().await?, &name).await?;
            eprintln!("the key of {name}, which is not shown again; send it as `Authorization: Bearer KEY`:");
            println!("{key}");
        }
        KeyCommand::Revoke(KeyArgs { name }) => {
            accounts::revoke_key(&mut client().await?, &name).await?;
            println!("the key of {name} is revoked");
        }
        KeyCommand::List => {
            let mut table = table(&["name", "since", "revoked"]);
            for key in accounts::keys(&client().await?).await? {
                table.add_row([
                    key.name,
                    minute(key.created_at),
                    key.disabled_at.map(minute).unwrap_or_default(),
                ]);
            }
            println!("{table}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn print_link(args: LinkArgs) -> anyhow::Result<ExitCode> {
    let name = args.name.unwrap_or_else(own_name);
    let path = accounts::link(&mut client().await?, &name, args.role).await?;
    // Containers cannot leave a variable out, only empty.
    let url = if args.url.is_empty() { LOCAL } else { args.url.trim_end_matches('/') };
    println!("{url}{path}");
    eprintln!("the link signs {name} in once, within ten minutes");
    Ok(ExitCode::SUCCESS)
}

fn table(columns: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY).set_header(columns);
    table
}

fn minute(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}
