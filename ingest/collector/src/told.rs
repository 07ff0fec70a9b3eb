use contracts::validation::{Draft, Rejection};

/// A record as a request holds it.
pub(crate) trait Told {
    /// Reads it: typed, but not yet judged.
    fn draft(&self) -> Result<Draft, Rejection>;

    /// Its bytes in the JSON of [`ingest::source::draft`], in which it can be judged again.
    fn payload(&self) -> Vec<u8>;
}
