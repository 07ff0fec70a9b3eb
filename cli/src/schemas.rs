//! `storepulse schemas`.

use std::path::PathBuf;
use std::process::ExitCode;

use ::console::subjects::{self, SubjectError};
use anyhow::Context;
use clap::{Args, Subcommand};

use crate::connect;

#[derive(Subcommand)]
pub(crate) enum SchemasCommand {
    /// Judge a schema as the next version of a subject; exits 1 where something is against it. Nothing is registered.
    Check(SchemaArgs),
    /// Register a version of a subject that the contract does not own, after a check that finds nothing against it.
    Register(SchemaArgs),
}

#[derive(Args)]
pub(crate) struct SchemaArgs {
    /// The subject, as `shop.returns-value`.
    subject: String,
    /// The schema, as JSON.
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
