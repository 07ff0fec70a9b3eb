use contracts::Reason;
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

/// What stands in a request for a record: one, or bytes that are none. Those cost no other record.
#[derive(Debug)]
pub(crate) enum Sent<T, B> {
    /// A record.
    Record(T),
    /// No record.
    Broken {
        /// The bytes, as they came.
        bytes: B,
        /// Why they are none.
        why: String,
    },
}

impl<T: SenderRecord, B: AsRef<[u8]>> SenderRecord for Sent<T, B> {
    fn draft(&self) -> Result<Draft, Rejection> {
        match self {
            Self::Record(record) => record.draft(),
            Self::Broken { why, .. } => {
                Err(Rejection { reason: Reason::Malformed, field: "event", detail: why.clone() })
            }
        }
    }

    fn visitor(&self, source: &str) -> Option<Uuid> {
        match self {
            Self::Record(record) => record.visitor(source),
            Self::Broken { .. } => None,
        }
    }

    fn known_by(&self) -> Option<&str> {
        match self {
            Self::Record(record) => record.known_by(),
            Self::Broken { .. } => None,
        }
    }

    fn size_bytes(&self) -> usize {
        match self {
            Self::Record(record) => record.size_bytes(),
            Self::Broken { bytes, .. } => bytes.as_ref().len(),
        }
    }

    fn told_as(&self, field: &'static str) -> &'static str {
        match self {
            Self::Record(record) => record.told_as(field),
            Self::Broken { .. } => field,
        }
    }

    fn payload(&self) -> Vec<u8> {
        match self {
            Self::Record(record) => record.payload(),
            Self::Broken { bytes, .. } => bytes.as_ref().to_vec(),
        }
    }
}
