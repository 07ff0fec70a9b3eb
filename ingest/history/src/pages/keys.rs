//! Whether a JSON record says once what the mapping asks for. Of a key that is there twice arrow takes the
//! last without a word, and it reads what is no JSON by its own leave: `01`, a comma too many.

use std::fmt;

use arrow_schema::{DataType, Fields};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Checks a record; an error says what is wrong with it.
pub(super) fn check(record: &[u8], fields: &Fields, names: &[String]) -> Result<(), String> {
    let mut json = serde_json::Deserializer::from_slice(record);
    let checked = Keys { fields, names }.deserialize(&mut json).and_then(|()| json.end());
    checked.map_err(|error| error.to_string().replace(" at line 1 column", " at column"))
}

/// The keys of an object that columns are read from.
struct Keys<'a> {
    fields: &'a Fields,
    /// Of all columns; empty within a value.
    names: &'a [String],
}

impl<'de> DeserializeSeed<'de> for Keys<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Keys<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = vec![false; self.fields.len()];
        while let Some(place) = map.next_key_seed(Key(&self))? {
            let Some(at) = place else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let field = &self.fields[at];
            if std::mem::replace(&mut seen[at], true) {
                return Err(A::Error::custom(format_args!("{:?} is there twice", field.name())));
            }
            match field.data_type() {
                DataType::Struct(fields) => map.next_value_seed(Keys { fields, names: &[] })?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    // What else is no object, arrow refuses by what it expects there.
    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// One key: its place among those that columns are read from.
struct Key<'a, 'b>(&'a Keys<'b>);

impl<'de> DeserializeSeed<'de> for Key<'_, '_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<usize>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_, '_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Option<usize>, E> {
        if key.contains('.') && self.0.names.iter().any(|name| name == key) {
            return Err(E::custom(format_args!(
                "{key:?} is one key with a dot in it, and the mapping's leads into another value: rename the key"
            )));
        }
        Ok(self.0.fields.iter().position(|field| field.name() == key))
    }
}

#[cfg(test)]
mod tests {
    use arrow_schema::Field;

    use super::*;

    #[test]
    fn a_key_that_is_read_stands_once_and_all_is_json() {
        let user = DataType::Struct(vec![Field::new("id", DataType::Utf8, true)].into());
        let fields: Fields =
            vec![Field::new("price", DataType::Utf8, true), Field::new("user", user, true)].into();
        let check =
            |record: &str| super::check(record.as_bytes(), &fields, &["price".into(), "user.id".into()]);
        for record in [
            r#"{"price":19.90,"user":{"id":"a","id2":1},"x":1,"x":[2,{"price":1,"price":2}]}"#,
            r#"{"user":null,"y":{"user":1,"user":2}}"#,
            r#"{"user":[1],"price":123456789012345678901234567890e5}"#,
            "{}\n",
        ] {
            assert_eq!(check(record), Ok(()), "{record}");
        }
        for (record, said) in [
            (r#"{"price":1,"price":1}"#, "\"price\" is there twice"),
            (r#"{"price":1,"x":0,"pr\u0069ce":2}"#, "\"price\" is there twice"),
            (r#"{"user":{"id":1,"id":null}}"#, "\"id\" is there twice"),
            (r#"{"user":{},"user":{"id":1}}"#, "\"user\" is there twice"),
            (r#"{"user.id":1}"#, "a dot in it"),
            (r#"{"price":01}"#, "invalid number"),
            (r#"{"price":5.}"#, "invalid number"),
            (r#"{"price":1-2}"#, "expected"),
            (r#"{"price":1,}"#, "trailing comma"),
            ("{\"price\":\"a\tb\"}", "control character"),
        ] {
            let error = check(record).unwrap_err();
            assert!(error.contains(said), "{record}: {error}");
        }
    }
}
