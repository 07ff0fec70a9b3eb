use contracts::validation::{Draft, Rejection};
use uuid::Uuid;

/// A record as a request holds it.
pub(crate) trait SenderRecord {
    /// Reads it: typed, but not yet judged.
    fn draft(&self) -> Result<Draft, Rejection>;

    /// Whose it is, where it names somebody by an id of its source.
    fn visitor(&self, source: &str) -> Option<Uuid>;

    /// What it is known by, so that it is set aside once however often it is sent. Else its bytes tell it
    /// from others.
    fn known_by(&self) -> Option<&str> {
        None
    }

    /// How large it is as it was sent.
    fn size_bytes(&self) -> usize;

    /// What its sender calls a field of ours.
    fn told_as(&self, field: &'static str) -> &'static str {
        field
    }

    /// Its bytes in the JSON of [`ingest::source::draft`], in which it can be judged again.
    fn payload(&self) -> Vec<u8>;
}
