//! Text with a limit, checked once at the edge.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{FieldType, Kind, bad_value};
use crate::avro::binary as avro;
use crate::avro::binary::{ReadError, Reader};
use crate::cube;

/// Non-empty text of at most `MAX` characters, without control characters. Cloning it is cheap.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<const MAX: usize>(Arc<str>);

/// Why a string is no [`Text`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TextError {
    /// Nothing in it; an absent value is `null`, never an empty string.
    #[error("text is empty")]
    Empty,
    /// Longer than allowed.
    #[error("text has {chars} characters, {max_chars} are allowed")]
    TooLong {
        /// How long it is.
        chars: usize,
        /// How long it may be.
        max_chars: usize,
    },
    /// A control character, which would break keys, logs and files.
    #[error("text holds the control character U+{:04X}", u32::from(*.0))]
    Control(char),
    /// The word that stands for an absent dimension in the metric tables.
    #[error("text is {none:?}, which stands for an absent value", none = cube::NONE)]
    Reserved,
}

impl<const MAX: usize> Text<MAX> {
    /// Checks and takes a string.
    ///
    /// # Errors
    /// When it is empty, too long, reserved or holds a control character.
    pub fn new(text: &str) -> Result<Self, TextError> {
        if text.is_empty() {
            return Err(TextError::Empty);
        }
        // A string of at most MAX bytes has at most MAX characters: counting is rarely needed.
        if text.len() > MAX {
            let chars = text.chars().count();
            if chars > MAX {
                return Err(TextError::TooLong { chars, max_chars: MAX });
            }
        }
        if let Some(control) = text.chars().find(|c| c.is_control()) {
            return Err(TextError::Control(control));
        }
        if text == cube::NONE {
            return Err(TextError::Reserved);
        }
        Ok(Self(Arc::from(text)))
    }

    /// Takes a text that is only a label, which must not cost the record it stands in: control characters
    /// become spaces, spaces around it go, what is longer than allowed is cut and ends in `…`, and the
    /// reserved word loses its brackets. Where there was something and nothing of it shows, U+FFFD stands for
    /// it.
    ///
    /// # Errors
    /// [`TextError::Empty`] where there is nothing but space.
    pub fn label(text: &str) -> Result<Self, TextError> {
        match Self::new(text) {
            Ok(label) if label.trim().len() == label.len() => return Ok(label),
            Err(TextError::Reserved) => return Self::new(text.trim_matches(['(', ')'])),
            _ => {}
        }
        let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let clean = clean.trim();
        if clean.is_empty() && text.chars().any(|c| !c.is_whitespace()) {
            return Self::new("\u{fffd}");
        }
        let cut = match clean.char_indices().nth(MAX) {
            None => clean.to_owned(),
            Some(_) => clean.chars().take(MAX - 1).chain(['…']).collect(),
        };
        if cut == text { Self::new(text) } else { Self::label(&cut) }
    }

    /// The text, which is within its limit.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> Deref for Text<MAX> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> fmt::Display for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<const MAX: usize> FromStr for Text<MAX> {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl<const MAX: usize> Serialize for Text<MAX> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Text<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

impl<const MAX: usize> FieldType for Text<MAX> {
    const KIND: Kind = Kind::Text { max_chars: MAX };

    fn write_avro(&self, out: &mut Vec<u8>) {
        avro::write_str(out, &self.0);
    }

    fn read_avro(reader: &mut Reader<'_>, field: &'static str) -> Result<Self, ReadError> {
        Self::new(reader.str()?).map_err(|error| bad_value(field, error))
    }

    fn write_pg(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_at_the_edge() {
        assert_eq!(Text::<3>::new(""), Err(TextError::Empty));
        assert_eq!(Text::<3>::new("abcd"), Err(TextError::TooLong { chars: 4, max_chars: 3 }));
        assert!(Text::<3>::new("äöü").is_ok(), "characters count, not bytes");
        assert_eq!(Text::<9>::new("a\u{0}b"), Err(TextError::Control('\u{0}')));
        assert_eq!(Text::<9>::new("(none)"), Err(TextError::Reserved));
    }

    #[test]
    fn a_label_is_cut_and_cleaned_and_never_refused_but_for_nothing_in_it() {
        for (text, label) in [
            ("Lamp", "Lamp"),
            (" Lamp\t", "Lamp"),
            ("La\u{0}mp\r\n", "La mp"),
            ("äöüäöüäöü", "äöüäöüäöü"),
            ("äöüäöüäöüä", "äöüäöüäö…"),
            ("12345678 xyz", "12345678…"),
            ("(none)", "none"),
            ("\u{7}\u{0}", "\u{fffd}"),
            ("La\u{85}mp\u{9b}", "La mp"),
        ] {
            assert_eq!(Text::<9>::label(text).unwrap().as_str(), label, "{text:?}");
        }
        for nothing in ["", " ", "\t\r\n", "\u{85}"] {
            assert_eq!(Text::<9>::label(nothing), Err(TextError::Empty));
        }
    }

    proptest::proptest! {
        #[test]
        fn a_label_is_a_text_and_stays_what_it_is(text in "\\PC{0,12}|[a-b\u{0}-\u{20}]{0,12}|\\(none\\) ?") {
            if let Ok(label) = Text::<6>::label(&text) {
                proptest::prop_assert_eq!(Text::<6>::new(&label), Ok(label.clone()));
                proptest::prop_assert_eq!(Text::<6>::label(&label), Ok(label));
            }
        }
    }
}
