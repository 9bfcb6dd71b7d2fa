//! What a log-in takes from a certificate: the fingerprint of the server's that it is bound to (RFC 5929,
//! `tls-server-end-point`), and the name of a client.
//!
//! Verifies nothing: that is the business of the TLS library, which has done it before. A parser for all of X.509 would
//! be a large dependency for four fields, so they are read here; the way to a subject is webpki's.

use ring::digest::{Algorithm, SHA256, SHA384, SHA512, digest};
use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

const OBJECT_ID: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;
const IA5_STRING: u8 = 0x16;
const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// The version in front of everything else, where it is not the first.
const VERSION: u8 = 0xa0;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// `id-at-commonName`.
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];
/// The hash in the parameters of an RSA-PSS signature.
const PSS_HASH: u8 = 0xa0;

/// The hash of the certificate that both ends of a connection can name. `None` where the signature has no hash of its
/// own (Ed25519) or one that nobody uses.
pub fn end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    let hash = signature_hash(certificate)?;
    Some(digest(hash, certificate).as_ref().to_vec())
}

/// The common name of a certificate's subject, the first where it has several, as PostgreSQL takes it. `None` where it
/// has none, or one with a zero byte in it: the name behind such a byte would hide from whoever looks at it in C.
pub fn common_name(certificate: &CertificateDer<'_>) -> Option<String> {
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    let mut names = certificate.subject();
    while !names.is_empty() {
        let (mut name, rest) = element(names, SET)?;
        while !name.is_empty() {
            let (attribute, others) = element(name, SEQUENCE)?;
            let (id, value) = element(attribute, OBJECT_ID)?;
            if id == COMMON_NAME {
                return text(value);
            }
            name = others;
        }
        names = rest;
    }
    None
}

/// Until when a certificate is valid, in seconds since 1970.
pub fn valid_until(certificate: &[u8]) -> Option<i64> {
    let (certificate, _) = element(certificate, SEQUENCE)?;
    let (mut rest, _) = element(certificate, SEQUENCE)?;
    if let Some((_, after_version)) = element(rest, VERSION) {
        rest = after_version;
    }
    // Before the validity stand the serial number, the algorithm and the issuer.
    for tag in [INTEGER, SEQUENCE, SEQUENCE] {
        (_, rest) = element(rest, tag)?;
    }
    let (validity, _) = element(rest, SEQUENCE)?;
    let (_, end) = [UTC_TIME, GENERALIZED_TIME]
        .iter()
        .find_map(|tag| element(validity, *tag))?;
    let (text, years) = match element(end, UTC_TIME) {
        Some((text, _)) => (text, 2),
        None => (element(end, GENERALIZED_TIME)?.0, 4),
    };
    seconds(str::from_utf8(text).ok()?, years)
}

/// `YYMMDDhhmmssZ`, or the same with four digits of the year.
fn seconds(text: &str, years: usize) -> Option<i64> {
    let number = |from: usize, digits: usize| -> Option<i64> { text.get(from..from + digits)?.parse().ok() };
    let part = |at: usize| number(years + 2 * at, 2);
    let year = match (years, number(0, years)?) {
        (2, year @ 0..50) => 2000 + year,
        (2, year) => 1900 + year,
        (_, year) => year,
    };
    let days = days_since_1970(year, part(0)?, part(1)?);
    Some(((days * 24 + part(2)?) * 60 + part(3)?) * 60 + part(4)?)
}

/// Of the proleptic Gregorian calendar, whose years are best counted from March on.
const fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The text of a string in one of the kinds that can be read without a table.
fn text(value: &[u8]) -> Option<String> {
    let kinds = [UTF8_STRING, PRINTABLE_STRING, IA5_STRING];
    let (bytes, _) = kinds.into_iter().find_map(|kind| element(value, kind))?;
    let text = str::from_utf8(bytes).ok()?;
    (!text.contains('\0')).then(|| text.to_owned())
}

fn signature_hash(certificate: &[u8]) -> Option<&'static Algorithm> {
    let (certificate, _) = element(certificate, SEQUENCE)?;
    let (_, rest) = element(certificate, SEQUENCE)?;
    let (algorithm, _) = element(rest, SEQUENCE)?;
    let (id, parameters) = element(algorithm, OBJECT_ID)?;
    match id {
        // sha256WithRSAEncryption and its sisters.
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, variant] => rsa_hash(*variant, parameters),
        // ecdsa-with-SHA1, which is too weak to be used, so the standard says SHA-256; then the others.
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01] | [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02] => Some(&SHA256),
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03] => Some(&SHA384),
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04] => Some(&SHA512),
        _ => None,
    }
}

fn rsa_hash(variant: u8, parameters: &[u8]) -> Option<&'static Algorithm> {
    match variant {
        // MD5 and SHA-1 are too weak, so the standard says SHA-256.
        4 | 5 | 11 => Some(&SHA256),
        12 => Some(&SHA384),
        13 => Some(&SHA512),
        10 => pss_hash(parameters),
        _ => None,
    }
}

fn pss_hash(parameters: &[u8]) -> Option<&'static Algorithm> {
    let (parameters, _) = element(parameters, SEQUENCE)?;
    let Some((hash, _)) = element(parameters, PSS_HASH) else {
        // Left out, it is SHA-1.
        return Some(&SHA256);
    };
    let (algorithm, _) = element(hash, SEQUENCE)?;
    match element(algorithm, OBJECT_ID)?.0 {
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 1] => Some(&SHA256),
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 2] => Some(&SHA384),
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 3] => Some(&SHA512),
        _ => None,
    }
}

/// The content of the DER element at the front, if it has this tag, and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    if *found != tag {
        return None;
    }
    if *first < 0x80 {
        return rest.split_at_checked(usize::from(*first));
    }
    // The long form: so many bytes of length. Four are plenty for a certificate.
    let (length, rest) = rest
        .split_at_checked(usize::from(first & 0x7f))
        .filter(|(length, _)| length.len() <= 4)?;
    let length = length.iter().fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte));
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn der(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x82, length[0], length[1]], content].concat()
    }

    fn signed_with(id: &[u8], parameters: &[u8]) -> Vec<u8> {
        let algorithm = der(SEQUENCE, &[der(OBJECT_ID, id), parameters.to_vec()].concat());
        der(
            SEQUENCE,
            &[der(SEQUENCE, b"to be signed"), algorithm, der(3, b"signature")].concat(),
        )
    }

    #[test]
    fn the_hash_is_the_one_of_the_signature() {
        const RSA: [u8; 8] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
        let rsa = |variant| signed_with(&[&RSA[..], &[variant]].concat(), &[5, 0]);
        for (variant, bytes) in [
            (4, Some(32)),
            (5, Some(32)),
            (11, Some(32)),
            (12, Some(48)),
            (13, Some(64)),
            (14, None),
        ] {
            assert_eq!(end_point(&rsa(variant)).map(|hash| hash.len()), bytes, "{variant}");
        }
        let sha384 = der(OBJECT_ID, &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 2]);
        let parameters = der(SEQUENCE, &der(PSS_HASH, &der(SEQUENCE, &sha384)));
        let pss = signed_with(&[&RSA[..], &[10]].concat(), &parameters);
        assert_eq!(end_point(&pss).unwrap().len(), 48);
        assert!(
            end_point(&signed_with(&[0x2b, 0x65, 0x70], &[])).is_none(),
            "Ed25519 has no hash"
        );
    }

    /// A certificate that is valid until then, as far as this is read.
    fn valid(version: &[u8], end: &[u8]) -> Vec<u8> {
        let begin = der(UTC_TIME, b"250101000000Z");
        let parts = [
            version.to_vec(),
            der(INTEGER, &[1]),
            der(SEQUENCE, b"algorithm"),
            der(SEQUENCE, b"issuer"),
            der(SEQUENCE, &[begin, end.to_vec()].concat()),
        ];
        der(SEQUENCE, &der(SEQUENCE, &parts.concat()))
    }

    #[test]
    fn the_end_of_the_validity_is_read_in_both_forms() {
        let third = der(VERSION, &der(INTEGER, &[2]));
        let short = valid(&third, &der(UTC_TIME, b"261130144500Z"));
        assert_eq!(valid_until(&short), Some(1_796_049_900));
        let long = valid(&[], &der(GENERALIZED_TIME, b"20500228235959Z"));
        assert_eq!(valid_until(&long), Some(2_529_705_599));
        let old = valid(&[], &der(UTC_TIME, b"991231235959Z"));
        assert_eq!(valid_until(&old), Some(946_684_799));
        for end in 0..short.len() {
            assert!(valid_until(&short[..end]).is_none(), "cut at {end}");
        }
    }

    #[test]
    fn what_is_no_certificate_has_no_hash() {
        let whole = signed_with(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02], &[]);
        assert!(end_point(&whole).is_some());
        for end in 0..whole.len() {
            assert!(end_point(&whole[..end]).is_none(), "cut at {end}");
        }
        assert!(end_point(&[SEQUENCE, 0xff, 1, 2, 3]).is_none());
    }
}
