//! Avro's binary encoding, written by hand.
//!
//! The relay transcodes PostgreSQL's binary rows straight into Avro, so the primitives here are its hot path;
//! apache-avro is the oracle they are tested against. Rules: Apache Avro 1.11 specification, "Binary
//! Encoding".

use uuid::Uuid;

/// Appends a `long` (or `int`): zig-zag, then base-128 varint.
pub fn write_long(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    loop {
        let low = (rest & 0x7f) as u8;
        rest >>= 7;
        if rest == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

/// Appends `bytes`: length and content.
pub fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    // A slice is at most isize::MAX long.
    #[expect(clippy::cast_possible_wrap, reason = "lengths of slices fit i64")]
    write_long(out, bytes.len() as i64);
    out.extend_from_slice(bytes);
}

/// Appends a `string`.
pub fn write_str(out: &mut Vec<u8>, text: &str) {
    write_bytes(out, text.as_bytes());
}

/// Appends a UUID as a string of logical type `uuid`.
pub fn write_uuid(out: &mut Vec<u8>, id: &Uuid) {
    let mut buffer = [0u8; uuid::fmt::Hyphenated::LENGTH];
    write_str(out, id.hyphenated().encode_lower(&mut buffer));
}

/// Appends a decimal: its unscaled value as the shortest big-endian two's complement.
pub fn write_decimal(out: &mut Vec<u8>, unscaled: i64) {
    let bytes = unscaled.to_be_bytes();
    let filler = if unscaled < 0 { 0xff } else { 0x00 };
    let mut start = 0;
    while start < 7 && bytes[start] == filler && (bytes[start + 1] & 0x80) == (filler & 0x80) {
        start += 1;
    }
    write_bytes(out, &bytes[start..]);
}

/// Bytes that are no Avro value of the type asked for.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum ReadError {
    /// The record ends too early.
    #[error("avro data ends too early")]
    Truncated,
    /// A number of more than 64 bits, or a decimal of none.
    #[error("an avro number is longer than 64 bits, or empty")]
    NumberTooLong,
    /// A negative length, or one beyond the data.
    #[error("an avro length of {0} does not fit the data")]
    Length(i64),
    /// Text that is not UTF-8.
    #[error("an avro string is not UTF-8")]
    NotUtf8,
    /// Bytes after the record's end.
    #[error("{0} bytes follow the avro record")]
    Trailing(usize),
    /// Bytes that decode but that the contract's encoder would not have written.
    #[error("the avro record is not encoded as the contract does it")]
    NotCanonical,
    /// A value outside of what its field allows.
    #[error("field {field}: {message}")]
    Value {
        /// The field's name in the schema.
        field: &'static str,
        /// What is wrong with it.
        message: String,
    },
}

/// Reads Avro's primitives from a slice, in order.
#[derive(Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Starts at the beginning of the slice.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Reads a `long` or `int`.
    ///
    /// # Errors
    /// When the data ends or the number is longer than 64 bits.
    pub fn long(&mut self) -> Result<i64, ReadError> {
        let mut zigzag = 0u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first().ok_or(ReadError::Truncated)?;
            self.0 = rest;
            if shift == 63 && byte > 1 {
                return Err(ReadError::NumberTooLong);
            }
            zigzag |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((zigzag >> 1).cast_signed() ^ -((zigzag & 1).cast_signed()));
            }
        }
        Err(ReadError::NumberTooLong)
    }

    /// Reads a value of exactly `N` bytes: a `boolean` or a `double`.
    ///
    /// # Errors
    /// When the data ends.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let (value, rest) = self.0.split_first_chunk().ok_or(ReadError::Truncated)?;
        self.0 = rest;
        Ok(*value)
    }

    /// Reads `bytes`.
    ///
    /// # Errors
    /// When the length does not fit the data.
    pub fn bytes(&mut self) -> Result<&'a [u8], ReadError> {
        let length = self.long()?;
        let count = usize::try_from(length).map_err(|_| ReadError::Length(length))?;
        let (value, rest) = self.0.split_at_checked(count).ok_or(ReadError::Length(length))?;
        self.0 = rest;
        Ok(value)
    }

    /// Reads so many bytes as they stand: a `fixed`.
    ///
    /// # Errors
    /// When the data end.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], ReadError> {
        let (value, rest) = self.0.split_at_checked(count).ok_or(ReadError::Truncated)?;
        self.0 = rest;
        Ok(value)
    }

    /// Reads a decimal's unscaled value.
    ///
    /// # Errors
    /// When the length does not fit, or there are no bytes or more than eight.
    pub fn decimal(&mut self) -> Result<i64, ReadError> {
        let bytes = self.bytes()?;
        let (Some(first), Some(start)) = (bytes.first(), 8usize.checked_sub(bytes.len())) else {
            return Err(ReadError::NumberTooLong);
        };
        let mut wide = [if first & 0x80 == 0 { 0x00 } else { 0xff }; 8];
        wide[start..].copy_from_slice(bytes);
        Ok(i64::from_be_bytes(wide))
    }

    /// Reads a `string`.
    ///
    /// # Errors
    /// When the length does not fit or the text is not UTF-8.
    pub fn str(&mut self) -> Result<&'a str, ReadError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| ReadError::NotUtf8)
    }

    /// Checks that nothing is left.
    ///
    /// # Errors
    /// When bytes are left.
    pub const fn finish(self) -> Result<(), ReadError> {
        if self.0.is_empty() { Ok(()) } else { Err(ReadError::Trailing(self.0.len())) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_survive_both_ways(value: i64) {
            let mut out = Vec::new();
            write_long(&mut out, value);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.long(), Ok(value));
            prop_assert_eq!(reader.finish(), Ok(()));
        }

        #[test]
        fn decimals_are_the_shortest_twos_complement(unscaled: i64) {
            let mut out = Vec::new();
            write_decimal(&mut out, unscaled);
            let bytes = Reader::new(&out).bytes().unwrap();
            let filler = if bytes[0] & 0x80 == 0 { 0 } else { 0xff };
            let mut wide = [filler; 8];
            wide[8 - bytes.len()..].copy_from_slice(bytes);
            prop_assert_eq!(i64::from_be_bytes(wide), unscaled);
            let shortest = (1..=8).find(|n| *n == 8 || {
                let half = 1i64 << (n * 8 - 1);
                (-half..half).contains(&unscaled)
            }).unwrap();
            prop_assert_eq!(bytes.len(), shortest);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let mut reader = Reader::new(&bytes);
            while reader.long().is_ok() && reader.str().is_ok() {}
        }
    }
}
