//! The reader of a client's frames: what a client writes is read as it was meant, what is cut is refused, and the same
//! frame under another name is what the client would have written.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use bytes::BytesMut;
use postgres_protocol::message::frontend as other;
use proptest::prelude::*;
use weir_pgwire::frontend::{self, BindValue, Subject, WriteError};
use weir_pgwire::request::{self, Bind, BindHead, Execute, Parse, SaslInitial, Target, is_client_tag, tag};
use weir_pgwire::{Format, Frame, Scan, scan};

/// What was there before the frame, which a writer must leave alone.
const BEFORE: &[u8] = b"before";

fn written(write: impl FnOnce(&mut BytesMut) -> Result<(), WriteError>) -> BytesMut {
    let mut out = BytesMut::new();
    write(&mut out).unwrap();
    out
}

/// The body of the one frame that is all of `bytes`.
fn body(bytes: &[u8], tag: u8) -> &[u8] {
    match scan(bytes, |_| 1 << 20).unwrap() {
        Scan::Whole(Frame { tag: found, body }) if found == tag && body.len() + 5 == bytes.len() => body,
        scan => panic!("not one whole frame: {scan:?}"),
    }
}

/// Whether a frame's body is read whole or not at all.
fn only_whole(body: &[u8], accepts: impl Fn(&[u8]) -> bool) -> Result<(), TestCaseError> {
    for end in 0..body.len() {
        prop_assert!(!accepts(&body[..end]), "accepted when cut at {end}");
    }
    for more in [0, b'x'] {
        let longer = [body, &[more]].concat();
        prop_assert!(!accepts(&longer), "accepted with a byte more");
    }
    Ok(())
}

fn text() -> impl Strategy<Value = String> {
    "[^\u{0}]{0,30}"
}

fn format(binary: bool) -> Format {
    if binary { Format::Binary } else { Format::Text }
}

type Values = Vec<(bool, Option<Vec<u8>>)>;

fn values() -> impl Strategy<Value = Values> {
    let value = prop::option::of(prop::collection::vec(any::<u8>(), 0..20));
    prop_oneof![
        prop::collection::vec((Just(false), value.clone()), 0..6),
        prop::collection::vec((any::<bool>(), value), 0..6),
    ]
}

fn bind(portal: &str, statement: &str, values: &Values, result_formats: &[Format]) -> BytesMut {
    let what = frontend::Bind {
        portal,
        statement,
        result_formats,
    };
    let values = values.iter().map(|(binary, bytes)| BindValue {
        format: format(*binary),
        bytes: bytes.as_deref(),
    });
    written(|out| frontend::bind(out, &what, values))
}

/// Reads a body as every kind of frame, down to its last value.
fn look_at(body: &[u8]) -> Result<(), TestCaseError> {
    let _ = (request::query(body), request::password(body), SaslInitial::read(body));
    let _ = (Target::read(body), Execute::read(body));
    if let Ok(parse) = Parse::read(body) {
        prop_assert_eq!(parse.types.len() % 4, 0);
    }
    let head = BindHead::read(body).unwrap();
    if let Ok(bind) = Bind::read(body) {
        prop_assert_eq!(bind.values().count(), bind.len());
        prop_assert!(matches!(bind.formats().len(), 0 | 1) || bind.formats().len() == bind.len());
        let _ = (bind.format(0), bind.format(usize::MAX), bind.result_formats().count());
        let head = head.unwrap();
        prop_assert_eq!((head.portal, head.statement), (bind.portal, bind.statement));
    }
    Ok(())
}

proptest! {
    #[test]
    fn texts(sql in text()) {
        let out = written(|out| frontend::query(out, &sql));
        let sent = body(&out, tag::QUERY);
        prop_assert_eq!(request::query(sent), Ok(sql.as_bytes()));
        only_whole(sent, |body| request::query(body).is_ok())?;

        let out = written(|out| frontend::password(out, sql.as_bytes()));
        let sent = body(&out, tag::PASSWORD);
        prop_assert_eq!(request::password(sent), Ok(sql.as_bytes()));
        only_whole(sent, |body| request::password(body).is_ok())?;
    }

    #[test]
    fn a_parse(name in text(), sql in text(), oids in prop::collection::vec(any::<u32>(), 0..6)) {
        let out = written(|out| frontend::parse(out, &name, &sql, oids.iter().copied()));
        let sent = body(&out, tag::PARSE);
        let types: Vec<u8> = oids.iter().flat_map(|oid| oid.to_be_bytes()).collect();
        let parse = Parse { name: name.as_bytes(), sql: sql.as_bytes(), types: &types };
        prop_assert_eq!(Parse::read(sent), Ok(parse));
        only_whole(sent, |body| Parse::read(body).is_ok())?;
    }

    #[test]
    fn a_parse_under_another_name(name in text(), sql in text(), oids in prop::collection::vec(any::<u32>(), 0..6)) {
        let original = written(|out| frontend::parse(out, "the client's", &sql, oids.iter().copied()));
        let Parse { sql: read, types, .. } = Parse::read(body(&original, tag::PARSE)).unwrap();
        let ours = written(|out| request::put_parse(out, name.as_bytes(), read, types));
        let theirs = written(|out| frontend::parse(out, &name, &sql, oids.iter().copied()));
        prop_assert_eq!(ours, theirs);
    }

    #[test]
    fn describe_and_close(name in text()) {
        let (statement, portal) = (Target::Statement(name.as_bytes()), Target::Portal(name.as_bytes()));
        for (subject, target) in [(Subject::Statement(&name), statement), (Subject::Portal(&name), portal)] {
            let describe = written(|out| frontend::describe(out, subject));
            let close = written(|out| frontend::close(out, subject));
            prop_assert_eq!(Target::read(body(&describe, tag::DESCRIBE)), Ok(target));
            prop_assert_eq!(Target::read(body(&close, tag::CLOSE)), Ok(target));
            only_whole(body(&describe, tag::DESCRIBE), |body| Target::read(body).is_ok())?;
        }
        let ours = written(|out| request::put_describe_statement(out, name.as_bytes()));
        prop_assert_eq!(ours, written(|out| frontend::describe(out, Subject::Statement(&name))));
        let ours = written(|out| request::put_close_statement(out, name.as_bytes()));
        prop_assert_eq!(ours, written(|out| frontend::close(out, Subject::Statement(&name))));
    }

    #[test]
    fn an_execute(name in text(), rows_max in any::<i32>()) {
        let out = {
            let mut out = BytesMut::new();
            other::execute(&name, rows_max, &mut out).unwrap();
            out
        };
        let sent = body(&out, tag::EXECUTE);
        let rows_max = u32::try_from(rows_max).unwrap_or(0);
        prop_assert_eq!(Execute::read(sent), Ok(Execute { portal: name.as_bytes(), rows_max }));
        only_whole(sent, |body| Execute::read(body).is_ok())?;
    }

    #[test]
    fn the_start_of_a_sasl_log_in(mechanism in "[A-Z0-9-]{0,20}", data in prop::collection::vec(any::<u8>(), 0..60)) {
        let out = written(|out| frontend::sasl_initial_response(out, &mechanism, &data));
        let sent = body(&out, tag::PASSWORD);
        let read = SaslInitial { mechanism: mechanism.as_bytes(), response: Some(&data) };
        prop_assert_eq!(SaslInitial::read(sent), Ok(read));
        only_whole(sent, |body| SaslInitial::read(body).is_ok())?;
    }

    #[test]
    fn a_bind(portal in text(), statement in text(), values in values(), results in prop::collection::vec(any::<bool>(), 0..4)) {
        let results: Vec<Format> = results.into_iter().map(format).collect();
        let out = bind(&portal, &statement, &values, &results);
        let sent = body(&out, tag::BIND);
        let read = Bind::read(sent).unwrap();
        prop_assert_eq!((read.portal, read.statement), (portal.as_bytes(), statement.as_bytes()));
        prop_assert_eq!(read.len(), values.len());
        prop_assert!(read.values().eq(values.iter().map(|(_, value)| value.as_deref())));
        for (number, (binary, _)) in values.iter().enumerate() {
            prop_assert_eq!(read.format(number), format(*binary));
        }
        prop_assert!(read.result_formats().eq(results.iter().copied()));
        only_whole(sent, |body| Bind::read(body).is_ok())?;
    }

    #[test]
    fn the_names_of_a_bind_are_known_as_soon_as_they_are_there(portal in text(), statement in text(), values in values()) {
        let out = bind(&portal, &statement, &values, &[]);
        let sent = body(&out, tag::BIND);
        let bytes = portal.len() + statement.len() + 2;
        let head = BindHead { portal: portal.as_bytes(), statement: statement.as_bytes(), bytes };
        for end in 0..=sent.len() {
            prop_assert_eq!(BindHead::read(&sent[..end]), Ok((end >= bytes).then_some(head)), "at {}", end);
        }
    }

    #[test]
    fn a_bind_to_another_statement(portal in text(), from in text(), to in text(), values in values()) {
        let original = bind(&portal, &from, &values, &[Format::Binary]);
        let sent = body(&original, tag::BIND);
        let head = BindHead::read(sent).unwrap().unwrap();
        let ours = written(|out| {
            out.extend_from_slice(BEFORE);
            request::put_bind_head(out, sent.len(), &head, to.as_bytes())?;
            out.extend_from_slice(&sent[head.bytes..]);
            Ok(())
        });
        let theirs = bind(&portal, &to, &values, &[Format::Binary]);
        prop_assert_eq!(&ours[..], [BEFORE, &theirs[..]].concat());
    }

    #[test]
    fn arbitrary_bodies_never_panic(body in prop::collection::vec(prop_oneof![Just(0), Just(1), any::<u8>()], 0..200)) {
        look_at(&body)?;
    }

    #[test]
    fn a_damaged_bind_never_panics(
        values in values(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = bind("p", "s", &values, &[Format::Text]).split_off(5);
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        look_at(&bytes)?;
    }
}

#[test]
fn a_sasl_log_in_may_leave_the_first_word_to_the_server() {
    let read = |body| SaslInitial::read(body).map(|initial| initial.response);
    assert_eq!(read(b"X\0\xff\xff\xff\xff"), Ok(None));
    assert_eq!(read(b"X\0\0\0\0\0"), Ok(Some(&b""[..])));
    assert!(read(b"X\0\xff\xff\xff\xfe").is_err());
    assert!(read(b"X\0\x7f\xff\xff\xffa").is_err());
}

#[test]
fn one_format_is_for_all_values() {
    let bind = Bind::read(b"\0\0\0\x01\0\x01\0\x02\0\0\0\0\xff\xff\xff\xff\0\0").unwrap();
    assert_eq!((bind.format(0), bind.format(1)), (Format::Binary, Format::Binary));
    assert!(bind.values().eq([Some(&b""[..]), None]));
}

#[test]
fn a_bind_that_lies_is_refused() {
    for (body, why) in [
        (&b"\0\0\0\0\xff\xff"[..], "values that are not there"),
        (b"\0\0\xff\xff", "formats that are not there"),
        (b"\0\0\0\0\0\0\xff\xff", "result formats that are not there"),
        (b"\0\0\0\0\0\x01\x7f\xff\xff\xffa\0\0", "a value longer than the frame"),
        (b"\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0", "a negative length"),
        (b"\0\0\0\x02\0\0\0\0\0\x01\0\0\0\0\0\0", "two formats for one value"),
        (b"\0\0\0\x01\0\x02\0\x01\0\0\0\0\0\0", "a format that is none"),
        (b"\0\0\0\0\0\0\0\x01\0\x02", "a result format that is none"),
    ] {
        assert!(Bind::read(body).is_err(), "{why}");
    }
    assert!(Bind::read(b"\0\0\0\0\0\0\0\0").unwrap().is_empty());
}

#[test]
fn nobody_waits_for_ever_for_the_end_of_a_name() {
    let mut body = vec![b'a'; 65_535];
    assert_eq!(BindHead::read(&body), Ok(None));
    body.push(b'a');
    assert!(BindHead::read(&body).is_err());
    body.extend(b"\0\0");
    assert!(
        BindHead::read(&body).is_err(),
        "it would depend on how the bytes arrive"
    );
    (body[10], body[65_535]) = (0, 0);
    let head = BindHead::read(&body).unwrap().unwrap();
    assert_eq!(
        (head.portal.len(), head.statement.len(), head.bytes),
        (10, 65_524, 65_536)
    );
}

#[test]
fn what_cannot_be_written_again_leaves_nothing_behind() {
    let head = BindHead::read(b"p\0s\0").unwrap().unwrap();
    let refused = |write: &dyn Fn(&mut BytesMut) -> Result<(), WriteError>| {
        let mut out = BytesMut::from(BEFORE);
        let error = write(&mut out).unwrap_err();
        assert_eq!(out, BEFORE, "half a frame was left behind after: {error}");
        error
    };
    let name = WriteError::ZeroByte {
        part: "name of a statement",
    };
    assert_eq!(refused(&|out| request::put_parse(out, b"a\0", b"", b"")), name);
    assert_eq!(refused(&|out| request::put_bind_head(out, 4, &head, b"a\0")), name);
    assert_eq!(refused(&|out| request::put_describe_statement(out, b"\0")), name);
    assert_eq!(refused(&|out| request::put_close_statement(out, b"\0a")), name);
    let sql = WriteError::ZeroByte { part: "statement" };
    assert_eq!(refused(&|out| request::put_parse(out, b"", b"a\0", b"")), sql);
    let part = WriteError::PartOfType { bytes: 5 };
    assert_eq!(refused(&|out| request::put_parse(out, b"", b"", &[0; 5])), part);
    let many = WriteError::TooMany {
        part: "parameters",
        count: 65_536,
    };
    assert_eq!(
        refused(&|out| request::put_parse(out, b"", b"", &[0; 4 * 65_536])),
        many
    );
    let short = WriteError::ShorterThanHead {
        bytes: 3,
        head_bytes: 4,
    };
    assert_eq!(refused(&|out| request::put_bind_head(out, 3, &head, b"")), short);
    for bytes in [usize::MAX, 0x7fff_fffb] {
        let error = refused(&|out| request::put_bind_head(out, bytes, &head, b"longer"));
        assert!(matches!(error, WriteError::TooLong { .. }), "{error}");
    }
}

#[test]
fn the_tags_of_clients() {
    let tags: Vec<u8> = (0..=u8::MAX).filter(|tag| is_client_tag(*tag)).collect();
    assert_eq!(tags, b"BCDEFHPQSXcdfp");
}

#[test]
fn a_target_is_a_statement_or_a_portal() {
    assert_eq!(
        Target::read(b"Xa\0").unwrap_err().to_string(),
        "a malformed Describe or Close frame: it is about neither a statement nor a portal"
    );
}
