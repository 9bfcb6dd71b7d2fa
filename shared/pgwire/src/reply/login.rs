//! What a server asks for, or tells, during the log-in.

use bytes::{BufMut, BytesMut};

use crate::backend::tag::AUTHENTICATION;
use crate::write::{WriteError, put_frame, put_listed};

/// The client is in.
pub fn authentication_ok(out: &mut BytesMut) {
    out.put_slice(&[AUTHENTICATION, 0, 0, 0, 8, 0, 0, 0, 0]);
}

/// The password itself, please.
pub fn authentication_cleartext_password(out: &mut BytesMut) {
    out.put_slice(&[AUTHENTICATION, 0, 0, 0, 8, 0, 0, 0, 3]);
}

/// The password, hashed with this salt.
pub fn authentication_md5_password(out: &mut BytesMut, salt: [u8; 4]) {
    out.put_slice(&[AUTHENTICATION, 0, 0, 0, 12, 0, 0, 0, 5]);
    out.put_slice(&salt);
}

/// A log-in by one of these mechanisms, the preferred one first.
pub fn authentication_sasl(out: &mut BytesMut, mechanisms: &[&str]) -> Result<(), WriteError> {
    put_frame(out, AUTHENTICATION, |body| {
        body.put_u32(10);
        for mechanism in mechanisms {
            put_listed(body, "name of a SASL mechanism", mechanism.as_bytes())?;
        }
        body.put_u8(0);
        Ok(())
    })
}

/// The server's challenge.
pub fn authentication_sasl_continue(out: &mut BytesMut, data: &[u8]) -> Result<(), WriteError> {
    put_step(out, 11, data)
}

/// The server's own proof.
pub fn authentication_sasl_final(out: &mut BytesMut, data: &[u8]) -> Result<(), WriteError> {
    put_step(out, 12, data)
}

fn put_step(out: &mut BytesMut, code: u32, data: &[u8]) -> Result<(), WriteError> {
    put_frame(out, AUTHENTICATION, |body| {
        body.put_u32(code);
        body.put_slice(data);
        Ok(())
    })
}
