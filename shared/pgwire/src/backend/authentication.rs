//! The server's side of the log-in.

use crate::WireError;
use crate::reader::Reader;

/// What the server asks for, or tells, during the log-in.
#[derive(Debug, Clone, Copy)]
pub enum Authentication<'a> {
    /// The client is in.
    Ok,
    /// The password itself, please.
    CleartextPassword,
    /// The password, hashed with this salt.
    Md5Password {
        /// Four random bytes.
        salt: [u8; 4],
    },
    /// A log-in by one of these mechanisms.
    Sasl(Mechanisms<'a>),
    /// The server's challenge.
    SaslContinue(&'a [u8]),
    /// The server's own proof.
    SaslFinal(&'a [u8]),
    /// A method that needs a ticket from somewhere else: Kerberos, GSSAPI, SSPI, …
    Other {
        /// Its code in the protocol.
        code: u32,
    },
}

impl<'a> Authentication<'a> {
    /// Reads the body of an Authentication frame.
    pub fn parse(body: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new("Authentication", body);
        let message = match reader.u32()? {
            0 => Self::Ok,
            3 => Self::CleartextPassword,
            5 => Self::Md5Password { salt: reader.array()? },
            10 => return Mechanisms::parse(reader).map(Self::Sasl),
            11 => return Ok(Self::SaslContinue(reader.rest())),
            12 => return Ok(Self::SaslFinal(reader.rest())),
            code => return Ok(Self::Other { code }),
        };
        reader.end().map(|()| message)
    }
}

/// The names of the SASL mechanisms that a server offers, in its order of preference.
#[derive(Debug, Clone, Copy)]
pub struct Mechanisms<'a>(Reader<'a>);

impl<'a> Mechanisms<'a> {
    fn parse(reader: Reader<'a>) -> Result<Self, WireError> {
        let mut walk = reader;
        while !walk.text()?.is_empty() {}
        walk.end().map(|()| Self(reader))
    }

    /// Whether this mechanism is offered.
    pub fn offers(mut self, mechanism: &str) -> bool {
        self.any(|offered| offered == mechanism.as_bytes())
    }
}

impl<'a> Iterator for Mechanisms<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.0.text().ok().filter(|name| !name.is_empty())
    }
}
