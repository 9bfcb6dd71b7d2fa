//! What the plugin `pgoutput` writes in the first version of its protocol, without streaming of transactions under way.
//!
//! A view borrows from the frame. Nothing of it is believed beyond what is there; what is unknown is an error of its own
//! kind or [`Pgoutput::Unknown`], so that a reader can be careful instead of wrong.

use crate::WireError;
use crate::reader::Reader;

const FRAME: &str = "pgoutput";

/// One message of the plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pgoutput<'a> {
    /// A transaction that was committed begins here.
    Begin {
        /// Where its commit is.
        commit: u64,
        /// Its number, as 32 bits.
        xid: u32,
    },
    /// It ends here.
    Commit {
        /// Where its commit is.
        commit: u64,
        /// Where the commit ends.
        end: u64,
    },
    /// Where the transaction came from, if from another server.
    Origin,
    /// What a table looks like whose rows follow.
    Relation(Relation<'a>),
    /// A type that is not built in.
    Type,
    /// One row was changed.
    Change(Change<'a>),
    /// Tables were emptied.
    Truncate(Truncated<'a>),
    /// What `pg_logical_emit_message` wrote.
    Message(Marker<'a>),
    /// A kind of message that this version does not know.
    Unknown(u8),
}

/// What identifies a row of a table whose old state is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// The primary key.
    Default,
    /// An index.
    Index,
    /// All columns.
    Full,
    /// Nothing.
    Nothing,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation<'a> {
    /// Its number.
    pub oid: u32,
    /// Its schema; empty for `pg_catalog`.
    pub schema: &'a [u8],
    /// Its name.
    pub name: &'a [u8],
    /// What identifies its rows.
    pub identity: Identity,
    /// Its columns as they lie in rows.
    pub columns: Vec<Column<'a>>,
}

/// A column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column<'a> {
    /// It belongs to what identifies a row.
    pub is_key: bool,
    /// Its name.
    pub name: &'a [u8],
    /// The number of its type.
    pub type_oid: u32,
}

/// What is known of the state of a row before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Old<'a> {
    /// The columns that identify it; the others read as NULL.
    Key(Tuple<'a>),
    /// Every column.
    Whole(Tuple<'a>),
}

/// A changed row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change<'a> {
    /// The number of its table.
    pub relation: u32,
    /// It was there before and is there now. Otherwise it came or went.
    pub is_update: bool,
    /// Its state before. Not there for an insertion, and where what identifies it did not change.
    pub old: Option<Old<'a>>,
    /// Its state now. Not there for a deletion.
    pub new: Option<Tuple<'a>>,
}

/// Tables that were emptied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Truncated<'a>(&'a [u8]);

impl Truncated<'_> {
    /// Their numbers.
    pub fn relations(&self) -> impl Iterator<Item = u32> {
        self.0.as_chunks::<4>().0.iter().map(|oid| u32::from_be_bytes(*oid))
    }
}

/// What somebody wrote into the log by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marker<'a> {
    /// It belongs to the transaction around it. Otherwise it stands for itself, between transactions.
    pub is_transactional: bool,
    /// Where it is.
    pub lsn: u64,
    /// Who it is for.
    pub prefix: &'a [u8],
    /// What it says.
    pub content: &'a [u8],
}

/// The values of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuple<'a> {
    count: u16,
    values: &'a [u8],
}

/// One value of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// NULL.
    Null,
    /// A large value, stored apart, that did not change: it is not told.
    Unchanged,
    /// In text form.
    Text(&'a [u8]),
    /// In binary form.
    Binary(&'a [u8]),
}

impl<'a> Tuple<'a> {
    fn parse(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let count = reader.u16()?;
        let rest = reader.rest();
        for _ in 0..count {
            value(reader)?;
        }
        let bytes = rest.len() - reader.rest().len();
        let values = rest.get(..bytes).unwrap_or_default();
        Ok(Self { count, values })
    }

    /// How many values there are.
    pub const fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The values from left to right.
    pub fn values(&self) -> impl Iterator<Item = Value<'a>> + use<'a> {
        let mut reader = Reader::new(FRAME, self.values);
        (0..self.count).map_while(move |_| value(&mut reader).ok())
    }
}

fn value<'a>(reader: &mut Reader<'a>) -> Result<Value<'a>, WireError> {
    let kind = reader.u8()?;
    let mut sized = || {
        let bytes = usize::try_from(reader.u32()?).unwrap_or(usize::MAX);
        reader.bytes(bytes)
    };
    match kind {
        b'n' => Ok(Value::Null),
        b'u' => Ok(Value::Unchanged),
        b't' => sized().map(Value::Text),
        b'b' => sized().map(Value::Binary),
        _ => Err(reader.malformed("a value is of no known kind")),
    }
}

impl<'a> Pgoutput<'a> {
    /// Reads one message.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(FRAME, bytes);
        let message = match reader.u8()? {
            b'B' => begin(&mut reader)?,
            b'C' => commit(&mut reader)?,
            b'R' => Self::Relation(relation(&mut reader)?),
            kind @ (b'I' | b'U' | b'D') => Self::Change(change(&mut reader, kind == b'U')?),
            b'T' => Self::Truncate(truncate(&mut reader)?),
            b'M' => Self::Message(marker(&mut reader)?),
            // Nobody asks for more of these than that they were there.
            b'O' => return Ok(Self::Origin),
            b'Y' => return Ok(Self::Type),
            kind => return Ok(Self::Unknown(kind)),
        };
        reader.end()?;
        Ok(message)
    }
}

fn begin<'a>(reader: &mut Reader<'a>) -> Result<Pgoutput<'a>, WireError> {
    let (commit, _clock, xid) = (reader.u64()?, reader.u64()?, reader.u32()?);
    Ok(Pgoutput::Begin { commit, xid })
}

fn commit<'a>(reader: &mut Reader<'a>) -> Result<Pgoutput<'a>, WireError> {
    let (_flags, commit, end, _clock) = (reader.u8()?, reader.u64()?, reader.u64()?, reader.u64()?);
    Ok(Pgoutput::Commit { commit, end })
}

fn relation<'a>(reader: &mut Reader<'a>) -> Result<Relation<'a>, WireError> {
    let (oid, schema, name) = (reader.u32()?, reader.text()?, reader.text()?);
    let identity = match reader.u8()? {
        b'd' => Identity::Default,
        b'i' => Identity::Index,
        b'f' => Identity::Full,
        _ => Identity::Nothing,
    };
    let mut columns = Vec::new();
    for _ in 0..reader.u16()? {
        columns.push(column(reader)?);
    }
    Ok(Relation {
        oid,
        schema,
        name,
        identity,
        columns,
    })
}

fn column<'a>(reader: &mut Reader<'a>) -> Result<Column<'a>, WireError> {
    let (flags, name, type_oid, _modifier) = (reader.u8()?, reader.text()?, reader.u32()?, reader.u32()?);
    Ok(Column {
        is_key: flags & 1 != 0,
        name,
        type_oid,
    })
}

fn change<'a>(reader: &mut Reader<'a>, is_update: bool) -> Result<Change<'a>, WireError> {
    let relation = reader.u32()?;
    let mut change = Change {
        relation,
        is_update,
        old: None,
        new: None,
    };
    while !reader.rest().is_empty() {
        let kind = reader.u8()?;
        match kind {
            b'K' if change.old.is_none() => change.old = Some(Old::Key(Tuple::parse(reader)?)),
            b'O' if change.old.is_none() => change.old = Some(Old::Whole(Tuple::parse(reader)?)),
            b'N' if change.new.is_none() => change.new = Some(Tuple::parse(reader)?),
            _ => return Err(reader.malformed("a row is of no known kind")),
        }
    }
    match change {
        Change {
            old: None, new: None, ..
        } => Err(reader.malformed("a change without a row")),
        change => Ok(change),
    }
}

fn truncate<'a>(reader: &mut Reader<'a>) -> Result<Truncated<'a>, WireError> {
    let (count, _options) = (reader.u32()?, reader.u8()?);
    let bytes = usize::try_from(count).ok().and_then(|count| count.checked_mul(4));
    reader.bytes(bytes.unwrap_or(usize::MAX)).map(Truncated)
}

fn marker<'a>(reader: &mut Reader<'a>) -> Result<Marker<'a>, WireError> {
    let (flags, lsn, prefix) = (reader.u8()?, reader.u64()?, reader.text()?);
    let bytes = usize::try_from(reader.u32()?).unwrap_or(usize::MAX);
    Ok(Marker {
        is_transactional: flags & 1 != 0,
        lsn,
        prefix,
        content: reader.bytes(bytes)?,
    })
}
