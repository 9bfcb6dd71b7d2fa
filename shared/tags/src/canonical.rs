//! Pure. Values that are equal in PostgreSQL, written in one way.
//!
//! Only types whose equality is that of what they are: what a client binds, a literal says and the log tells can then be
//! compared as bytes. Whatever cannot be written in this way is no value here, and its table counts as a whole.

/// A value, written in the only way there is for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Canonical(Box<[u8]>);

impl Canonical {
    /// The value's bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The value of these bytes, as another part of Weir wrote them.
    pub fn told(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

/// Types whose values compare with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// `smallint`, `integer`, `bigint`.
    Integer,
    /// `text`, `varchar`; under a deterministic collation.
    Text,
    /// `uuid`.
    Uuid,
    /// `boolean`.
    Boolean,
    /// `bytea`.
    Bytes,
}

impl Family {
    /// The family of one of PostgreSQL's types, by its number.
    pub const fn of_type(oid: u32) -> Option<Self> {
        match oid {
            20 | 21 | 23 => Some(Self::Integer),
            25 | 1043 => Some(Self::Text),
            2950 => Some(Self::Uuid),
            16 => Some(Self::Boolean),
            17 => Some(Self::Bytes),
            _ => None,
        }
    }

    /// A value in text form, as clients send it and the log tells it.
    pub fn from_text(self, text: &[u8]) -> Option<Canonical> {
        let bytes: Box<[u8]> = match self {
            Self::Integer => integer(text)?.to_be_bytes().into(),
            Self::Text => text.into(),
            Self::Uuid => uuid(text)?.into(),
            Self::Boolean => [boolean(text)?.into()].into(),
            Self::Bytes => hex(text.strip_prefix(b"\\x")?)?.into(),
        };
        Some(Canonical(bytes))
    }

    /// A value in binary form, as clients send it.
    pub fn from_binary(self, value: &[u8]) -> Option<Canonical> {
        let bytes: Box<[u8]> = match self {
            Self::Integer => binary_integer(value)?.to_be_bytes().into(),
            Self::Uuid if value.len() != 16 => return None,
            Self::Boolean => match value {
                [0 | 1] => value.into(),
                _ => return None,
            },
            Self::Text | Self::Uuid | Self::Bytes => value.into(),
        };
        Some(Canonical(bytes))
    }
}

/// Digits with a sign before them, as PostgreSQL itself writes a number. What else it accepts is left to it.
fn integer(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let number: i64 = text.parse().ok()?;
    (!text.starts_with('+')).then_some(number)
}

fn binary_integer(value: &[u8]) -> Option<i64> {
    match value.len() {
        2 => Some(i16::from_be_bytes(value.try_into().ok()?).into()),
        4 => Some(i32::from_be_bytes(value.try_into().ok()?).into()),
        8 => Some(i64::from_be_bytes(value.try_into().ok()?)),
        _ => None,
    }
}

fn uuid(text: &[u8]) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.iter().copied().filter(|byte| *byte != b'-').collect();
    (digits.len() == 32 && text.len() == 36).then(|| hex(&digits))?
}

fn boolean(text: &[u8]) -> Option<bool> {
    match text {
        b"t" | b"true" => Some(true),
        b"f" | b"false" => Some(false),
        _ => None,
    }
}

fn hex(digits: &[u8]) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let pair = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(digit(high)? * 16 + digit(low)?).ok(),
        _ => None,
    };
    digits.chunks(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_the_same_however_it_comes() {
        let same = |family: Family, text: &str, binary: &[u8]| {
            let text = family.from_text(text.as_bytes());
            assert!(text.is_some() && text == family.from_binary(binary), "{text:?}");
        };
        same(Family::Integer, "-7", &(-7i16).to_be_bytes());
        same(Family::Integer, "-7", &(-7i32).to_be_bytes());
        same(Family::Integer, "-7", &(-7i64).to_be_bytes());
        same(Family::Text, "Ä", "Ä".as_bytes());
        same(Family::Boolean, "t", &[1]);
        same(Family::Bytes, "\\x00ff", &[0, 255]);
        same(
            Family::Uuid,
            "000102030405060708090a0b0c0d0e0f"
                .replace("00010203", "00010203-")
                .replace("-04050607", "-0405-0607-")
                .replace("-08090a0b", "-0809-0a0b")
                .as_str(),
            &(0..16).collect::<Vec<u8>>(),
        );
    }

    #[test]
    fn what_can_be_written_in_another_way_is_no_value() {
        for (family, text) in [
            (Family::Integer, "+7"),
            (Family::Integer, " 7"),
            (Family::Integer, "0x7"),
            (Family::Integer, "1_000"),
            (Family::Integer, "99999999999999999999"),
            (Family::Uuid, "{00010203-0405-0607-0809-0a0b0c0d0e0f}"),
            (Family::Boolean, "yes"),
            (Family::Bytes, "abc"),
            (Family::Bytes, "\\x0"),
        ] {
            assert_eq!(family.from_text(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Family::Integer.from_binary(&[0; 3]), None);
        assert_eq!(Family::Boolean.from_binary(&[2]), None);
        assert_eq!(
            Family::of_type(1042),
            None,
            "blanks at the end of character(n) do not count"
        );
    }
}
