//! Frames as a server might send them, written here by hand so that the reader has something to agree with.

use proptest::prelude::*;

/// One frame, as a person would describe it.
#[derive(Debug, Clone)]
pub(crate) enum Sent {
    Row(Vec<Option<Vec<u8>>>),
    Columns(Vec<Column>),
    Complete(Vec<u8>),
    Ready(u8),
    Error(Vec<(u8, Vec<u8>)>),
    Notice(Vec<(u8, Vec<u8>)>),
    Notification(i32, Vec<u8>, Vec<u8>),
    Status(Vec<u8>, Vec<u8>),
    Key(i32, Vec<u8>),
    Types(Vec<u32>),
    CopyIn(u8, Vec<u16>),
    CopyData(Vec<u8>),
    Sasl(Vec<Vec<u8>>),
    Md5([u8; 4]),
    Negotiate(u32, Vec<Vec<u8>>),
    Bare(u8),
}

#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) name: Vec<u8>,
    pub(crate) table_oid: u32,
    pub(crate) number: i16,
    pub(crate) type_oid: u32,
    pub(crate) size: i16,
    pub(crate) modifier: i32,
    pub(crate) format: u16,
}

fn text(out: &mut Vec<u8>, text: &[u8]) {
    out.extend(text);
    out.push(0);
}

fn count(out: &mut Vec<u8>, count: usize) {
    out.extend(u16::try_from(count).unwrap().to_be_bytes());
}

fn error_body(fields: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (code, value) in fields {
        out.push(*code);
        text(&mut out, value);
    }
    out.push(0);
    out
}

impl Column {
    fn write(&self, out: &mut Vec<u8>) {
        text(out, &self.name);
        out.extend(self.table_oid.to_be_bytes());
        out.extend(self.number.to_be_bytes());
        out.extend(self.type_oid.to_be_bytes());
        out.extend(self.size.to_be_bytes());
        out.extend(self.modifier.to_be_bytes());
        out.extend(self.format.to_be_bytes());
    }
}

fn row_body(values: &[Option<Vec<u8>>]) -> Vec<u8> {
    let mut out = Vec::new();
    count(&mut out, values.len());
    for value in values {
        let length = value.as_ref().map_or(-1, |value| i32::try_from(value.len()).unwrap());
        out.extend(length.to_be_bytes());
        out.extend(value.iter().flatten());
    }
    out
}

impl Sent {
    fn parts(&self) -> (u8, Vec<u8>) {
        let mut out = Vec::new();
        let tag = match self {
            Self::Row(values) => return (b'D', row_body(values)),
            Self::Error(fields) => return (b'E', error_body(fields)),
            Self::Notice(fields) => return (b'N', error_body(fields)),
            Self::CopyData(data) => return (b'd', data.clone()),
            Self::Bare(tag) => *tag,
            Self::Columns(columns) => {
                count(&mut out, columns.len());
                columns.iter().for_each(|column| column.write(&mut out));
                b'T'
            }
            Self::Complete(tag) => {
                text(&mut out, tag);
                b'C'
            }
            Self::Ready(status) => {
                out.push(*status);
                b'Z'
            }
            Self::Notification(process, channel, payload) => {
                out.extend(process.to_be_bytes());
                text(&mut out, channel);
                text(&mut out, payload);
                b'A'
            }
            Self::Status(name, value) => {
                text(&mut out, name);
                text(&mut out, value);
                b'S'
            }
            Self::Key(process, key) => {
                out.extend(process.to_be_bytes());
                out.extend(key);
                b'K'
            }
            Self::Types(oids) => {
                count(&mut out, oids.len());
                out.extend(oids.iter().flat_map(|oid| oid.to_be_bytes()));
                b't'
            }
            Self::CopyIn(format, columns) => {
                out.push(*format);
                count(&mut out, columns.len());
                out.extend(columns.iter().flat_map(|code| code.to_be_bytes()));
                b'G'
            }
            Self::Sasl(mechanisms) => {
                out.extend(10_u32.to_be_bytes());
                mechanisms.iter().for_each(|name| text(&mut out, name));
                out.push(0);
                b'R'
            }
            Self::Md5(salt) => {
                out.extend(5_u32.to_be_bytes());
                out.extend(salt);
                b'R'
            }
            Self::Negotiate(version, options) => {
                out.extend(version.to_be_bytes());
                out.extend(u32::try_from(options.len()).unwrap().to_be_bytes());
                options.iter().for_each(|name| text(&mut out, name));
                b'v'
            }
        };
        (tag, out)
    }

    /// The whole frame.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let (tag, body) = self.parts();
        let mut out = vec![tag];
        out.extend((u32::try_from(body.len()).unwrap() + 4).to_be_bytes());
        out.extend(body);
        out
    }
}

fn word() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(1..=255_u8, 0..12)
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    "[a-z_]{1,12}".prop_map(String::into_bytes)
}

fn column() -> impl Strategy<Value = Column> {
    (name(), any::<(u32, i16, u32, i16, i32)>(), 0..2_u16).prop_map(
        |(name, (table_oid, number, type_oid, size, modifier), format)| Column {
            name,
            table_oid,
            number,
            type_oid,
            size,
            modifier,
            format,
        },
    )
}

fn value() -> impl Strategy<Value = Option<Vec<u8>>> {
    prop::option::of(prop::collection::vec(any::<u8>(), 0..20))
}

fn fields() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
    prop::collection::vec((1..=255_u8, word()), 0..6)
}

/// Any frame a server might send.
pub(crate) fn sent() -> impl Strategy<Value = Sent> {
    let few = 0..5;
    prop_oneof![
        3 => prop::collection::vec(value(), few.clone()).prop_map(Sent::Row),
        1 => prop::collection::vec(column(), few.clone()).prop_map(Sent::Columns),
        1 => word().prop_map(Sent::Complete),
        1 => prop::sample::select(vec![b'I', b'T', b'E']).prop_map(Sent::Ready),
        1 => fields().prop_map(Sent::Error),
        1 => fields().prop_map(Sent::Notice),
        1 => (any::<i32>(), word(), word()).prop_map(|(process, channel, payload)| Sent::Notification(process, channel, payload)),
        1 => (word(), word()).prop_map(|(name, value)| Sent::Status(name, value)),
        1 => (any::<i32>(), prop::collection::vec(any::<u8>(), 4..=256)).prop_map(|(process, key)| Sent::Key(process, key)),
        1 => prop::collection::vec(any::<u32>(), few.clone()).prop_map(Sent::Types),
        1 => (0..2_u8, prop::collection::vec(0..2_u16, few.clone())).prop_map(|(format, columns)| Sent::CopyIn(format, columns)),
        1 => prop::collection::vec(any::<u8>(), 0..30).prop_map(Sent::CopyData),
        1 => prop::collection::vec(name(), 1..3).prop_map(Sent::Sasl),
        1 => any::<[u8; 4]>().prop_map(Sent::Md5),
        1 => (any::<u32>(), prop::collection::vec(name(), few)).prop_map(|(version, options)| Sent::Negotiate(version, options)),
        1 => prop::sample::select(b"123cIns".to_vec()).prop_map(Sent::Bare),
    ]
}
