//! Which method is answered with what, and which is not.

use super::*;

const END_POINT: &[u8] = b"the hash of a certificate";

fn target(more: &str) -> Target {
    Target::parse(&format!("postgres://bob:pw@h/d{more}")).unwrap()
}

/// The first message of a SCRAM exchange: mechanism and header, or why there is none.
fn first(target: &Target, end_point: Option<&[u8]>, offered: &[u8]) -> Result<String, NoLogin> {
    let mut out = BytesMut::new();
    let body = [&[0, 0, 0, 10], offered].concat();
    let asked = Authentication::parse(&body).unwrap();
    let options = ConnectOptions::default();
    Login::new(target, &options, end_point.map(<[u8]>::to_vec)).answer(asked, &mut out)?;
    let text = String::from_utf8_lossy(&out[5..]).into_owned();
    let (mechanism, message) = text.split_once('\0').unwrap();
    Ok(format!("{mechanism} {}", message[4..].split_once("n=,").unwrap().0))
}

#[test]
fn the_binding_is_used_where_both_can() {
    let both = b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0";
    let plain = b"SCRAM-SHA-256\0\0";
    let prefer = target("");
    assert_eq!(
        first(&prefer, Some(END_POINT), both).unwrap(),
        "SCRAM-SHA-256-PLUS p=tls-server-end-point,,"
    );
    assert_eq!(first(&prefer, Some(END_POINT), plain).unwrap(), "SCRAM-SHA-256 y,,");
    assert_eq!(first(&prefer, None, both).unwrap(), "SCRAM-SHA-256 n,,");
    assert_eq!(
        first(&target("?channel_binding=disable"), Some(END_POINT), both).unwrap(),
        "SCRAM-SHA-256 n,,"
    );
    let require = target("?channel_binding=require");
    assert_eq!(first(&require, Some(END_POINT), plain), Err(NoLogin::NoBinding));
    assert_eq!(first(&require, None, both), Err(NoLogin::NoBinding));
    assert!(matches!(
        first(&prefer, None, b"OAUTHBEARER\0\0"),
        Err(NoLogin::Method(_))
    ));
}

#[test]
fn an_impostor_cannot_skip_the_proof() {
    let (target, options, mut out) = (target(""), ConnectOptions::default(), BytesMut::new());
    let mut login = Login::new(&target, &options, None);
    let asked = Authentication::parse(b"\0\0\0\x0aSCRAM-SHA-256\0\0").unwrap();
    assert_eq!(login.answer(asked, &mut out), Ok(Step::Send));
    assert_eq!(login.answer(Authentication::Ok, &mut out), Err(NoLogin::NoProof));
    let mut login = Login::new(&target, &options, None);
    assert_eq!(
        login.answer(Authentication::SaslFinal(b"v=AAAA"), &mut out),
        Err(NoLogin::NoProof)
    );
    assert_eq!(
        login.answer(Authentication::SaslContinue(b"r=x"), &mut out),
        Err(NoLogin::NoProof)
    );
}

#[test]
fn a_required_binding_refuses_every_weaker_method() {
    let (target, options) = (target("?channel_binding=require"), ConnectOptions::default());
    let mut out = BytesMut::new();
    for asked in [
        Authentication::Ok,
        Authentication::CleartextPassword,
        Authentication::Md5Password { salt: [0; 4] },
    ] {
        let mut login = Login::new(&target, &options, Some(END_POINT.to_vec()));
        assert_eq!(login.answer(asked, &mut out), Err(NoLogin::NoBinding), "{asked:?}");
    }
    assert!(out.is_empty(), "something was sent");
}

#[test]
fn methods_that_need_a_ticket_are_named() {
    let (target, options, mut out) = (target(""), ConnectOptions::default(), BytesMut::new());
    let said = Login::new(&target, &options, None)
        .answer(Authentication::Other { code: 7 }, &mut out)
        .unwrap_err();
    assert_eq!(
        said.to_string(),
        "it asks for a log-in by GSSAPI, which is not possible here"
    );
}

/// What is said to one request of the server, with these credentials for user `bob`.
fn said(credentials: Credentials, asked: &[u8]) -> Result<String, String> {
    let target = Target::parse("postgres://postgres:not-this-one@h/d").unwrap();
    let options = ConnectOptions {
        user: Some("bob".to_owned()),
        credentials: Some(credentials),
        ..ConnectOptions::default()
    };
    let (mut login, mut out) = (Login::new(&target, &options, None), BytesMut::new());
    assert!(!login.is_asked());
    let step = login.answer(Authentication::parse(asked).unwrap(), &mut out);
    assert!(login.is_asked());
    assert_eq!(step.map_err(|error| error.to_string())?, Step::Send);
    Ok(String::from_utf8_lossy(&out[5..]).into_owned())
}

#[test]
fn each_kind_of_credentials_answers_what_it_can() {
    const CLEAR: &[u8] = b"\0\0\0\x03";
    const MD5: &[u8] = b"\0\0\0\x05salt";
    const SCRAM: &[u8] = b"\0\0\0\x0aSCRAM-SHA-256\0\0";
    let password = || Credentials::Password(Secret::new("pw"));
    let keys = || Credentials::Scram(ScramKeys::new([1; 32], [2; 32]));
    let hash = || Credentials::Md5(Secret::new(md5_of_password("bob", "pw")));
    assert_eq!(said(password(), CLEAR).unwrap(), "pw\0");
    assert_eq!(said(password(), MD5), said(hash(), MD5));
    assert!(said(password(), SCRAM).unwrap().starts_with("SCRAM-SHA-256\0"));
    assert!(said(keys(), SCRAM).unwrap().starts_with("SCRAM-SHA-256\0"));
    for (credentials, asked, error) in [
        (
            keys(),
            CLEAR,
            "it asks for the password in clear, which cannot be answered with the keys of a SCRAM-SHA-256 log-in",
        ),
        (
            keys(),
            MD5,
            "it asks for an MD5 hash, which cannot be answered with the keys of a SCRAM-SHA-256 log-in",
        ),
        (
            hash(),
            CLEAR,
            "it asks for the password in clear, which cannot be answered with an MD5 hash",
        ),
        (
            hash(),
            SCRAM,
            "it asks for SCRAM-SHA-256, which cannot be answered with an MD5 hash",
        ),
        (
            Credentials::None,
            CLEAR,
            "it asks for a password, and this log-in has none to give",
        ),
        (
            Credentials::None,
            MD5,
            "it asks for a password, and this log-in has none to give",
        ),
        (
            Credentials::None,
            SCRAM,
            "it asks for a password, and this log-in has none to give",
        ),
    ] {
        assert_eq!(said(credentials, asked), Err(error.to_owned()));
    }
}

#[test]
fn the_urls_password_is_for_the_urls_user() {
    let (target, mut out) = (target(""), BytesMut::new());
    for (user, sent) in [("bob", true), ("eve", false)] {
        let options = ConnectOptions {
            user: Some(user.to_owned()),
            ..ConnectOptions::default()
        };
        let answered = Login::new(&target, &options, None).answer(Authentication::CleartextPassword, &mut out);
        assert_eq!(answered.is_ok(), sent, "{user}");
    }
    assert_eq!(&out[5..], b"pw\0");
}
