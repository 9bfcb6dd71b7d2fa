//! The exchange against the example of RFC 7677, and against servers that cheat.

use super::*;

const CHALLENGE: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const PROOF: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                     p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const SIGNATURE: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

fn first<'t>(source: Source<'t>) -> First<'t> {
    First::named("user", "rOprNGfwEbeRWgbNEkqO".to_owned(), source, Binding::Unable)
}

fn keys() -> ScramKeys {
    let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
    ScramKeys::derive("pencil", &salt, NonZeroU32::new(4096).unwrap())
}

#[test]
fn the_example_of_the_standard_is_answered_as_it_says() {
    let (password, keys) = (Secret::new("pencil"), keys());
    for source in [Source::Password(&password), Source::Keys(&keys)] {
        let first = first(source);
        assert_eq!(first.message(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let (answer, answered) = first.answer(CHALLENGE.as_bytes()).unwrap();
        assert_eq!(answer, PROOF);
        assert_eq!(answered.verify(SIGNATURE.as_bytes()), Ok(()));
    }
}

#[test]
fn a_server_that_does_not_know_the_verifier_is_found_out() {
    let keys = keys();
    let stranger = ScramKeys::new(*keys.client_key(), [1; KEY_BYTES]);
    for (keys, last, expected) in [
        (&keys, SIGNATURE, Ok(())),
        (&stranger, SIGNATURE, Err(Failure::Signature)),
        (&keys, "v=AAAA", Err(Failure::Signature)),
        (&keys, "v=", Err(Failure::Signature)),
        (&keys, "v=*", Err(Failure::Malformed("a value is not base64"))),
        (&keys, "e=other-error", Err(Failure::Refused("other-error".to_owned()))),
    ] {
        let (_, answered) = first(Source::Keys(keys)).answer(CHALLENGE.as_bytes()).unwrap();
        assert_eq!(answered.verify(last.as_bytes()), expected, "{last}");
    }
    let (_, answered) = first(Source::Keys(&keys)).answer(CHALLENGE.as_bytes()).unwrap();
    assert!(matches!(answered.verify(b""), Err(Failure::Malformed(_))));
}

#[test]
fn a_challenge_that_is_none_is_refused() {
    let password = Secret::new("pencil");
    let nonce = "rOprNGfwEbeRWgbNEkqO";
    for challenge in [
        "",
        "r=",
        "s=W22Z,i=1",
        "m=x,r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=1",
        "r=rOprNGfwEbeRWgbNEkqOx,s=*,i=1",
        "r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=0",
        "r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=-1",
        "r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=4294967296",
        "r=rOprNGfwEbeRWgbNEkqOx,s=W22Z",
    ] {
        let failed = first(Source::Password(&password)).answer(challenge.as_bytes()).err();
        assert!(matches!(failed, Some(Failure::Malformed(_))), "{challenge}: {failed:?}");
    }
    for stranger in ["", "another", nonce] {
        let challenge = format!("r={stranger},s=W22Z,i=1");
        let failed = first(Source::Password(&password)).answer(challenge.as_bytes()).err();
        assert_eq!(failed, Some(Failure::Nonce), "{stranger}");
    }
    assert!(first(Source::Password(&password)).answer(b"r=\xff,s=W22Z,i=1").is_err());
}

#[test]
fn only_a_password_costs_work_and_only_so_much() {
    let (password, keys) = (Secret::new("pencil"), keys());
    let challenge = b"r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=100001";
    let failed = first(Source::Password(&password)).answer(challenge).err();
    assert_eq!(failed, Some(Failure::Iterations(100_001)));
    assert!(first(Source::Keys(&keys)).answer(challenge).is_ok());
}

#[test]
fn what_is_bound_is_in_the_answer() {
    let keys = keys();
    for (binding, header, bound) in [
        (Binding::NotOffered, "y,,", b"y,,".to_vec()),
        (Binding::Unable, "n,,", b"n,,".to_vec()),
        (
            Binding::EndPoint(vec![1, 2]),
            "p=tls-server-end-point,,",
            b"p=tls-server-end-point,,\x01\x02".to_vec(),
        ),
    ] {
        let first = First::new(Source::Keys(&keys), binding, [7; NONCE_BYTES]);
        let said = first.message();
        let nonce = said.strip_prefix(&format!("{header}n=,r=")).unwrap().to_owned();
        let (answer, _) = first.answer(format!("r={nonce}server,s=W22Z,i=1").as_bytes()).unwrap();
        let expected = format!("c={},r={nonce}server,p=", STANDARD.encode(bound));
        assert!(answer.starts_with(&expected), "{answer}");
    }
}
