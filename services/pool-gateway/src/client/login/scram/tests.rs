//! The exchange against the example of RFC 7677, against another client, and against clients that cheat.

use std::sync::OnceLock;

use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};
use ring::pbkdf2;

use super::*;

const SALT: &str = "W22ZaJ0SNY7soEsUEjb6gQ==";
const FIRST: &[u8] = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
const LAST: &[u8] = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                      p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const HASH: &[u8] = b"the hash of a certificate";

/// The client's key and the verifier of the example's password. Made once: it takes its time, on purpose.
fn pencil() -> ([u8; KEY_BYTES], ScramVerifier) {
    static PENCIL: OnceLock<([u8; KEY_BYTES], ScramVerifier)> = OnceLock::new();
    PENCIL.get_or_init(derived).clone()
}

fn derived() -> ([u8; KEY_BYTES], ScramVerifier) {
    let (salt, mut salted) = (STANDARD.decode(SALT).unwrap(), [0; KEY_BYTES]);
    let iterations = 4096.try_into().unwrap();
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, &salt, b"pencil", &mut salted);
    let key = hmac::Key::new(hmac::HMAC_SHA256, &salted);
    let client_key = sign(&key, b"Client Key");
    let verifier = ScramVerifier {
        iterations: 4096,
        salt,
        stored_key: digest::digest(&digest::SHA256, &client_key)
            .as_ref()
            .try_into()
            .unwrap(),
        server_key: sign(&key, b"Server Key"),
    };
    (client_key, verifier)
}

/// The example's server.
fn example() -> Exchange {
    Exchange {
        nonce: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0".to_owned(),
        ..Exchange::new(pencil().1, None, [0; 18])
    }
}

fn challenge(exchange: &mut Exchange, message: &[u8]) -> Result<String, Refusal> {
    match exchange.hear(message)? {
        Answer::Challenge(challenge) => Ok(challenge),
        Answer::Proof(..) => panic!("it is content without a proof"),
    }
}

fn keys_of(answer: Answer) -> (String, ScramKeys) {
    match answer {
        Answer::Proof(proof, keys) => (proof, keys),
        Answer::Challenge(_) => panic!("it asks again"),
    }
}

/// Both messages to one server; whether the client is let in.
fn run(mut exchange: Exchange, first: &[u8], last: &[u8]) -> Result<(), Refusal> {
    challenge(&mut exchange, first)?;
    exchange.hear(last).map(|answer| drop(keys_of(answer)))
}

#[test]
fn the_example_of_the_standard_is_served_as_it_says() {
    let mut exchange = example();
    assert_eq!(
        challenge(&mut exchange, FIRST).unwrap(),
        format!("r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s={SALT},i=4096")
    );
    let (proof, keys) = keys_of(exchange.hear(LAST).unwrap());
    assert_eq!(proof, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    assert_eq!(format!("{keys:?}"), "***");
}

#[test]
fn the_proof_gives_the_clients_key_away() {
    let mut exchange = example();
    challenge(&mut exchange, FIRST).unwrap();
    let last = str::from_utf8(LAST).unwrap();
    let (without_proof, proof) = last.split_once(",p=").unwrap();
    let before = exchange.challenged.as_ref().unwrap().conversation.as_slice();
    let conversation = [before, b",", without_proof.as_bytes()].concat();
    let proof = STANDARD.decode(proof).unwrap().try_into().unwrap();
    assert_eq!(exchange.client_key(&conversation, proof), Ok(pencil().0));
}

#[test]
fn another_client_gets_in_bound_or_not() {
    let bound = || ChannelBinding::tls_server_end_point(HASH.to_vec());
    for (end_point, mechanism, binding) in [
        (None, SCRAM_SHA_256, ChannelBinding::unsupported()),
        (None, SCRAM_SHA_256, ChannelBinding::unrequested()),
        (Some(HASH), SCRAM_SHA_256, ChannelBinding::unsupported()),
        (Some(HASH), SCRAM_SHA_256_PLUS, bound()),
    ] {
        for (password, is_right) in [("pencil", true), ("pencil2", false), ("", false)] {
            let binding = match mechanism {
                SCRAM_SHA_256_PLUS => bound(),
                _ if end_point.is_some() => ChannelBinding::unsupported(),
                _ => ChannelBinding::unrequested(),
            };
            let mut exchange = Exchange::new(pencil().1, end_point.map(<[u8]>::to_vec), [7; 18]);
            exchange.choose(mechanism.as_bytes()).unwrap();
            let mut client = ScramSha256::new(password.as_bytes(), binding);
            client
                .update(challenge(&mut exchange, client.message()).unwrap().as_bytes())
                .unwrap();
            let answer = exchange.hear(client.message());
            if is_right {
                client.finish(keys_of(answer.unwrap()).0.as_bytes()).unwrap();
            } else {
                assert_eq!(answer.unwrap_err(), Refusal::WrongPassword);
            }
        }
        drop(binding);
    }
}

#[test]
fn a_changed_byte_anywhere_is_refused() {
    assert_eq!(run(example(), FIRST, LAST), Ok(()));
    for at in 0..FIRST.len() {
        for bit in 0..8 {
            let mut first = FIRST.to_vec();
            first[at] ^= 1 << bit;
            assert!(run(example(), &first, LAST).is_err(), "first message, {at}, {bit}");
        }
        assert!(run(example(), &FIRST[..at], LAST).is_err(), "first message cut at {at}");
    }
    for at in 0..LAST.len() {
        for bit in 0..8 {
            let mut last = LAST.to_vec();
            last[at] ^= 1 << bit;
            assert!(run(example(), FIRST, &last).is_err(), "last message, {at}, {bit}");
        }
        assert!(run(example(), FIRST, &LAST[..at]).is_err(), "last message cut at {at}");
    }
}

#[test]
fn a_bound_log_in_is_refused_on_another_channel() {
    for (theirs, refused) in [(HASH, false), (b"another", true), (b"", true)] {
        let mut exchange = Exchange::new(pencil().1, Some(HASH.to_vec()), [7; 18]);
        exchange.choose(SCRAM_SHA_256_PLUS.as_bytes()).unwrap();
        let mut client = ScramSha256::new(b"pencil", ChannelBinding::tls_server_end_point(theirs.to_vec()));
        client
            .update(challenge(&mut exchange, client.message()).unwrap().as_bytes())
            .unwrap();
        let answer = exchange.hear(client.message()).err();
        let expected = refused.then_some(Refusal::Binding("SCRAM channel binding check failed"));
        assert_eq!(answer, expected);
    }
}

/// What the first message is answered with where the client has chosen this mechanism.
fn said(end_point: Option<&[u8]>, mechanism: &str, first: &[u8]) -> (&'static str, String, Option<String>) {
    let mut exchange = Exchange::new(pencil().1, end_point.map(<[u8]>::to_vec), [7; 18]);
    exchange.choose(mechanism.as_bytes()).unwrap();
    let refusal = challenge(&mut exchange, first).unwrap_err();
    let detail = refusal.detail().map(str::to_owned);
    (refusal.sqlstate(), refusal.message("bob"), detail)
}

#[test]
fn what_is_wrong_with_a_first_message_is_said_as_postgresql_says_it() {
    let malformed = |first: &[u8], detail: &str| {
        let expected = ("08P01", "malformed SCRAM message".to_owned(), Some(detail.to_owned()));
        assert_eq!(
            said(None, SCRAM_SHA_256, first),
            expected,
            "{}",
            String::from_utf8_lossy(first)
        );
    };
    malformed(b"", "The message is empty.");
    malformed(b"n,,n=,r=a\0", "Message length does not match input length.");
    malformed(b"x,,n=,r=a", "Unexpected channel-binding flag \"'x'\".");
    malformed(b"\x01,,n=,r=a", "Unexpected channel-binding flag \"0x01\".");
    malformed(b"n;,n=,r=a", "Comma expected, but found character \"';'\".");
    malformed(b"n,b=x,n=,r=a", "Unexpected attribute \"'b'\" in client-first-message.");
    malformed(b"n,,r=a", "Expected attribute \"n\" but found \"'r'\".");
    malformed(b"n,,n,r=a", "Expected character \"=\" for attribute \"n\".");
    malformed(b"n,,n=", "Expected attribute \"r\" but found \"0x00\".");
    malformed(
        b"n,,n=,r=a,1=2",
        "Attribute expected, but found invalid character \"'1'\".",
    );
    malformed(b"n,,n=,r=a,x", "Expected character \"=\" for attribute \"x\".");
    malformed(
        b"p=tls-server-end-point,,n=,r=a",
        "The client selected SCRAM-SHA-256 without channel binding, but the SCRAM message includes channel binding data.",
    );
    for (end_point, mechanism, first, sqlstate, message) in [
        (
            None,
            SCRAM_SHA_256,
            &b"n,a=eve,n=,r=a"[..],
            "0A000",
            "client uses authorization identity, but it is not supported",
        ),
        (
            None,
            SCRAM_SHA_256,
            b"n,,m=x,n=,r=a",
            "0A000",
            "client requires an unsupported SCRAM extension",
        ),
        (
            None,
            SCRAM_SHA_256,
            b"n,,n=,r=a b",
            "08P01",
            "non-printable characters in SCRAM nonce",
        ),
        (
            None,
            SCRAM_SHA_256,
            b"n,,n=,r=\xc3\xa4",
            "08P01",
            "non-printable characters in SCRAM nonce",
        ),
        (
            Some(HASH),
            SCRAM_SHA_256_PLUS,
            b"p=tls-unique,,n=,r=a",
            "08P01",
            "unsupported SCRAM channel-binding type \"tls-unique\"",
        ),
        (
            Some(HASH),
            SCRAM_SHA_256_PLUS,
            b"n,,n=,r=a",
            "08P01",
            "malformed SCRAM message",
        ),
        (
            Some(HASH),
            SCRAM_SHA_256_PLUS,
            b"y,,n=,r=a",
            "08P01",
            "malformed SCRAM message",
        ),
        // A client that could bind and was told that we cannot.
        (
            Some(HASH),
            SCRAM_SHA_256,
            b"y,,n=,r=a",
            "28000",
            "SCRAM channel binding negotiation error",
        ),
    ] {
        let (code, text, _) = said(end_point, mechanism, first);
        assert_eq!((code, text.as_str()), (sqlstate, message));
    }
}

#[test]
fn what_is_wrong_with_a_last_message_is_said_as_postgresql_says_it() {
    const NONCE: &str = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    const PROOF: &str = "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    for (last, sqlstate, message, detail) in [
        (
            format!("c=biws,r={NONCE}x,{PROOF}"),
            "08P01",
            "invalid SCRAM response",
            "Nonce does not match.",
        ),
        (
            format!("c=eSws,r={NONCE},{PROOF}"),
            "28000",
            "unexpected SCRAM channel-binding attribute in client-final-message",
            "",
        ),
        (
            format!("c=biws,r={NONCE},p=AAAA"),
            "08P01",
            "malformed SCRAM message",
            "Malformed proof in client-final-message.",
        ),
        (
            format!("c=biws,r={NONCE},{PROOF},x=1"),
            "08P01",
            "malformed SCRAM message",
            "Garbage found at the end of client-final-message.",
        ),
        (
            format!("c=biws,r={NONCE}"),
            "08P01",
            "malformed SCRAM message",
            "Attribute expected, but found end of string.",
        ),
        // What stands between nonce and proof is signed, too.
        (
            format!("c=biws,r={NONCE},x=1,{PROOF}"),
            "28P01",
            "password authentication failed for user \"bob\"",
            "",
        ),
    ] {
        let refusal = run(example(), FIRST, last.as_bytes()).unwrap_err();
        assert_eq!(
            (refusal.sqlstate(), refusal.message("bob").as_str()),
            (sqlstate, message)
        );
        assert_eq!(refusal.detail().unwrap_or_default(), detail);
    }
}

#[test]
fn only_what_was_offered_can_be_chosen() {
    for (end_point, mechanism, is_offered) in [
        (None, SCRAM_SHA_256, true),
        (None, SCRAM_SHA_256_PLUS, false),
        (Some(HASH), SCRAM_SHA_256, true),
        (Some(HASH), SCRAM_SHA_256_PLUS, true),
        (Some(HASH), "SCRAM-SHA-1", false),
        (Some(HASH), "", false),
    ] {
        let mut exchange = Exchange::new(pencil().1, end_point.map(<[u8]>::to_vec), [7; 18]);
        assert_eq!(exchange.choose(mechanism.as_bytes()).is_ok(), is_offered, "{mechanism}");
    }
}
