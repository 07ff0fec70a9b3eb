//! Closed vocabularies. Names of events follow GA4's e-commerce events.

use crate::record::{FieldType, Kind, Spelling};

/// A word outside its vocabulary.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{word:?} is not a known {vocabulary}; known are {known}")]
pub struct UnknownWord {
    /// The word given.
    pub word: String,
    /// The vocabulary it was looked up in.
    pub vocabulary: &'static str,
    /// Its words, comma-separated.
    pub known: String,
}

macro_rules! vocabulary {
    ($(#[doc = $doc:literal])+ pub enum $name:ident, $label:literal {
        $( $(#[doc = $word_doc:literal])+ $word:ident => $text:literal, )+
    }) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(serde::Serialize, serde::Deserialize)]
        pub enum $name { $( $(#[doc = $word_doc])+ #[serde(rename = $text)] $word, )+ }

        impl $name {
            /// Every word, in order.
            pub const ALL: &'static [$name] = &[ $( $name::$word, )+ ];

            /// The word as it stands in every system.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $( $name::$word => $text, )+ }
            }
        }

        impl std::str::FromStr for $name {
            type Err = UnknownWord;
            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                match word {
                    $( $text => Ok($name::$word), )+
                    _ => Err(UnknownWord {
                        word: word.to_owned(),
                        vocabulary: $label,
                        known: [$($text),+].join(", "),
                    }),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FieldType for $name {
            const KIND: Kind = Kind::Text { max_chars: 32 };
            const SPELLING: Spelling = Spelling::Words(&[ $($text),+ ]);
            fn write_avro(&self, out: &mut Vec<u8>) {
                crate::avro::write_str(out, self.as_str());
            }
            fn read_avro(
                reader: &mut crate::avro::Reader<'_>,
                field: &'static str,
            ) -> Result<Self, crate::avro::ReadError> {
                reader.str()?.parse().map_err(|error: UnknownWord| crate::record::bad_value(field, error))
            }
            fn write_pg(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(self.as_str().as_bytes());
            }
        }
    };
}
pub(crate) use vocabulary;

vocabulary! {
    /// What the shopper did.
    pub enum EventName, "event name" {
        /// A visit begins.
        SessionStart => "session_start",
        /// A list of products was seen.
        ViewItemList => "view_item_list",
        /// A product was looked at.
        ViewItem => "view_item",
        /// A product was put into the cart.
        AddToCart => "add_to_cart",
        /// A product was taken out of the cart.
        RemoveFromCart => "remove_from_cart",
        /// The checkout was begun.
        BeginCheckout => "begin_checkout",
        /// A means of payment was given.
        AddPaymentInfo => "add_payment_info",
        /// One line of an order: an order of n products is n such events.
        Purchase => "purchase",
        /// One line of an order was paid back.
        Refund => "refund",
    }
}

vocabulary! {
    /// The gender as the source gives it.
    pub enum Gender, "gender" {
        /// Female.
        Female => "female",
        /// Male.
        Male => "male",
        /// Neither.
        Other => "other",
        /// Not known.
        Unknown => "unknown",
    }
}

vocabulary! {
    /// Bands of age, closed below and above, and one for those whose age is not known.
    pub enum AgeBand, "age band" {
        /// 0 to 17 years.
        Under18 => "0-17",
        /// 18 to 24 years.
        From18 => "18-24",
        /// 25 to 34 years.
        From25 => "25-34",
        /// 35 to 44 years.
        From35 => "35-44",
        /// 45 to 54 years.
        From45 => "45-54",
        /// 55 to 64 years.
        From55 => "55-64",
        /// 65 years and more.
        From65 => "65+",
        /// The age is not known.
        Unknown => "unknown",
    }
}

impl AgeBand {
    /// The band that holds an age in years.
    #[must_use]
    pub const fn of(age_years: i32) -> Self {
        match age_years {
            ..18 => Self::Under18,
            18..25 => Self::From18,
            25..35 => Self::From25,
            35..45 => Self::From35,
            45..55 => Self::From45,
            55..65 => Self::From55,
            65.. => Self::From65,
        }
    }

    /// The band of an age that may not be known.
    #[must_use]
    pub const fn of_known(age_years: Option<i32>) -> Self {
        match age_years {
            Some(age_years) => Self::of(age_years),
            None => Self::Unknown,
        }
    }
}

vocabulary! {
    /// What the shopper used.
    pub enum Device, "device" {
        /// A desktop or laptop computer.
        Desktop => "desktop",
        /// A telephone.
        Mobile => "mobile",
        /// A tablet.
        Tablet => "tablet",
        /// Anything else.
        Other => "other",
        /// Not known.
        Unknown => "unknown",
    }
}

vocabulary! {
    /// What brought the shopper here.
    pub enum Channel, "channel" {
        /// Typed address or bookmark.
        Direct => "direct",
        /// Unpaid search results.
        OrganicSearch => "organic_search",
        /// Paid search results.
        PaidSearch => "paid_search",
        /// A social network.
        Social => "social",
        /// An e-mail.
        Email => "email",
        /// A link on another site.
        Referral => "referral",
        /// A display advertisement.
        Display => "display",
        /// Anything else.
        Other => "other",
        /// Not known.
        Unknown => "unknown",
    }
}
