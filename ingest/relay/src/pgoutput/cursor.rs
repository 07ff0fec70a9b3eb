//! Checked reads from a message.

/// Bytes that are no message of protocol 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The message ends before one of its parts.
    #[error("the message ends inside {part}")]
    Truncated {
        /// What was being read.
        part: &'static str,
    },
    /// Bytes after the message's end.
    #[error("{bytes} bytes follow the message")]
    Trailing { bytes: usize },
    /// A length or count below zero.
    #[error("{part} has the negative length {length}")]
    NegativeLength {
        /// What was being read.
        part: &'static str,
        /// The length given.
        length: i32,
    },
    /// A name that is not UTF-8.
    #[error("{part} is not UTF-8")]
    NotUtf8 {
        /// What was being read.
        part: &'static str,
    },
    /// A byte that stands for nothing at this place.
    #[error("{part} cannot be {byte:#04x}")]
    Tag {
        /// What was being read.
        part: &'static str,
        byte: u8,
    },
}

/// What is left of a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn bytes(&mut self, count: usize, part: &'static str) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Malformed::Truncated { part })?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, part: &'static str) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(Malformed::Truncated { part })?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self, part: &'static str) -> Result<u8, Malformed> {
        self.array::<1>(part).map(|[byte]| byte)
    }

    pub(super) fn u32(&mut self, part: &'static str) -> Result<u32, Malformed> {
        self.array(part).map(u32::from_be_bytes)
    }

    pub(super) fn i32(&mut self, part: &'static str) -> Result<i32, Malformed> {
        self.array(part).map(i32::from_be_bytes)
    }

    pub(super) fn u64(&mut self, part: &'static str) -> Result<u64, Malformed> {
        self.array(part).map(u64::from_be_bytes)
    }

    pub(super) fn i64(&mut self, part: &'static str) -> Result<i64, Malformed> {
        self.array(part).map(i64::from_be_bytes)
    }

    /// A count in 16 bits.
    pub(super) fn count(&mut self, part: &'static str) -> Result<usize, Malformed> {
        let count = self.array(part).map(i16::from_be_bytes)?;
        usize::try_from(count).map_err(|_| Malformed::NegativeLength { part, length: i32::from(count) })
    }

    /// A length in 32 bits.
    pub(super) fn length(&mut self, part: &'static str) -> Result<usize, Malformed> {
        let length = self.i32(part)?;
        usize::try_from(length).map_err(|_| Malformed::NegativeLength { part, length })
    }

    /// Text up to a zero byte.
    pub(super) fn text(&mut self, part: &'static str) -> Result<&'a str, Malformed> {
        let end = self.0.iter().position(|byte| *byte == 0).ok_or(Malformed::Truncated { part })?;
        let text = std::str::from_utf8(&self.0[..end]).map_err(|_| Malformed::NotUtf8 { part })?;
        self.0 = &self.0[end + 1..];
        Ok(text)
    }

    pub(super) const fn finish(self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed::Trailing { bytes: self.0.len() }) }
    }
}
