//! Where the secrets are: in a stack's state, or in files that the engine mounts into a container.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::StackError;
use crate::state::Secrets;

/// What a secret in a file must have at least.
const LEAST_LENGTH: usize = 16;

/// One of the secrets that services share.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Secret {
    /// Of the cluster's owner.
    Postgres,
    /// Of the registry's role.
    Registry,
    /// Of Airflow's role.
    Airflow,
    /// Of Airflow's page.
    AirflowLogin,
    /// What Airflow signs by.
    AirflowSigning,
    /// What clients of Spark Connect send.
    Connect,
}

/// Whoever has the secrets.
#[derive(Debug, Clone)]
pub(crate) enum Vault {
    /// A stack.
    Kept(Secrets),
    /// A folder with a file for each. A container has those that its service needs.
    Files(PathBuf),
}

impl Vault {
    /// The secret, which is alphanumeric but for `_` and `-`, so that it needs no quoting anywhere.
    pub(crate) fn get(&self, secret: Secret) -> Result<String, StackError> {
        let (name, kept): (_, fn(&Secrets) -> &String) = match secret {
            Secret::Postgres => ("postgres_password", |secrets| &secrets.postgres_password),
            Secret::Registry => ("registry_password", |secrets| &secrets.registry_password),
            Secret::Airflow => ("airflow_password", |secrets| &secrets.airflow_password),
            Secret::AirflowLogin => ("airflow_login", |secrets| &secrets.airflow_login),
            Secret::AirflowSigning => ("airflow_signing_key", |secrets| &secrets.airflow_signing_key),
            Secret::Connect => ("connect_secret", |secrets| &secrets.connect_secret),
        };
        match self {
            Self::Kept(secrets) => Ok(kept(secrets).clone()),
            Self::Files(folder) => read(folder, name),
        }
    }
}

/// The secret in a file of a folder.
pub(crate) fn read(folder: &Path, name: &str) -> Result<String, StackError> {
    let path = folder.join(name);
    let text = fs::read_to_string(&path).map_err(|source| StackError::SecretMissing {
        name: name.to_owned(),
        path: path.clone(),
        source,
    })?;
    let value = text.trim_end_matches('\n');
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if value.len() < LEAST_LENGTH || !value.chars().all(fits) {
        return Err(StackError::SecretUnfit { path, least: LEAST_LENGTH });
    }
    Ok(value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_comes_from_its_file_without_the_line_s_end() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("connect_secret"), "0123456789-abcdef_\n").unwrap();
        let vault = Vault::Files(folder.path().to_owned());
        assert_eq!(vault.get(Secret::Connect).unwrap(), "0123456789-abcdef_");
        let error = vault.get(Secret::Postgres).unwrap_err().to_string();
        assert!(error.contains("postgres_password") && error.contains("make compose-secrets"), "{error}");
    }

    #[test]
    fn a_secret_that_needs_quoting_or_is_short_is_refused_and_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        for unfit in ["0123456789abcde", "0123456789abcdef'; drop table", ""] {
            fs::write(folder.path().join("connect_secret"), unfit).unwrap();
            let error = read(folder.path(), "connect_secret").unwrap_err().to_string();
            assert!(error.contains("16 or more"), "{error}");
            assert!(unfit.is_empty() || !error.contains(unfit), "{error}");
        }
    }
}
