//! The first frame of a session: what a client writes is read as it was meant, and strangers get nowhere.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use bytes::BytesMut;
use postgres_protocol::message::frontend as other;
use proptest::prelude::*;
use weir_pgwire::WireError;
use weir_pgwire::frontend::{self, ProtocolVersion};
use weir_pgwire::hello::{Hello, HelloScan, Startup, hello};

/// What PostgreSQL takes at most, its length field included.
const FRAME_BYTES_MAX: usize = 10_004;

/// A frame with this code and body.
fn framed(code: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 8).unwrap();
    [&length.to_be_bytes()[..], &code.to_be_bytes(), body].concat()
}

/// What the frame says that is all of `bytes`.
fn only(bytes: &[u8]) -> Result<Hello<'_>, WireError> {
    match hello(bytes)? {
        HelloScan::Whole { hello, bytes: end } if end == bytes.len() => Ok(hello),
        scan => panic!("not one whole frame: {scan:?}"),
    }
}

fn session(bytes: &[u8]) -> Startup<'_> {
    match only(bytes).unwrap() {
        Hello::Startup(startup) => startup,
        hello => panic!("not a start-up: {hello:?}"),
    }
}

/// Every beginning of a frame is a part, and what is missing of it is never said to be more than it is.
fn parts_are_parts(bytes: &[u8]) -> Result<(), TestCaseError> {
    for end in 0..bytes.len() {
        let Ok(HelloScan::Part { missing }) = hello(bytes.get(..end).unwrap()) else {
            return Err(TestCaseError::fail(format!("not a part at {end}")));
        };
        let left = bytes.len() - end;
        let fits = if end < 4 {
            (1..=left).contains(&missing)
        } else {
            missing == left
        };
        prop_assert!(fits, "{missing} bytes are said to be missing of {left}");
    }
    Ok(())
}

fn name() -> impl Strategy<Value = String> {
    "[a-z_.]{1,10}"
}

proptest! {
    #[test]
    fn parameters_keep_their_order_and_number(
        parameters in prop::collection::vec((name(), "[^\u{0}]{0,20}"), 0..8),
        newer in any::<bool>(),
        after in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let version = if newer { ProtocolVersion::V3_2 } else { ProtocolVersion::V3_0 };
        let pairs = || parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut out = BytesMut::new();
        frontend::startup(&mut out, version, pairs()).unwrap();
        parts_are_parts(&out)?;
        let startup = session(&out);
        prop_assert_eq!((startup.major, startup.minor), (3, if newer { 2 } else { 0 }));
        prop_assert!(startup.parameters().eq(pairs().map(|(name, value)| (name.as_bytes(), value.as_bytes()))));

        let (startup, bytes) = (out.to_vec(), out.len());
        out.extend_from_slice(&after);
        let alone = HelloScan::Whole { hello: only(&startup).unwrap(), bytes };
        prop_assert_eq!(hello(&out), Ok(alone), "what follows was looked into");
    }

    #[test]
    fn a_start_up_cut_short_anywhere_is_refused(parameters in prop::collection::vec((name(), name()), 0..5)) {
        let mut out = BytesMut::new();
        let pairs = parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        frontend::startup(&mut out, ProtocolVersion::V3_0, pairs).unwrap();
        let body = out.split_off(8);
        for end in 0..body.len() {
            let bytes = framed(0x0003_0000, body.get(..end).unwrap());
            // It may end where a name would, but only with the zero byte that is the end.
            prop_assert!(hello(&bytes).is_err(), "accepted at {end}");
        }
        let longer = framed(0x0003_0000, &[&body[..], b"x"].concat());
        prop_assert!(hello(&longer).is_err());
    }

    #[test]
    fn a_cancel_request_shows_process_and_key(process in any::<i32>(), key in prop::collection::vec(any::<u8>(), 4..=256)) {
        let mut out = BytesMut::new();
        frontend::cancel_request(&mut out, process, &key).unwrap();
        parts_are_parts(&out)?;
        prop_assert_eq!(only(&out), Ok(Hello::Cancel { process_id: process, key: &key }));
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        code in prop_oneof![80_877_100..80_877_110_u32, 0x0003_0000..0x0003_0004_u32, any::<u32>()],
    ) {
        let framed = framed(code, &bytes);
        for bytes in [&bytes, &framed] {
            if let Ok(HelloScan::Whole { hello: Hello::Startup(startup), .. }) = hello(bytes) {
                prop_assert!(startup.parameters().all(|(name, _)| !name.is_empty()));
            }
        }
    }
}

#[test]
fn requests_for_encryption() {
    let mut out = BytesMut::new();
    other::ssl_request(&mut out);
    assert_eq!(only(&out), Ok(Hello::Ssl));
    parts_are_parts(&out).unwrap();
    assert_eq!(only(&framed(80_877_104, b"")), Ok(Hello::Gss));
    assert!(hello(&framed(80_877_103, b"x")).is_err());
    assert!(hello(&framed(80_877_104, b"\0")).is_err());
}

#[test]
fn a_name_that_comes_twice_comes_twice() {
    let bytes = framed(0x0003_0000, b"a\x001\0b\0\0a\x002\0\0");
    let parameters: Vec<_> = session(&bytes).parameters().collect();
    assert_eq!(parameters, [(&b"a"[..], &b"1"[..]), (b"b", b""), (b"a", b"2")]);
}

#[test]
fn lengths_are_those_that_postgresql_takes() {
    for length in (0..8).chain([10_005, 0x1603_0102, u32::MAX]) {
        let refused = Err(WireError::HelloLength { length });
        assert_eq!(
            hello(&length.to_be_bytes()),
            refused,
            "with nothing but the length there"
        );
    }
    // As long as can be: code, `a`, its end, the value, its end, and the end of all.
    let value = vec![b'v'; FRAME_BYTES_MAX - 8 - 4];
    let longest = framed(0x0003_0000, &[b"a\0", &value[..], b"\0\0"].concat());
    assert_eq!(longest.len(), FRAME_BYTES_MAX);
    assert!(session(&longest).parameters().eq([(&b"a"[..], &value[..])]));
    for body in [&b"\0\0\0\x01"[..], b"\0\0\0\x01abc", &[0; 4 + 257]] {
        assert!(
            hello(&framed(80_877_102, body)).is_err(),
            "{body:?} was taken for a cancel request"
        );
    }
}

#[test]
fn versions_are_negotiated_within_major_3_only() {
    for minor in [0, 1, 2, 3, 9999] {
        let bytes = framed(0x0003_0000 | minor, b"\0");
        assert_eq!(u32::from(session(&bytes).minor), minor);
    }
    for (code, said) in [
        (
            0x0002_0000,
            "unsupported frontend protocol 2.0: server supports 3.0 to 3.2",
        ),
        (
            0x0004_0001,
            "unsupported frontend protocol 4.1: server supports 3.0 to 3.2",
        ),
        (
            80_877_105,
            "unsupported frontend protocol 1234.5681: server supports 3.0 to 3.2",
        ),
    ] {
        // The layout that other versions have is none of ours.
        let error = hello(&framed(code, b"anything")).unwrap_err();
        assert!(matches!(error, WireError::UnsupportedVersion { .. }));
        assert_eq!(error.to_string(), said);
    }
}
