//! One file: what it is called, what it holds, and how it is written.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::HistoryError;
use crate::mapping::{Format, Mapping};

/// Bytes that are hashed at once.
const HASHED_BYTES: usize = 1 << 20;

/// An open file. What is appended to it after it was opened is not read: its digest is that of what is.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) format: Format,
    pub(crate) size_bytes: u64,
    /// Of values in a CSV file.
    pub(crate) delimiter: u8,
    file: File,
}

impl Source {
    pub(crate) fn open(path: &Path, mapping: &Mapping) -> Result<Self, HistoryError> {
        let read = |source| HistoryError::Read { path: path.to_owned(), source };
        let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
        let by_ending = match ending.as_deref() {
            Some("csv" | "tsv" | "txt") => Some(Format::Csv),
            Some("ndjson" | "jsonl" | "json") => Some(Format::Ndjson),
            Some("parquet" | "pq") => Some(Format::Parquet),
            _ => None,
        };
        let format = mapping.format().or(by_ending);
        let format = format.ok_or_else(|| HistoryError::UnknownFormat { path: path.to_owned() })?;
        let by_ending = if ending.as_deref() == Some("tsv") { b'\t' } else { b',' };
        let file = File::open(path).map_err(read)?;
        let metadata = file.metadata().map_err(read)?;
        if !metadata.is_file() {
            return Err(read(std::io::Error::from(std::io::ErrorKind::InvalidInput)));
        }
        Ok(Self {
            path: path.to_owned(),
            format,
            size_bytes: metadata.len(),
            delimiter: mapping.csv().delimiter.unwrap_or(by_ending),
            file,
        })
    }

    /// The name without its folders, by which rows of it are found again.
    pub(crate) fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or(self.path.as_os_str());
        // Coordinates are text, which holds no NUL and should stay on its line.
        name.to_string_lossy().replace(char::is_control, "\u{fffd}")
    }

    /// SHA-256 of its bytes, hex; `progress` is told how many were read, and says `false` to stop.
    pub(crate) fn sha256(
        &self,
        mut progress: impl FnMut(u64) -> bool,
    ) -> Result<Option<String>, HistoryError> {
        let mut bytes = self.bytes()?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; HASHED_BYTES];
        let mut done = 0;
        loop {
            let count = bytes.read(&mut buffer).map_err(|source| self.unreadable(source))?;
            if count == 0 {
                return Ok(Some(format!("{:x}", hasher.finalize())));
            }
            hasher.update(&buffer[..count]);
            done += count as u64;
            if !progress(done) {
                return Ok(None);
            }
        }
    }

    /// Its bytes from the start.
    pub(crate) fn bytes(&self) -> Result<impl Read + Send + use<>, HistoryError> {
        Ok(self.handle()?.take(self.size_bytes))
    }

    /// Another handle on the same file, at its start, also where it was replaced under its name meanwhile.
    /// All handles share a place: one at a time is read.
    pub(crate) fn handle(&self) -> Result<File, HistoryError> {
        let mut file = self.file.try_clone().map_err(|source| self.unreadable(source))?;
        file.seek(SeekFrom::Start(0)).map_err(|source| self.unreadable(source))?;
        Ok(file)
    }

    pub(crate) fn unreadable(&self, source: std::io::Error) -> HistoryError {
        HistoryError::Read { path: self.path.clone(), source }
    }
}
