//! From which country a request comes: by a header that the operator's proxy sets, else by the client's
//! address and the operator's file.
//!
//! The address is used for that alone. It is neither stored nor logged.

mod address;
mod file;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName};
use contracts::event;
use tokio_util::sync::CancellationToken;

use file::CountryFile;

/// How the country of a request is found. By default not at all.
#[derive(Debug, Clone, Default)]
pub struct Country {
    header: Option<HeaderName>,
    file: Option<Arc<CountryFile>>,
    address_header: Option<HeaderName>,
}

/// Settings by which no country can be found.
#[derive(Debug, thiserror::Error)]
pub enum CountryError {
    /// No header is called so.
    #[error("{name:?} is not the name of a header: use one as in {example}")]
    Header {
        /// What was given.
        name: String,
        /// One that may be meant.
        example: &'static str,
    },
    /// Addresses are of no use without a file.
    #[error(
        "a header with the client's address needs --country-file: without the file, the country is not known"
    )]
    NoFile,
    /// The file cannot be read, or is of another format.
    #[error("cannot read {} as a file of countries: use one in MaxMind's format, such as GeoLite2-Country.mmdb", .path.display())]
    File {
        path: PathBuf,
        /// Why not.
        #[source]
        source: maxminddb::MaxMindDbError,
    },
    /// The file is about something else, such as networks' owners.
    #[error("{} has no countries (country/iso_code): use one such as GeoLite2-Country.mmdb", .0.display())]
    NoCountries(PathBuf),
}

impl Country {
    /// Finds it by a header with the country, by a file and the client's address, or by both: the header
    /// first. The client's address is that of the peer, unless a header of the operator's proxy tells it.
    ///
    /// # Errors
    /// For what is no name of a header, and a file without countries.
    pub fn new(
        header: Option<&str>,
        file: Option<&Path>,
        address_header: Option<&str>,
    ) -> Result<Self, CountryError> {
        if address_header.is_some() && file.is_none() {
            return Err(CountryError::NoFile);
        }
        Ok(Self {
            header: named(header, "CF-IPCountry")?,
            file: file.map(CountryFile::open).transpose()?.map(Arc::new),
            address_header: named(address_header, "X-Forwarded-For")?,
        })
    }

    /// The country of a request.
    pub(crate) fn of(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> Option<event::Country> {
        let told = self.header.as_ref().and_then(|header| headers.get(header));
        told.and_then(|value| code(value.to_str().ok()?)).or_else(|| {
            let file = self.file.as_ref()?;
            let address = match &self.address_header {
                Some(header) => address::client(headers, header),
                None => peer.map(|peer| peer.to_canonical()),
            };
            code(&file.iso_code(address?)?)
        })
    }

    /// Reads the file again whenever it changes, until the collector stops; nothing where there is none.
    pub(crate) fn follow(
        &self,
        stopping: CancellationToken,
    ) -> std::io::Result<Option<impl Future<Output = ()> + Send + use<>>> {
        self.file.as_ref().map(|file| file::follow(Arc::clone(file), stopping)).transpose()
    }
}

fn named(name: Option<&str>, example: &'static str) -> Result<Option<HeaderName>, CountryError> {
    let named = |name: &str| {
        HeaderName::try_from(name).map_err(|_| CountryError::Header { name: name.to_owned(), example })
    };
    name.map(named).transpose()
}

/// A country's code; proxies write `XX` and `T1` where they do not know it.
fn code(text: &str) -> Option<event::Country> {
    let code = text.trim().to_ascii_uppercase();
    if code == "XX" {
        return None;
    }
    code.parse().ok().filter(|country| *country != event::UNKNOWN_COUNTRY)
}

#[cfg(test)]
mod tests;
