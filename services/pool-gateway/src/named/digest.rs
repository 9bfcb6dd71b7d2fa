//! Digests that are looked up instead of secrets, so that whoever reads the table can open nothing. Pure.

use std::fmt::Write as _;

use ring::digest::{SHA256, digest};
use weir_proto::common::v1::Value;
use weir_proto::common::v1::value::Kind;

/// What is sent instead of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Digest {
    /// SHA-256 of the value's bytes.
    Sha256,
}

impl Digest {
    /// The digest of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        (name == "sha256").then_some(Self::Sha256)
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
        }
    }

    /// The digest of a value: bytes where those are wanted, else small hexadecimal digits. NULL has none.
    pub(crate) fn of(self, value: &Value, as_bytes: bool) -> Result<Value, String> {
        let secret = match &value.kind {
            None | Some(Kind::Null(_)) => return Ok(value.clone()),
            Some(Kind::Text(text)) => text.as_bytes(),
            Some(Kind::Bytes(bytes)) => bytes,
            Some(_) => return Err(format!("its {} is looked up; give text or bytes", self.as_str())),
        };
        let digest = digest(&SHA256, secret);
        let kind = if as_bytes {
            Kind::Bytes(digest.as_ref().to_vec().into())
        } else {
            Kind::Text(hex(digest.as_ref()))
        };
        Ok(Value { kind: Some(kind) })
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use weir_proto::common::v1::Null;

    use super::*;

    const OF_ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn digested(kind: Kind, as_bytes: bool) -> Result<Kind, String> {
        let value = Value { kind: Some(kind) };
        Digest::Sha256.of(&value, as_bytes).map(|value| value.kind.unwrap())
    }

    #[test]
    fn text_and_bytes_have_the_digest_of_the_standard() {
        for kind in [Kind::Text("abc".to_owned()), Kind::Bytes(b"abc".to_vec().into())] {
            assert_eq!(digested(kind.clone(), false), Ok(Kind::Text(OF_ABC.to_owned())));
            let Ok(Kind::Bytes(bytes)) = digested(kind, true) else {
                panic!("no bytes")
            };
            assert_eq!(hex(&bytes), OF_ABC);
        }
        assert_eq!(digested(Kind::Null(Null {}), true), Ok(Kind::Null(Null {})));
        assert!(digested(Kind::Int64(1), true).is_err());
    }
}
