//! A file of countries in MaxMind's format, read again when it changes and on SIGHUP.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use maxminddb::{MaxMindDbError, PathElement, Reader, WithinOptions};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::CountryError;

/// How often the file is looked at. A change is read once the file was the same for two looks: whoever writes
/// it may be half-way.
const EVERY: Duration = Duration::from_millis(500);
/// So many networks are looked through for one with a country.
const SAMPLED_NETWORKS: usize = 10_000;
/// Where a country's code stands.
const ISO_CODE: [PathElement<'_>; 2] = [PathElement::Key("country"), PathElement::Key("iso_code")];

/// Such a file.
#[derive(Debug)]
pub(super) struct CountryFile {
    path: PathBuf,
    /// What the file was when it was first read.
    opened: Stamp,
    reader: RwLock<Arc<Reader<Vec<u8>>>>,
}

/// By what a change is noticed.
type Stamp = Option<(SystemTime, u64)>;

impl CountryFile {
    pub(super) fn open(path: &Path) -> Result<Self, CountryError> {
        // Before it is read: what changes meanwhile is read again.
        let opened = stamp(path);
        let reader = RwLock::new(Arc::new(read(path)?));
        Ok(Self { path: path.to_owned(), opened, reader })
    }

    /// What the file says of an address.
    pub(super) fn iso_code(&self, address: IpAddr) -> Option<String> {
        let reader = Arc::clone(&self.reader.read().unwrap_or_else(PoisonError::into_inner));
        // An IPv6 address in a file of IPv4 is not found, as one that nobody has.
        reader.lookup(address).ok()?.decode_path(&ISO_CODE).ok()?
    }

    /// Reads it again. One that cannot be read leaves the countries as they are.
    fn read_again(&self) {
        let file = self.path.display();
        match read(&self.path) {
            Ok(reader) => {
                *self.reader.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(reader);
                tracing::info!(%file, "the file of countries was read again");
            }
            Err(error) => tracing::error!(
                %file,
                error = &error as &dyn std::error::Error,
                "the file of countries cannot be read again: the earlier one is in use; correct the file"
            ),
        }
    }
}

fn stamp(path: &Path) -> Stamp {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// Reads a file of which at least one network has a country.
fn read(path: &Path) -> Result<Reader<Vec<u8>>, CountryError> {
    let unreadable = |source| CountryError::File { path: path.to_owned(), source };
    let reader = Reader::open_readfile(path).map_err(unreadable)?;
    let has_countries = || {
        for network in reader.networks(WithinOptions::default())?.take(SAMPLED_NETWORKS) {
            if network?.decode_path::<String>(&ISO_CODE)?.is_some() {
                return Ok(true);
            }
        }
        Ok::<_, MaxMindDbError>(false)
    };
    match has_countries() {
        Ok(true) => Ok(reader),
        Ok(false) => Err(CountryError::NoCountries(path.to_owned())),
        Err(error) => Err(unreadable(error)),
    }
}

/// Keeps a file as it is on the disk.
pub(super) fn follow(
    file: Arc<CountryFile>,
    stopping: CancellationToken,
) -> io::Result<impl Future<Output = ()> + Send + use<>> {
    let mut hangups = signal(SignalKind::hangup())?;
    Ok(async move {
        let mut looks = interval(EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut in_use = file.opened;
        let mut seen = in_use;
        loop {
            let is_asked = tokio::select! {
                () = stopping.cancelled() => return,
                _ = hangups.recv() => true,
                _ = looks.tick() => false,
            };
            let stamp = stamp(&file.path);
            let is_settled = stamp == seen;
            seen = stamp;
            if !is_asked && (stamp == in_use || !is_settled) {
                continue;
            }
            in_use = stamp;
            let read = Arc::clone(&file);
            // Tens of megabytes: not for a thread that polls. It only fails with the runtime.
            let _ = tokio::task::spawn_blocking(move || read.read_again()).await;
        }
    })
}
