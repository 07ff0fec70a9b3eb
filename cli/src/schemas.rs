//! `storepulse schemas`.

use std::path::PathBuf;
use std::process::ExitCode;

use ::console::subjects::{self, SubjectError};
use anyhow::Context;
use clap::{Args, Subcommand};

use crate::connect;

#[derive(Subcommand)]
pub(crate) enum SchemasCommand {
    /// Check a schema as the next version of a subject, and register nothing. Exits 1 if the schema is
    /// refused.
    Check(SchemaArgs),
    /// Register the next version of a subject, if a check accepts it. The subject must not belong to the
    /// contract.
    Register(SchemaArgs),
}

#[derive(Args)]
pub(crate) struct SchemaArgs {
    /// The subject, for example `shop.returns-value`.
    subject: String,
    /// The file with the schema, in JSON.
    file: PathBuf,
}

pub(crate) async fn run(command: SchemasCommand) -> anyhow::Result<ExitCode> {
    let endpoints = connect::endpoints()?;
    let (SchemasCommand::Check(args) | SchemasCommand::Register(args)) = &command;
    let text = std::fs::read_to_string(&args.file)
        .with_context(|| format!("could not read {}", args.file.display()))?;
    if let SchemasCommand::Check(_) = command {
        let judged = subjects::check(&endpoints, &args.subject, &text).await?;
        println!("{}", judged.lines.join("\n"));
        return Ok(if judged.may_come_in { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    match subjects::register(&endpoints, &args.subject, &text).await {
        Ok(id) => {
            println!("registered, its schema has id {id}");
            Ok(ExitCode::SUCCESS)
        }
        Err(SubjectError::Refused(judged)) => {
            println!("{}", judged.lines.join("\n"));
            anyhow::bail!(
                "nothing was registered: the check refuses the schema, or the subject has this version already"
            )
        }
        Err(error) => Err(error.into()),
    }
}
