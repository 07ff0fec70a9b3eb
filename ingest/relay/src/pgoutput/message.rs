//! The messages.

use super::cursor::{Cursor, Malformed};
use super::tuple::Tuple;

/// A message of the log.
#[derive(Debug, Clone)]
pub enum Message<'a> {
    /// A transaction begins; its rows follow, then its [`Commit`](Message::Commit).
    Begin {
        /// LSN of its commit record: what names the transaction.
        final_lsn: u64,
        /// When it was committed, in µs since 2000-01-01.
        commit_time_us: i64,
        xid: u32,
    },
    /// A transaction ends.
    Commit {
        /// LSN of its commit record.
        lsn: u64,
        /// End of its commit record: replication started here does not repeat it.
        end_lsn: u64,
        /// When it was committed, in µs since 2000-01-01.
        commit_time_us: i64,
    },
    /// Where a transaction came from, when PostgreSQL itself replicates.
    Origin,
    /// The shape of a table, before its first row and after each change.
    Relation(Relation),
    /// A type that is not built in.
    Type,
    /// A new row.
    Insert {
        /// The table's oid.
        relation: u32,
        new: Tuple<'a>,
    },
    /// A changed row.
    Update {
        /// The table's oid.
        relation: u32,
        /// The key before, where the key changed (or the whole row before, by the table's replica identity).
        old: Option<Tuple<'a>>,
        /// The row after.
        new: Tuple<'a>,
    },
    /// A deleted row.
    Delete {
        /// The table's oid.
        relation: u32,
        /// Its key, or by replica identity the whole row; columns outside the key are null.
        old: Tuple<'a>,
    },
    /// Tables emptied at once.
    Truncate { relations: Vec<u32> },
}

/// The shape of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// The oid by which rows name it.
    pub oid: u32,
    pub schema: String,
    pub name: String,
    /// Its published columns.
    pub columns: Vec<Column>,
}

/// A published column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    /// The oid of its type.
    pub type_oid: u32,
    /// Whether it belongs to the replica identity.
    pub key: bool,
}

impl<'a> Message<'a> {
    /// Decodes a message.
    ///
    /// # Errors
    /// When it is not exactly one message of protocol 1.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(bytes);
        let message = match cursor.u8("message kind")? {
            b'B' => Message::Begin {
                final_lsn: cursor.u64("begin")?,
                commit_time_us: cursor.i64("begin")?,
                xid: cursor.u32("begin")?,
            },
            b'C' => {
                cursor.u8("commit flags")?;
                Message::Commit {
                    lsn: cursor.u64("commit")?,
                    end_lsn: cursor.u64("commit")?,
                    commit_time_us: cursor.i64("commit")?,
                }
            }
            b'O' => {
                cursor.u64("origin")?;
                cursor.text("origin name")?;
                Message::Origin
            }
            b'R' => Message::Relation(relation(&mut cursor)?),
            b'Y' => {
                cursor.u32("type")?;
                cursor.text("type schema")?;
                cursor.text("type name")?;
                Message::Type
            }
            b'I' => {
                let relation = cursor.u32("insert")?;
                expect(&mut cursor, b'N', "insert")?;
                Message::Insert { relation, new: Tuple::read(&mut cursor)? }
            }
            b'U' => update(&mut cursor)?,
            b'D' => {
                let relation = cursor.u32("delete")?;
                match cursor.u8("delete")? {
                    b'K' | b'O' => Message::Delete { relation, old: Tuple::read(&mut cursor)? },
                    byte => return Err(Malformed::Tag { part: "delete", byte }),
                }
            }
            b'T' => {
                let count = cursor.length("truncate")?;
                cursor.u8("truncate options")?;
                // Grown as they are read: the count is not to be trusted with memory.
                let mut relations = Vec::new();
                for _ in 0..count {
                    relations.push(cursor.u32("truncated relation")?);
                }
                Message::Truncate { relations }
            }
            byte => return Err(Malformed::Tag { part: "message kind", byte }),
        };
        cursor.finish()?;
        Ok(message)
    }
}

fn expect(cursor: &mut Cursor<'_>, tag: u8, part: &'static str) -> Result<(), Malformed> {
    match cursor.u8(part)? {
        byte if byte == tag => Ok(()),
        byte => Err(Malformed::Tag { part, byte }),
    }
}

fn update<'a>(cursor: &mut Cursor<'a>) -> Result<Message<'a>, Malformed> {
    let relation = cursor.u32("update")?;
    let old = match cursor.u8("update")? {
        b'N' => None,
        b'K' | b'O' => {
            let old = Tuple::read(cursor)?;
            expect(cursor, b'N', "update")?;
            Some(old)
        }
        byte => return Err(Malformed::Tag { part: "update", byte }),
    };
    Ok(Message::Update { relation, old, new: Tuple::read(cursor)? })
}

fn relation(cursor: &mut Cursor<'_>) -> Result<Relation, Malformed> {
    let oid = cursor.u32("relation")?;
    let schema = cursor.text("relation schema")?.to_owned();
    let name = cursor.text("relation name")?.to_owned();
    cursor.u8("replica identity")?;
    let count = cursor.count("relation column count")?;
    let mut columns = Vec::new();
    for _ in 0..count {
        let flags = cursor.u8("relation column")?;
        let name = cursor.text("relation column name")?.to_owned();
        let type_oid = cursor.u32("relation column type")?;
        cursor.i32("relation column modifier")?;
        columns.push(Column { name, type_oid, key: flags & 1 != 0 });
    }
    Ok(Relation { oid, schema, name, columns })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Cell;
    use super::*;

    fn insert(cells: &[Cell<'_>]) -> Vec<u8> {
        let mut bytes = vec![b'I'];
        bytes.extend_from_slice(&7u32.to_be_bytes());
        bytes.push(b'N');
        bytes.extend_from_slice(&i16::try_from(cells.len()).unwrap().to_be_bytes());
        for cell in cells {
            match cell {
                Cell::Null => bytes.push(b'n'),
                Cell::Unchanged => bytes.push(b'u'),
                Cell::Text(value) | Cell::Binary(value) => {
                    bytes.push(if matches!(cell, Cell::Text(_)) { b't' } else { b'b' });
                    bytes.extend_from_slice(&i32::try_from(value.len()).unwrap().to_be_bytes());
                    bytes.extend_from_slice(value);
                }
            }
        }
        bytes
    }

    /// Bytes that begin like a message, so that random ones reach beyond the first check.
    fn plausible() -> impl Strategy<Value = Vec<u8>> {
        let kinds = prop::sample::select(b"BCORYIUDTMnubtNKO\0".to_vec());
        let chunk = prop_oneof![
            3 => kinds.prop_map(|kind| vec![kind]),
            2 => (0i16..4).prop_map(|count| count.to_be_bytes().to_vec()),
            2 => (-1i32..6).prop_map(|length| length.to_be_bytes().to_vec()),
            1 => any::<u64>().prop_map(|lsn| lsn.to_be_bytes().to_vec()),
            1 => prop::collection::vec(any::<u8>(), 0..12),
        ];
        prop::collection::vec(chunk, 0..24).prop_map(|chunks| chunks.concat())
    }

    fn read_fully(bytes: &[u8]) {
        match Message::decode(bytes) {
            Ok(Message::Insert { new, .. }) => assert_eq!(new.cells().count(), new.len()),
            Ok(Message::Update { old, new, .. }) => {
                assert_eq!(new.cells().count(), new.len());
                assert!(old.is_none_or(|old| old.cells().count() == old.len()));
            }
            Ok(Message::Delete { old, .. }) => assert_eq!(old.cells().count(), old.len()),
            Ok(_) | Err(_) => {}
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn any_bytes_are_decoded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            read_fully(&bytes);
        }

        #[test]
        fn any_plausible_bytes_are_decoded_or_refused(bytes in plausible()) {
            read_fully(&bytes);
        }
    }

    proptest! {
        #[test]
        fn a_message_cut_anywhere_is_refused(
            values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 0..6),
            cut: prop::sample::Index,
        ) {
            let cells: Vec<_> = values.iter().map(|value| Cell::Binary(value)).collect();
            let bytes = insert(&cells);
            let Ok(Message::Insert { relation: 7, new }) = Message::decode(&bytes) else { panic!() };
            prop_assert_eq!(new.cells().collect::<Vec<_>>(), cells);
            prop_assert!(Message::decode(&bytes[..cut.index(bytes.len())]).is_err());
            let mut longer = bytes.clone();
            longer.push(0);
            prop_assert_eq!(Message::decode(&longer).unwrap_err(), Malformed::Trailing { bytes: 1 });
        }
    }

    #[test]
    fn reads_a_relation() {
        let mut bytes = vec![b'R', 0, 0, 0, 9];
        bytes.extend_from_slice(b"raw\0users\0d\0\x02\x01user_id\0");
        bytes.extend_from_slice(&2950u32.to_be_bytes());
        bytes.extend_from_slice(&(-1i32).to_be_bytes());
        bytes.extend_from_slice(b"\0age\0");
        bytes.extend_from_slice(&23u32.to_be_bytes());
        bytes.extend_from_slice(&(-1i32).to_be_bytes());
        let Ok(Message::Relation(relation)) = Message::decode(&bytes) else { panic!() };
        assert_eq!((relation.oid, relation.schema.as_str(), relation.name.as_str()), (9, "raw", "users"));
        assert_eq!(
            relation.columns,
            [
                Column { name: "user_id".into(), type_oid: 2950, key: true },
                Column { name: "age".into(), type_oid: 23, key: false },
            ]
        );
    }

    #[test]
    fn a_count_without_content_takes_no_memory() {
        let mut bytes = vec![b'T'];
        bytes.extend_from_slice(&i32::MAX.to_be_bytes());
        bytes.push(0);
        assert_eq!(Message::decode(&bytes).unwrap_err(), Malformed::Truncated { part: "truncated relation" });
    }
}
