//! The columns of one row.

use super::cursor::{Cursor, Malformed};

/// One column of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell<'a> {
    /// SQL null.
    Null,
    /// A value kept out of line that the update did not touch; it is not in the log.
    Unchanged,
    /// The type's text form.
    Text(&'a [u8]),
    /// The type's binary form.
    Binary(&'a [u8]),
}

/// A row whose structure has been checked; its cells are read without further checks failing.
#[derive(Debug, Clone, Copy)]
pub struct Tuple<'a> {
    count: usize,
    cells: Cursor<'a>,
}

impl<'a> Tuple<'a> {
    /// Reads a row and moves the cursor behind it.
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Result<Self, Malformed> {
        let count = cursor.count("column count")?;
        let cells = *cursor;
        for _ in 0..count {
            cell(cursor)?;
        }
        Ok(Self { count, cells })
    }

    /// How many columns it has.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether it has no columns.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Its cells, in the order of the relation's columns.
    pub fn cells(&self) -> impl Iterator<Item = Cell<'a>> + use<'a> {
        let mut cursor = self.cells;
        // Reading has succeeded once already, over the same bytes.
        (0..self.count).map_while(move |_| cell(&mut cursor).ok())
    }
}

fn cell<'a>(cursor: &mut Cursor<'a>) -> Result<Cell<'a>, Malformed> {
    match cursor.u8("column kind")? {
        b'n' => Ok(Cell::Null),
        b'u' => Ok(Cell::Unchanged),
        b't' => value(cursor).map(Cell::Text),
        b'b' => value(cursor).map(Cell::Binary),
        byte => Err(Malformed::Tag { part: "column kind", byte }),
    }
}

fn value<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], Malformed> {
    let length = cursor.length("column value")?;
    cursor.bytes(length, "column value")
}
