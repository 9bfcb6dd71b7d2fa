//! The reader of a server's frames: what a server may send is read as it was meant, and nothing makes it panic.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use bytes::{Buf, BytesMut};
use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend as other;
use proptest::prelude::*;
use support::{Column, Sent, sent};
use weir_pgwire::backend::{Authentication, Field, Message, TransactionStatus};
use weir_pgwire::{Format, Frame, Scan, WireError, scan};

const BYTES_MAX: usize = 1 << 20;

fn only_frame(bytes: &[u8]) -> Frame<'_> {
    match scan(bytes, |_| BYTES_MAX).unwrap() {
        Scan::Whole(frame) if frame.bytes() == bytes.len() => frame,
        scan => panic!("not one whole frame: {scan:?}"),
    }
}

fn format_of(code: u16) -> Format {
    if code == 0 { Format::Text } else { Format::Binary }
}

/// Reads everything that a view offers, and counts it so that nothing is optimised away.
fn look_at(message: &Message<'_>) -> usize {
    match message {
        Message::Authentication(Authentication::Sasl(mechanisms)) => mechanisms.map(<[u8]>::len).sum(),
        Message::DataRow(row) => row.values().flatten().map(<[u8]>::len).sum(),
        Message::RowDescription(description) => description.fields().map(|field| field.name.len()).sum(),
        Message::ParameterDescription(types) => types.type_oids().count(),
        Message::ErrorResponse(fields) | Message::NoticeResponse(fields) => {
            let known = [fields.severity(), fields.sqlstate(), fields.message()];
            fields.iter().count() + known.iter().flatten().map(|text| text.len()).sum::<usize>()
        }
        Message::CommandComplete(complete) => complete.tag().len() + usize::from(complete.rows().is_some()),
        Message::NegotiateProtocolVersion(told) => told.unknown_options().count(),
        Message::CopyInResponse(copy) | Message::CopyOutResponse(copy) => copy.columns().count(),
        _ => 0,
    }
}

/// Whether our reading is what was sent.
fn agrees(sent: &Sent, message: &Message<'_>) -> bool {
    match (sent, message) {
        (Sent::Row(values), Message::DataRow(row)) => {
            row.len() == values.len() && row.values().eq(values.iter().map(Option::as_deref))
        }
        (Sent::Columns(columns), Message::RowDescription(found)) => {
            found.fields().len() == columns.len()
                && found
                    .fields()
                    .zip(columns)
                    .all(|(found, sent)| column_agrees(sent, found))
        }
        (Sent::Complete(tag), Message::CommandComplete(found)) => found.tag() == tag,
        (Sent::Ready(b'I'), Message::ReadyForQuery(TransactionStatus::Idle)) => true,
        (Sent::Ready(b'T'), Message::ReadyForQuery(TransactionStatus::InTransaction)) => true,
        (Sent::Ready(b'E'), Message::ReadyForQuery(TransactionStatus::Failed)) => true,
        (Sent::Error(fields), Message::ErrorResponse(found))
        | (Sent::Notice(fields), Message::NoticeResponse(found)) => found
            .iter()
            .eq(fields.iter().map(|(code, text)| (*code, text.as_slice()))),
        (Sent::Notification(process, channel, payload), Message::NotificationResponse(found)) => {
            (found.process_id, found.channel, found.payload) == (*process, channel.as_slice(), payload.as_slice())
        }
        (Sent::Status(name, value), Message::ParameterStatus(found)) => (found.name, found.value) == (name, value),
        (Sent::Key(process, key), Message::BackendKeyData(found)) => (found.process_id, found.key) == (*process, key),
        (Sent::Types(oids), Message::ParameterDescription(found)) => found.type_oids().eq(oids.iter().copied()),
        (Sent::CopyIn(format, columns), Message::CopyInResponse(found)) => {
            found.format() == format_of(u16::from(*format))
                && found.columns().eq(columns.iter().map(|code| format_of(*code)))
        }
        (Sent::CopyData(data), Message::CopyData(found)) => data == found,
        (Sent::Sasl(mechanisms), Message::Authentication(Authentication::Sasl(found))) => found.eq(mechanisms.iter()),
        (Sent::Md5(salt), Message::Authentication(Authentication::Md5Password { salt: found })) => salt == found,
        (Sent::Negotiate(version, options), Message::NegotiateProtocolVersion(found)) => {
            found.version == *version && found.unknown_options().eq(options.iter())
        }
        (Sent::Bare(tag), message) => matches!(
            (tag, message),
            (b'1', Message::ParseComplete)
                | (b'2', Message::BindComplete)
                | (b'3', Message::CloseComplete)
                | (b'c', Message::CopyDone)
                | (b'I', Message::EmptyQueryResponse)
                | (b'n', Message::NoData)
                | (b's', Message::PortalSuspended)
        ),
        _ => false,
    }
}

fn column_agrees(sent: &Column, found: Field<'_>) -> bool {
    let meant = Field {
        name: &sent.name,
        table_oid: sent.table_oid,
        column_number: sent.number,
        type_oid: sent.type_oid,
        type_bytes: sent.size,
        type_modifier: sent.modifier,
        format: format_of(sent.format),
    };
    meant == found
}

/// Reads the whole frame with the other reader, down to its last field.
fn other_reads(bytes: &[u8]) -> std::io::Result<()> {
    let mut buffer = BytesMut::from(bytes);
    let whole = other::Message::parse(&mut buffer)?.is_some() && buffer.is_empty();
    assert!(whole, "the other reader sees another length");
    match other::Message::parse(&mut BytesMut::from(bytes))? {
        Some(other::Message::DataRow(row)) => row.ranges().for_each(|_| Ok(())),
        Some(other::Message::ErrorResponse(error)) => error.fields().for_each(|_| Ok(())),
        Some(other::Message::NoticeResponse(notice)) => notice.fields().for_each(|_| Ok(())),
        Some(other::Message::ParameterDescription(types)) => types.parameters().for_each(|_| Ok(())),
        Some(other::Message::CopyInResponse(copy)) => copy.column_formats().for_each(|_| Ok(())),
        Some(other::Message::CopyOutResponse(copy)) => copy.column_formats().for_each(|_| Ok(())),
        _ => Ok(()),
    }
}

/// What the other reader does not know: newer frames and longer keys, and log-in methods by number.
fn only_ours(frame: Frame<'_>) -> bool {
    matches!(frame.tag, b'v' | b'W' | b'R') || (frame.tag == b'K' && frame.body.len() > 8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn every_frame_is_read_as_it_was_meant(sent in sent()) {
        let bytes = sent.bytes();
        let message = Message::parse(only_frame(&bytes)).unwrap();
        prop_assert!(agrees(&sent, &message), "read as {message:?}");
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(Scan::Whole(frame)) = scan(&bytes, |_| BYTES_MAX) {
            let _ = Message::parse(frame).map(|message| look_at(&message));
        }
    }

    #[test]
    fn arbitrary_bodies_never_panic(tag in any::<u8>(), body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Message::parse(Frame { tag, body: &body }).map(|message| look_at(&message));
    }

    #[test]
    fn what_is_accepted_after_damage_is_a_frame_to_others_too(
        sent in sent(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = sent.bytes();
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(cut.index(bytes.len() + 1).max(5));
        // A length that fits again, so that the damage is inside.
        let length = u32::try_from(bytes.len() - 1).unwrap();
        bytes[1..5].copy_from_slice(&length.to_be_bytes());
        let frame = only_frame(&bytes);
        if let Ok(message) = Message::parse(frame) {
            look_at(&message);
            if !only_ours(frame) {
                prop_assert!(other_reads(&bytes).is_ok(), "accepted as {message:?}");
            }
        }
    }

    #[test]
    fn frames_split_anywhere_are_the_same(
        sent in prop::collection::vec(sent(), 0..12),
        cuts in prop::collection::vec(1..40_usize, 1..30),
    ) {
        let stream: Vec<u8> = sent.iter().flat_map(Sent::bytes).collect();
        let found = arriving_in_pieces(&stream, &cuts);
        prop_assert_eq!(found, sent.iter().map(Sent::bytes).collect::<Vec<_>>());
    }

    #[test]
    fn a_row_cut_short_anywhere_is_refused(values in prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..9)), 1..5)) {
        let bytes = Sent::Row(values).bytes();
        for end in 5..bytes.len() {
            let body = &bytes[5..end];
            let refused = matches!(Message::parse(Frame { tag: b'D', body }), Err(WireError::Malformed { .. }));
            prop_assert!(refused, "accepted at {end}");
        }
    }
}

/// The frames of a stream that arrives in pieces. What the scan says is missing must never be too much.
fn arriving_in_pieces(stream: &[u8], cuts: &[usize]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut buffer = BytesMut::new();
    let mut left = stream;
    for cut in cuts.iter().cycle() {
        loop {
            match scan(&buffer, |_| BYTES_MAX).unwrap() {
                Scan::Whole(frame) => {
                    let bytes = frame.bytes();
                    found.push(buffer[..bytes].to_vec());
                    buffer.advance(bytes);
                }
                Scan::Part { missing, .. } if left.is_empty() => {
                    assert!(buffer.is_empty() && missing == 5, "bytes are left over");
                    return found;
                }
                Scan::Part { missing, .. } => {
                    assert!((1..=left.len()).contains(&missing), "{missing} bytes do not come");
                    break;
                }
            }
        }
        let (piece, rest) = left.split_at(left.len().min(*cut));
        buffer.extend_from_slice(piece);
        left = rest;
    }
    panic!("no cuts were given")
}
