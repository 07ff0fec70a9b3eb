//! People who do not exist, one after the other from a seed.

use chrono::{DateTime, Datelike, NaiveDate, SecondsFormat, Utc};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::nations::{NATIONS, Nation, Postcode};
use crate::clock::from_micros;

/// The days that birthdays lie between: 1944-09-01 and 2001-05-31.
const BORN_FROM_S: i64 = -799_286_400;
const BORN_TO_S: i64 = 991_267_200;
/// And registrations: 2002-03-01 and 2022-05-01.
const REGISTERED_FROM_S: i64 = 1_014_940_800;
const REGISTERED_TO_S: i64 = 1_651_363_200;

/// Offset and places, as the API writes them: no leading zero, no sign before zero.
const TIMEZONES: [(&str, &str); 12] = [
    ("-11:00", "Midway Island, Samoa"),
    ("-8:00", "Pacific Time (US & Canada)"),
    ("-5:00", "Eastern Time (US & Canada), Bogota, Lima"),
    ("-3:30", "Newfoundland"),
    ("-3:00", "Brazil, Buenos Aires, Georgetown"),
    ("0:00", "Western Europe Time, London, Lisbon, Casablanca"),
    ("+1:00", "Brussels, Copenhagen, Madrid, Paris"),
    ("+3:30", "Tehran"),
    ("+5:30", "Bombay, Calcutta, Madras, New Delhi"),
    ("+5:45", "Kathmandu"),
    ("+9:00", "Tokyo, Seoul, Osaka, Sapporo, Yakutsk"),
    ("+10:00", "Eastern Australia, Guam, Vladivostok"),
];

const WORDS: [&str; 20] = [
    "silver", "happy", "tiny", "purple", "heavy", "golden", "quick", "lazy", "brown", "green", "bear",
    "tiger", "swan", "lion", "rabbit", "goose", "panda", "mouse", "duck", "wolf",
];

pub(super) struct People {
    rng: ChaCha8Rng,
    nations: Vec<&'static Nation>,
    women: Option<bool>,
    today: NaiveDate,
}

impl People {
    /// Seed, page and filter decide who comes; the day decides how old they are.
    pub(super) fn new(seed: &str, page: u32, nats: &[&str], women: Option<bool>, today: NaiveDate) -> Self {
        let digest: [u8; 32] = Sha256::digest(format!("{seed}\n{page}\n{}", nats.join(","))).into();
        let asked = |nation: &&Nation| nats.is_empty() || nats.contains(&nation.nat);
        Self {
            rng: ChaCha8Rng::from_seed(digest),
            nations: NATIONS.iter().filter(asked).collect(),
            women,
            today,
        }
    }

    pub(super) fn next(&mut self) -> Map<String, Value> {
        let drawn_nation = self.below(self.nations.len());
        let nation = self.nations[drawn_nation];
        // Drawn even when it is given, so that the rest of the sequence stays the same.
        let drawn = self.below(2) == 0;
        let woman = self.women.unwrap_or(drawn);
        let first = self.one_of(if woman { nation.women } else { nation.men });
        let last = self.one_of(nation.families);
        let place = self.one_of(nation.places);
        let (city, state) = place.split_once(';').unwrap_or((place, place));
        let street = self.one_of(nation.streets);
        let timezone = TIMEZONES[self.below(TIMEZONES.len())];
        let birth = self.instant(BORN_FROM_S, BORN_TO_S);
        let registered = self.instant(REGISTERED_FROM_S, REGISTERED_TO_S);
        let picture = self.below(97);
        let person = json!({
            "gender": if woman { "female" } else { "male" },
            "name": { "title": self.title(nation, woman), "first": first, "last": last },
            "location": {
                "street": { "number": 1 + self.below(9_999), "name": street },
                "city": city,
                "state": state,
                "country": nation.country,
                "postcode": self.postcode(nation.postcode),
                "coordinates": {
                    "latitude": self.decimal_degrees(90),
                    "longitude": self.decimal_degrees(180),
                },
                "timezone": { "offset": timezone.0, "description": timezone.1 },
            },
            "email": email(first, last, nation),
            "login": { "uuid": self.uuid(), "username": self.username() },
            "dob": { "date": as_date(birth), "age": self.years_since(birth) },
            "registered": { "date": as_date(registered), "age": self.years_since(registered) },
            "phone": self.phone(nation),
            "cell": self.phone(nation),
            "id": { "name": nation.id_name, "value": self.national_number(nation) },
            "picture": pictures(woman, picture),
            "nat": nation.nat,
        });
        match person {
            Value::Object(fields) => fields,
            _ => Map::new(),
        }
    }

    fn below(&mut self, n: usize) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "the product's upper half is below n")]
        let index = ((u128::from(self.rng.next_u64()) * (n as u128)) >> 64) as usize;
        index
    }

    fn one_of(&mut self, list: &'static str) -> &'static str {
        let at = self.below(list.split('|').count());
        list.split('|').nth(at).unwrap_or(list)
    }

    fn digits(&mut self, count: usize) -> String {
        (0..count).map(|_| char::from(b'0' + u8::try_from(self.below(10)).unwrap_or(0))).collect()
    }

    fn letters(&mut self, count: usize) -> String {
        (0..count).map(|_| char::from(b'A' + u8::try_from(self.below(26)).unwrap_or(0))).collect()
    }

    fn instant(&mut self, from_s: i64, to_s: i64) -> DateTime<Utc> {
        let span_ms = usize::try_from((to_s - from_s) * 1_000).unwrap_or(0);
        let offset_ms = i64::try_from(self.below(span_ms)).unwrap_or(0);
        from_micros((from_s * 1_000 + offset_ms) * 1_000)
    }

    fn years_since(&self, then: DateTime<Utc>) -> i32 {
        let date = then.date_naive();
        let had_its_day = (self.today.month(), self.today.day()) >= (date.month(), date.day());
        self.today.year() - date.year() - i32::from(!had_its_day)
    }

    fn title(&mut self, nation: &Nation, woman: bool) -> &'static str {
        let french = nation.nat == "CH" || nation.nat == "FR";
        match (woman, french, self.below(3)) {
            (true, true, 0) => "Mademoiselle",
            (true, true, _) => "Madame",
            (false, true, _) => "Monsieur",
            (true, false, 0) => "Miss",
            (true, false, 1) => "Mrs",
            (true, false, _) => "Ms",
            (false, false, _) => "Mr",
        }
    }

    fn postcode(&mut self, style: Postcode) -> Value {
        match style {
            Postcode::Integer => json!(1_000 + self.below(99_000)),
            Postcode::Canadian => {
                let (a, b) = (self.letters(1), self.letters(1));
                json!(format!(
                    "{a}{}{b} {}{}{}",
                    self.below(10),
                    self.below(10),
                    self.letters(1),
                    self.below(10)
                ))
            }
            Postcode::British => {
                let (area, unit) = (self.letters(2), self.letters(2));
                json!(format!("{area}{} {}{unit}", 1 + self.below(98), self.below(10)))
            }
            Postcode::Dutch => json!(format!("{} {}", 1_000 + self.below(9_000), self.letters(2))),
            Postcode::Norwegian => json!(self.digits(4)),
        }
    }

    fn decimal_degrees(&mut self, bound: usize) -> String {
        let ten_thousandths = self.below(bound * 20_000 + 1);
        let sign = if ten_thousandths < bound * 10_000 { "-" } else { "" };
        let magnitude = ten_thousandths.abs_diff(bound * 10_000);
        format!("{sign}{}.{:04}", magnitude / 10_000, magnitude % 10_000)
    }

    fn uuid(&mut self) -> String {
        let mut bytes = [0; 16];
        self.rng.fill_bytes(&mut bytes);
        uuid::Builder::from_random_bytes(bytes)
            .into_uuid()
            .as_hyphenated()
            .encode_lower(&mut Uuid::encode_buffer())
            .to_owned()
    }

    fn username(&mut self) -> String {
        let (colour, animal) = (WORDS[self.below(10)], WORDS[10 + self.below(10)]);
        format!("{colour}{animal}{}", 100 + self.below(900))
    }

    fn phone(&mut self, nation: &Nation) -> String {
        let (head, middle, tail) = (self.digits(3), self.digits(3), self.digits(4));
        match nation.nat {
            "CA" => format!("{}{} {}{}-{tail}", self.letters(1), &head[1..], self.letters(1), &middle[1..]),
            "UA" => format!("({head}) {}{}-{tail}", self.letters(1), &middle[1..]),
            _ => format!("({head}) {middle}-{tail}"),
        }
    }

    /// Text in every case: some kinds hold letters, blanks and dots, and Finnish ones are broken upstream.
    fn national_number(&mut self, nation: &Nation) -> Value {
        let number = self.digits(9);
        match nation.id_name {
            "" => Value::Null,
            "HETU" => json!(format!("NaNNA{}undefined", &number[..3])),
            "NINO" => {
                json!(format!("{} {} {} {} A", self.letters(2), &number[..2], &number[2..4], &number[4..6]))
            }
            "AVS" => json!(format!("756.{}.{}.{}", &number[..4], &number[4..8], self.digits(2))),
            _ => json!(format!("{}-{}-{}", &number[..3], &number[3..5], &number[5..])),
        }
    }
}

fn as_date(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Made of the name; Persian names are written in Latin letters by the API, here they become a word.
fn email(first: &str, last: &str, nation: &Nation) -> String {
    let plain = |name: &str| -> String {
        name.to_lowercase().chars().filter_map(latin).flat_map(str::chars).collect()
    };
    let (first, last) = (plain(first), plain(last));
    if first.is_empty() || last.is_empty() {
        return format!("shopper.{}@example.com", nation.nat.to_lowercase());
    }
    format!("{first}.{last}@example.com")
}

/// A Latin letter without its marks, or nothing for what is no Latin letter.
fn latin(letter: char) -> Option<&'static str> {
    const PLAIN: &str = "abcdefghijklmnopqrstuvwxyz";
    if let Some(at) = PLAIN.find(letter) {
        return PLAIN.get(at..=at);
    }
    Some(match letter {
        'á' | 'à' | 'â' | 'ã' | 'ā' | 'å' => "a",
        'ä' | 'æ' => "ae",
        'ç' | 'č' | 'ć' => "c",
        'đ' => "dj",
        'é' | 'è' | 'ê' | 'ë' => "e",
        'ğ' => "g",
        'í' | 'ì' | 'î' | 'ï' | 'ı' => "i",
        'ñ' => "n",
        'ó' | 'ò' | 'ô' | 'õ' => "o",
        'ö' | 'ø' => "oe",
        'š' | 'ş' => "s",
        'ú' | 'ù' | 'û' => "u",
        'ü' => "ue",
        'ž' => "z",
        _ => return None,
    })
}

fn pictures(woman: bool, number: usize) -> Value {
    let folder = if woman { "women" } else { "men" };
    json!({
        "large": format!("https://randomuser.me/api/portraits/{folder}/{number}.jpg"),
        "medium": format!("https://randomuser.me/api/portraits/med/{folder}/{number}.jpg"),
        "thumbnail": format!("https://randomuser.me/api/portraits/thumb/{folder}/{number}.jpg"),
    })
}
