//! Short upper-case codes: countries (ISO 3166 alpha-2) and currencies (ISO 4217).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{FieldType, Kind, Spelling, bad_value};
use crate::avro::binary as avro;
use crate::avro::binary::{ReadError, Reader};

/// Exactly `N` upper-case ASCII letters. The shape is checked, not membership of the standard's list, which
/// changes; a currency must have a rate besides.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code<const N: usize>([u8; N]);

/// A string that is no code of the wanted length.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{value:?} is not a code of {letters} upper-case letters")]
pub struct CodeError {
    /// What was given.
    pub value: String,
    /// How many letters were wanted.
    pub letters: usize,
}

impl<const N: usize> Code<N> {
    /// Checks and takes a code.
    ///
    /// # Errors
    /// When it is not exactly `N` upper-case ASCII letters.
    pub fn new(text: &str) -> Result<Self, CodeError> {
        let error = || CodeError { value: text.to_owned(), letters: N };
        let bytes: [u8; N] = text.as_bytes().try_into().map_err(|_| error())?;
        if !bytes.iter().all(u8::is_ascii_uppercase) {
            return Err(error());
        }
        Ok(Self(bytes))
    }

    /// A code that is known when this is compiled, which fails for anything else.
    pub(crate) const fn constant(letters: [u8; N]) -> Self {
        let mut index = 0;
        while index < N {
            assert!(letters[index].is_ascii_uppercase(), "a code has upper-case letters");
            index += 1;
        }
        Self(letters)
    }

    /// The code as text, in capitals.
    #[must_use]
    #[expect(clippy::expect_used, reason = "the constructor admits ASCII letters only")]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("ASCII is UTF-8")
    }
}

impl<const N: usize> fmt::Display for Code<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<const N: usize> fmt::Debug for Code<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<const N: usize> FromStr for Code<N> {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl<const N: usize> Serialize for Code<N> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de, const N: usize> Deserialize<'de> for Code<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

impl<const N: usize> FieldType for Code<N> {
    const KIND: Kind = Kind::Text { max_chars: N };
    const SPELLING: Spelling = Spelling::Letters(N);

    fn write_avro(&self, out: &mut Vec<u8>) {
        avro::write_str(out, self.as_str());
    }

    fn read_avro(reader: &mut Reader<'_>, field: &'static str) -> Result<Self, ReadError> {
        Self::new(reader.str()?).map_err(|error| bad_value(field, error))
    }

    fn write_pg(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}
