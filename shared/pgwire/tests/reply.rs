//! The writers of a server's frames, beside frames written by hand: byte for byte the same, and read as they were meant.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use bytes::BytesMut;
use postgres_protocol::message::backend as other;
use proptest::prelude::*;
use support::{Sent, sent};
use weir_pgwire::backend::{Authentication, Message, TransactionStatus};
use weir_pgwire::reply::{self, Column, WriteError};
use weir_pgwire::{Format, Scan, scan};

/// What was there before the frame, which a writer must leave alone.
const BEFORE: &[u8] = b"before";

/// What our writer makes of a frame; `None` where there is no writer for it.
fn write(sent: &Sent, out: &mut BytesMut) -> Option<Result<(), WriteError>> {
    let done = match sent {
        Sent::Row(values) => reply::data_row(out, values.iter().map(Option::as_deref)),
        Sent::Columns(columns) => reply::row_description(out, columns.iter().map(column)),
        Sent::Complete(tag) => reply::command_complete(out, std::str::from_utf8(tag).ok()?),
        Sent::Error(fields) => reply::error_response(out, fields.iter().map(|(code, text)| (*code, text))),
        Sent::Notice(fields) => reply::notice_response(out, fields.iter().map(|(code, text)| (*code, text))),
        Sent::Notification(process, channel, payload) => reply::notification_response(out, *process, channel, payload),
        Sent::Status(name, value) => reply::parameter_status(out, name, value),
        Sent::Key(process, key) => reply::backend_key_data(out, *process, key),
        Sent::Types(oids) => reply::parameter_description(out, oids.iter().copied()),
        Sent::Sasl(mechanisms) => reply::authentication_sasl(out, &words(mechanisms)),
        Sent::Negotiate(version, options) => reply::negotiate_protocol_version(out, version & 0xffff, options),
        _ => {
            write_surely(sent, out)?;
            Ok(())
        }
    };
    Some(done)
}

/// Frames that have no text, so that nothing can be wrong with them.
fn write_surely(sent: &Sent, out: &mut BytesMut) -> Option<()> {
    match sent {
        Sent::Ready(b'I') => reply::ready_for_query(out, TransactionStatus::Idle),
        Sent::Ready(b'T') => reply::ready_for_query(out, TransactionStatus::InTransaction),
        Sent::Ready(b'E') => reply::ready_for_query(out, TransactionStatus::Failed),
        Sent::Md5(salt) => reply::authentication_md5_password(out, *salt),
        Sent::Bare(b'1') => reply::parse_complete(out),
        Sent::Bare(b'2') => reply::bind_complete(out),
        Sent::Bare(b'3') => reply::close_complete(out),
        Sent::Bare(b'I') => reply::empty_query_response(out),
        Sent::Bare(b'n') => reply::no_data(out),
        Sent::Bare(b's') => reply::portal_suspended(out),
        _ => return None,
    }
    Some(())
}

fn words(words: &[Vec<u8>]) -> Vec<&str> {
    words.iter().map(|word| std::str::from_utf8(word).unwrap()).collect()
}

fn column(sent: &support::Column) -> Column<'_> {
    Column {
        name: std::str::from_utf8(&sent.name).unwrap(),
        table_oid: sent.table_oid,
        attribute: sent.number,
        type_oid: sent.type_oid,
        type_size: sent.size,
        type_modifier: sent.modifier,
        format: Format::from_code(sent.format).unwrap(),
    }
}

/// As a server of protocol 3 means it.
fn of_protocol_3(sent: Sent) -> Sent {
    match sent {
        Sent::Negotiate(version, options) => Sent::Negotiate(0x0003_0000 | (version & 0xffff), options),
        sent => sent,
    }
}

/// The message in the one frame that is all of `bytes`.
fn only(bytes: &[u8]) -> Message<'_> {
    match scan(bytes, |_| 1 << 20).unwrap() {
        Scan::Whole(frame) if frame.bytes() == bytes.len() => Message::parse(frame).unwrap(),
        scan => panic!("not one whole frame: {scan:?}"),
    }
}

fn written(write: impl FnOnce(&mut BytesMut) -> Result<(), WriteError>) -> BytesMut {
    let mut out = BytesMut::new();
    write(&mut out).unwrap();
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn every_frame_is_written_as_by_hand(sent in sent().prop_map(of_protocol_3)) {
        let mut out = BytesMut::from(BEFORE);
        match write(&sent, &mut out) {
            Some(done) => {
                prop_assert_eq!(done, Ok(()));
                let bytes = sent.bytes();
                prop_assert_eq!(&out[..], [BEFORE, &bytes[..]].concat());
                only(&bytes);
            }
            // The frames of a COPY are forwarded, and a tag is text.
            None => prop_assert!(matches!(sent, Sent::CopyIn(..) | Sent::CopyData(_) | Sent::Bare(b'c') | Sent::Complete(_))),
        }
    }

    #[test]
    fn a_log_in_by_steps(data in prop::collection::vec(any::<u8>(), 0..60)) {
        let out = written(|out| reply::authentication_sasl_continue(out, &data));
        prop_assert!(matches!(only(&out), Message::Authentication(Authentication::SaslContinue(found)) if found == data));
        let theirs = other::Message::parse(&mut BytesMut::from(&out[..])).unwrap().unwrap();
        prop_assert!(matches!(theirs, other::Message::AuthenticationSaslContinue(found) if found.data() == data));
        let out = written(|out| reply::authentication_sasl_final(out, &data));
        prop_assert!(matches!(only(&out), Message::Authentication(Authentication::SaslFinal(found)) if found == data));
        let theirs = other::Message::parse(&mut BytesMut::from(&out[..])).unwrap().unwrap();
        prop_assert!(matches!(theirs, other::Message::AuthenticationSaslFinal(found) if found.data() == data));
    }

    #[test]
    fn an_error_in_a_few_words(
        message in "[^\u{0}]{0,30}",
        detail in prop::option::of("[^\u{0}]{0,30}"),
        hint in prop::option::of("[^\u{0}]{0,30}"),
    ) {
        let out = written(|out| reply::error(out, "FATAL", "53300", &message, detail.as_deref(), hint.as_deref()));
        let Message::ErrorResponse(fields) = only(&out) else { panic!("not an error") };
        let mut sent = vec![(b'S', "FATAL"), (b'V', "FATAL"), (b'C', "53300"), (b'M', message.as_str())];
        sent.extend(detail.as_deref().map(|detail| (b'D', detail)));
        sent.extend(hint.as_deref().map(|hint| (b'H', hint)));
        prop_assert!(fields.iter().eq(sent.iter().map(|(code, text)| (*code, text.as_bytes()))));
    }
}

#[test]
fn the_fields_that_are_asked_for_most() {
    let fields = [
        (b'S', "FEHLER"),
        (b'V', "ERROR"),
        (b'C', "0A000"),
        (b'M', "cached plan must not change result type"),
        (b'R', "RevalidateCachedQuery"),
    ];
    let out = written(|out| reply::error_response(out, fields));
    let Message::ErrorResponse(fields) = only(&out) else {
        panic!("not an error")
    };
    assert_eq!(fields.severity().as_deref(), Some("ERROR"));
    assert_eq!(fields.sqlstate().as_deref(), Some("0A000"));
    assert_eq!(
        fields.message().as_deref(),
        Some("cached plan must not change result type")
    );
    assert_eq!(fields.routine().as_deref(), Some("RevalidateCachedQuery"));
}

#[test]
fn log_ins_without_data() {
    let mut out = BytesMut::new();
    reply::authentication_ok(&mut out);
    assert!(matches!(only(&out), Message::Authentication(Authentication::Ok)));
    out.clear();
    reply::authentication_cleartext_password(&mut out);
    assert!(matches!(
        only(&out),
        Message::Authentication(Authentication::CleartextPassword)
    ));
}

/// Writes what cannot be written, and sees that nothing is left of it.
fn refused(write: impl FnOnce(&mut BytesMut) -> Result<(), WriteError>) -> WriteError {
    let mut out = BytesMut::from(BEFORE);
    let error = write(&mut out).unwrap_err();
    assert_eq!(out, BEFORE, "half a frame was left behind after: {error}");
    error
}

fn named(name: &str) -> Column<'_> {
    Column {
        name,
        table_oid: 0,
        attribute: 0,
        type_oid: 25,
        type_size: -1,
        type_modifier: -1,
        format: Format::Text,
    }
}

#[test]
fn a_zero_byte_in_a_text_breaks_no_frame() {
    for error in [
        refused(|out| reply::authentication_sasl(out, &["A", "B\0"])),
        refused(|out| reply::parameter_status(out, "a\0", "b")),
        refused(|out| reply::parameter_status(out, "a", "\0b")),
        refused(|out| reply::negotiate_protocol_version(out, 2, ["_pq_.a", "_pq_.\0"])),
        refused(|out| reply::error_response(out, [(b'M', "a"), (b'D', "b\0c")])),
        refused(|out| reply::notice_response(out, [(b'M', "\0")])),
        refused(|out| reply::error(out, "ERROR", "00000", "a\0", None, None)),
        refused(|out| reply::command_complete(out, "SELECT\0 1")),
        refused(|out| reply::row_description(out, [named("a"), named("b\0")])),
        refused(|out| reply::notification_response(out, 1, "a\0", "")),
        refused(|out| reply::notification_response(out, 1, "a", "b\0")),
    ] {
        assert!(matches!(error, WriteError::ZeroByte { .. }), "{error}");
    }
}

#[test]
fn nothing_ends_a_list_before_its_end() {
    for error in [
        refused(|out| reply::authentication_sasl(out, &["A", "", "B"])),
        refused(|out| reply::negotiate_protocol_version(out, 2, [""])),
        refused(|out| reply::error_response(out, [(0, "a")])),
    ] {
        assert!(matches!(error, WriteError::NoName { .. }), "{error}");
    }
}

#[test]
fn counts_that_the_protocol_cannot_express_are_refused() {
    let many = |part| WriteError::TooMany { part, count: 65_536 };
    let row = |count| std::iter::repeat_n(None, count);
    assert_eq!(refused(|out| reply::data_row(out, row(65_536))), many("columns"));
    let out = written(|out| reply::data_row(out, row(65_535)));
    assert!(matches!(only(&out), Message::DataRow(row) if row.len() == 65_535));
    // An endless reply ends there too.
    let columns = || std::iter::repeat(named("a"));
    assert_eq!(refused(|out| reply::row_description(out, columns())), many("columns"));
    let oids = || std::iter::repeat(25);
    assert_eq!(
        refused(|out| reply::parameter_description(out, oids())),
        many("parameters")
    );
    let none: [&str; 0] = [];
    assert_eq!(
        refused(|out| reply::negotiate_protocol_version(out, 65_536, none)),
        many("minor versions")
    );
}

#[test]
fn a_key_has_a_length_that_clients_take() {
    for bytes in [0, 3, 257] {
        let key = vec![7; bytes];
        assert_eq!(
            refused(|out| reply::backend_key_data(out, 1, &key)),
            WriteError::KeyLength { bytes }
        );
    }
}
