//! The writers of a client's frames, beside an independent implementation: byte for byte the same.

use bytes::{BufMut, BytesMut};
use postgres_protocol::IsNull;
use postgres_protocol::message::frontend as other;
use proptest::prelude::*;
use weir_pgwire::Format;
use weir_pgwire::frontend::{self, Bind, BindValue, ProtocolVersion, Subject, WriteError};

/// What was there before the frame, which a writer must leave alone.
const BEFORE: &[u8] = b"before";

/// Writes the same with both, and compares bytes or failure.
fn same<E>(
    ours: impl FnOnce(&mut BytesMut) -> Result<(), WriteError>,
    theirs: impl FnOnce(&mut BytesMut) -> Result<(), E>,
) -> Result<(), TestCaseError> {
    let (mut left, mut right) = (BytesMut::from(BEFORE), BytesMut::from(BEFORE));
    match (ours(&mut left), theirs(&mut right)) {
        (Ok(()), Ok(())) => prop_assert_eq!(left, right),
        (Err(_), Err(_)) => prop_assert_eq!(left, BEFORE, "half a frame was left behind"),
        (ours, theirs) => prop_assert!(false, "ours {:?}, theirs failed: {}", ours, theirs.is_err()),
    }
    Ok(())
}

/// Texts, now and then with a zero byte.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![9 => "[^\u{0}]{0,30}", 1 => "[a-z]{0,5}\u{0}[a-z]{0,5}"]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![9 => "[a-z_]{1,10}", 1 => "[a-z]{1,5}\u{0}"]
}

fn values() -> impl Strategy<Value = Vec<(bool, Option<Vec<u8>>)>> {
    let value = prop::option::of(prop::collection::vec(any::<u8>(), 0..20));
    prop_oneof![
        prop::collection::vec((Just(false), value.clone()), 0..6),
        prop::collection::vec((any::<bool>(), value), 0..6),
    ]
}

fn format(binary: bool) -> Format {
    if binary { Format::Binary } else { Format::Text }
}

fn bind_theirs(
    portal: &str,
    statement: &str,
    values: &[(bool, Option<Vec<u8>>)],
    results: &[bool],
    out: &mut BytesMut,
) -> Result<(), ()> {
    let any_binary = values.iter().any(|(binary, _)| *binary);
    let formats = values
        .iter()
        .filter(|_| any_binary)
        .map(|(binary, _)| i16::from(*binary));
    let write = |value: &Option<Vec<u8>>, out: &mut BytesMut| {
        value.iter().for_each(|value| out.put_slice(value));
        Ok(if value.is_some() { IsNull::No } else { IsNull::Yes })
    };
    let results = results.iter().map(|binary| i16::from(*binary));
    other::bind(
        portal,
        statement,
        formats,
        values.iter().map(|(_, value)| value),
        write,
        results,
        out,
    )
    .map_err(|_| ())
}

proptest! {
    #[test]
    fn starting(parameters in prop::collection::vec((name(), text()), 0..5)) {
        let pairs = || parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        same(|out| frontend::startup(out, ProtocolVersion::V3_0, pairs()), |out| other::startup_message(pairs(), out))?;
    }

    #[test]
    fn logging_in(password in text(), mechanism in name(), data in prop::collection::vec(any::<u8>(), 0..60)) {
        same(|out| frontend::password(out, password.as_bytes()), |out| other::password_message(password.as_bytes(), out))?;
        same(
            |out| frontend::sasl_initial_response(out, &mechanism, &data),
            |out| other::sasl_initial_response(&mechanism, &data, out),
        )?;
        same(|out| frontend::sasl_response(out, &data), |out| other::sasl_response(&data, out))?;
    }

    #[test]
    fn asking(sql in text(), name in text(), types in prop::collection::vec(any::<u32>(), 0..6), rows_max in 0..=i32::MAX) {
        same(|out| frontend::query(out, &sql), |out| other::query(&sql, out))?;
        same(
            |out| frontend::parse(out, &name, &sql, types.iter().copied()),
            |out| other::parse(&name, &sql, types.iter().copied(), out),
        )?;
        same(|out| frontend::describe(out, Subject::Statement(&name)), |out| other::describe(b'S', &name, out))?;
        same(|out| frontend::describe(out, Subject::Portal(&name)), |out| other::describe(b'P', &name, out))?;
        same(|out| frontend::close(out, Subject::Statement(&name)), |out| other::close(b'S', &name, out))?;
        same(|out| frontend::close(out, Subject::Portal(&name)), |out| other::close(b'P', &name, out))?;
        same(
            |out| frontend::execute(out, &name, u32::try_from(rows_max).unwrap()),
            |out| other::execute(&name, rows_max, out),
        )?;
    }

    #[test]
    fn binding(portal in text(), statement in text(), values in values(), results in prop::collection::vec(any::<bool>(), 0..4)) {
        let result_formats: Vec<Format> = results.iter().map(|binary| format(*binary)).collect();
        let what = Bind { portal: &portal, statement: &statement, result_formats: &result_formats };
        let ours = values.iter().map(|(binary, value)| BindValue { format: format(*binary), bytes: value.as_deref() });
        same(
            |out| frontend::bind(out, &what, ours),
            |out| bind_theirs(&portal, &statement, &values, &results, out),
        )?;
    }

    #[test]
    fn copying(data in prop::collection::vec(any::<u8>(), 0..200), reason in text()) {
        same(|out| frontend::copy_data(out, &data), |out| other::CopyData::new(&data[..]).map(|data| data.write(out)))?;
        same(|out| frontend::copy_fail(out, &reason), |out| other::copy_fail(&reason, out))?;
    }

    #[test]
    fn cancelling(process in any::<i32>(), key in any::<i32>()) {
        same(
            |out| frontend::cancel_request(out, process, &key.to_be_bytes()),
            |out| { other::cancel_request(process, key, out); Ok::<(), ()>(()) },
        )?;
    }
}

#[test]
fn frames_without_a_body() {
    let (mut ours, mut theirs) = (BytesMut::new(), BytesMut::new());
    frontend::ssl_request(&mut ours);
    other::ssl_request(&mut theirs);
    frontend::sync(&mut ours);
    other::sync(&mut theirs);
    frontend::flush(&mut ours);
    other::flush(&mut theirs);
    frontend::terminate(&mut ours);
    other::terminate(&mut theirs);
    frontend::copy_done(&mut ours);
    other::copy_done(&mut theirs);
    assert_eq!(ours, theirs);
}

#[test]
fn a_long_key_is_sent_whole() {
    let mut out = BytesMut::new();
    frontend::cancel_request(&mut out, 7, &[9; 32]).unwrap();
    assert_eq!(out.len(), 44);
    assert_eq!(&out[..12], b"\0\0\0\x2c\x04\xd2\x16\x2e\0\0\0\x07");
}

#[test]
fn the_newer_protocol_is_asked_for_by_its_number() {
    let mut out = BytesMut::new();
    frontend::startup(&mut out, ProtocolVersion::V3_2, [("user", "u")]).unwrap();
    assert_eq!(&out[..], b"\0\0\0\x10\0\x03\0\x02user\0u\0\0");
}

#[test]
fn the_65536th_parameter_is_refused() {
    let value = BindValue {
        format: Format::Text,
        bytes: None,
    };
    let bind = |count| {
        let mut out = BytesMut::from(BEFORE);
        let done = frontend::bind(&mut out, &Bind::default(), std::iter::repeat_n(value, count));
        (done, out.len() - BEFORE.len())
    };
    assert_eq!(bind(65_535), (Ok(()), 13 + 4 * 65_535));
    assert_eq!(
        bind(65_536),
        (
            Err(WriteError::TooMany {
                part: "parameters",
                count: 65_536
            }),
            0
        )
    );
}

#[test]
fn a_parameter_without_a_name_is_refused() {
    let mut out = BytesMut::from(BEFORE);
    assert_eq!(
        frontend::startup(&mut out, ProtocolVersion::V3_0, [("", "x")]),
        Err(WriteError::NoName {
            part: "name of a start-up parameter"
        })
    );
    assert_eq!(out, BEFORE);
}
