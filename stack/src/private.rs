//! Folders that hold a stack: ours, and shut to other accounts.
//!
//! What stands in a stack's folder is believed: its state file names processes to signal and holds the
//! secrets, and its `jvm.options` are the words that a JVM starts with. Under root the folder may lie in
//! `/var/tmp`, under a name that anybody can work out and make first.

use std::fs::{self, DirBuilder, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use nix::unistd::{Uid, User, geteuid};

use crate::error::{Doing, StackError};

/// Others may pass through, to what is theirs below, and see nothing.
const PASSAGE: u32 = 0o711;
/// Nobody else enters.
const CLOSED: u32 = 0o700;
/// Words that make all that a program and its children write readable by its own account alone; the program
/// takes their place.
pub(crate) const SHUT_TO_OTHERS: [&str; 4] = ["sh", "-c", "umask 077; exec \"$@\"", "sh"];

/// Refuses what another account has made, or a link to elsewhere. What is not there is not refused.
pub(crate) fn refuse_foreign(folder: &Path) -> Result<(), StackError> {
    let metadata = match fs::symlink_metadata(folder) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).doing(|| format!("look at {}", folder.display())),
    };
    if metadata.is_dir() && metadata.uid() == geteuid().as_raw() {
        return Ok(());
    }
    let found = if metadata.is_symlink() {
        "is a link".to_owned()
    } else if metadata.is_dir() {
        let owner = User::from_uid(Uid::from_raw(metadata.uid())).ok().flatten();
        format!("belongs to {}", owner.map_or_else(|| metadata.uid().to_string(), |owner| owner.name))
    } else {
        "is no folder".to_owned()
    };
    Err(StackError::ForeignFolder { path: folder.to_owned(), found })
}

/// Makes a folder, where it is missing, that others may pass through.
pub(crate) fn passage(folder: &Path) -> Result<(), StackError> {
    make(folder, PASSAGE)
}

/// Makes a folder, where it is missing, that nobody else enters.
pub(crate) fn closed(folder: &Path) -> Result<(), StackError> {
    make(folder, CLOSED)
}

fn make(folder: &Path, mode: u32) -> Result<(), StackError> {
    let doing = || format!("create {}", folder.display());
    match DirBuilder::new().mode(mode).create(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => refuse_foreign(folder)?,
        made => made.doing(doing)?,
    }
    // One that was made before, or under a narrower umask.
    fs::set_permissions(folder, Permissions::from_mode(mode)).doing(doing)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use nix::unistd::chown;

    use super::*;

    fn mode(folder: &Path) -> u32 {
        fs::metadata(folder).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_folder_is_shut_even_where_it_was_open_before() {
        let work = tempfile::tempdir().unwrap();
        let folder = work.path().join("stack");
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
        passage(&folder).unwrap();
        assert_eq!(mode(&folder), 0o711);
        closed(&folder).unwrap();
        assert_eq!(mode(&folder), 0o700);
    }

    #[test]
    fn a_link_and_a_file_are_refused() {
        let work = tempfile::tempdir().unwrap();
        let (link, file) = (work.path().join("link"), work.path().join("file"));
        symlink(work.path(), &link).unwrap();
        fs::write(&file, "").unwrap();
        for (path, why) in [(link, "is a link"), (file, "is no folder")] {
            let error = passage(&path).unwrap_err().to_string();
            assert!(error.contains(why) && error.contains(&path.display().to_string()), "{error}");
            assert!(refuse_foreign(&path).is_err());
        }
        refuse_foreign(&work.path().join("nothing")).unwrap();
    }

    #[test]
    fn what_another_account_prepared_is_refused() {
        if !geteuid().is_root() {
            eprintln!("SKIPPED: only root can make a folder of another account");
            return;
        }
        let work = tempfile::tempdir().unwrap();
        let folder = work.path().join("stack");
        fs::create_dir(&folder).unwrap();
        let nobody = User::from_name("nobody").unwrap().unwrap();
        chown(&folder, Some(nobody.uid), None).unwrap();
        let error = closed(&folder).unwrap_err().to_string();
        assert!(error.contains("belongs to nobody"), "{error}");
    }
}
