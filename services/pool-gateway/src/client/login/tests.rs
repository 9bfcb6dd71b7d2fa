//! The whole log-in, frame by frame, and through to a real PostgreSQL.

use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use weir_pgwire::frontend;
use weir_testkit::{Postgres, PostgresOptions};
use weir_upstream::{ConnectOptions, Connection, Target};

use super::*;

mod lookups;

const RANDOM: Random = [7; 18];
/// A verifier for MD5.
const MD5: &str = "md5c08ad9e1d6aeb4e4ef1a0cb2ef2a6f1b";

/// The bodies of the frames that were written.
fn bodies(out: &mut BytesMut) -> Vec<Vec<u8>> {
    let (bytes, mut bodies, mut at) = (out.split(), Vec::new(), 0);
    while at < bytes.len() {
        let length = u32::from_be_bytes(bytes[at + 1..at + 5].try_into().unwrap()) as usize;
        bodies.push(bytes[at + 5..at + 1 + length].to_vec());
        at += 1 + length;
    }
    bodies
}

/// The body of the one frame that a client writes.
fn body(write: impl FnOnce(&mut BytesMut) -> Result<(), frontend::WriteError>) -> Vec<u8> {
    let mut out = BytesMut::new();
    write(&mut out).unwrap();
    out[5..].to_vec()
}

fn begin(method: Method) -> (Login, Vec<u8>) {
    let mut out = BytesMut::new();
    let (login, step) = Login::begin(method, "bob", RANDOM, &mut out);
    assert!(matches!(step, Step::Send), "{step:?}");
    (login, bodies(&mut out).concat())
}

/// A log-in by SCRAM of another client, with this password.
fn scram(method: Method, password: &str) -> Result<Credentials, Refusal> {
    let (mut login, asked) = begin(method);
    assert_eq!(asked, b"\0\0\0\x0aSCRAM-SHA-256\0\0");
    let mut client = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
    let mut out = BytesMut::new();
    let first = body(|out| frontend::sasl_initial_response(out, "SCRAM-SHA-256", client.message()));
    assert!(matches!(login.step(&first, &mut out)?, Step::Send));
    client.update(&bodies(&mut out).concat()[4..]).unwrap();
    let Step::Done(credentials) = login.step(client.message(), &mut out)? else {
        panic!("it asks for more than a proof");
    };
    client.finish(&bodies(&mut out).concat()[4..]).unwrap();
    let more = login.step(b"x", &mut out).unwrap_err();
    assert_eq!(more, Refusal::Protocol("unexpected password message"));
    Ok(credentials)
}

#[test]
fn a_stranger_is_asked_like_anybody_and_never_let_in() {
    let strangers = Strangers::new(&[1; 32]);
    for password in ["", "secret", "bob"] {
        let method = Found::Nobody.method(&strangers, None);
        assert_eq!(scram(method, password).unwrap_err(), Refusal::WrongPassword);
    }
}

#[test]
fn channel_binding_is_offered_where_there_is_something_to_bind_to() {
    let strangers = Strangers::new(&[1; 32]);
    let (_, asked) = begin(Found::Nobody.method(&strangers, Some(vec![1])));
    assert_eq!(asked, b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0");
}

#[test]
fn a_client_may_leave_the_first_word_to_us() {
    let (mut login, _) = begin(Found::Nobody.method(&Strangers::new(&[1; 32]), None));
    let mut out = BytesMut::new();
    login.step(b"SCRAM-SHA-256\0\xff\xff\xff\xff", &mut out).unwrap();
    assert_eq!(bodies(&mut out), [b"\0\0\0\x0b"]);
    login.step(b"n,,n=,r=nonce", &mut out).unwrap();
    assert!(bodies(&mut out)[0].starts_with(b"\0\0\0\x0br=nonce"));
}

#[test]
fn a_first_frame_that_is_none_is_refused() {
    for body in [
        &b""[..],
        b"SCRAM-SHA-256",
        b"SCRAM-SHA-256\0",
        b"SCRAM-SHA-256\0\0\0\0\x09n,,",
        b"SCRAM-SHA-256\0\0\0\0\x01n,,",
        b"SCRAM-SHA-512\0\0\0\0\x03n,,",
        b"SCRAM-SHA-256-PLUS\0\0\0\0\x03n,,",
    ] {
        let (mut login, _) = begin(Found::Nobody.method(&Strangers::new(&[1; 32]), None));
        let refusal = login.step(body, &mut BytesMut::new()).unwrap_err();
        assert_eq!(refusal.sqlstate(), "08P01", "{refusal:?}");
        let again = login.step(body, &mut BytesMut::new()).unwrap_err();
        assert_eq!(again, Refusal::Protocol("unexpected password message"));
    }
}

#[test]
fn an_md5_hash_is_checked_against_the_verifiers() {
    let hash = MD5.strip_prefix("md5").unwrap();
    let found = Found::User(lookup::User {
        verifier: Verifier::parse(MD5),
        can_log_in: true,
        is_expired: false,
    });
    let ask = || begin(found.method(&Strangers::new(&[1; 32]), None));
    let (mut login, asked) = ask();
    assert_eq!(asked, b"\0\0\0\x05\x07\x07\x07\x07");
    let right = body(|out| frontend::password(out, md5_answer(hash, [7; 4]).as_bytes()));
    let done = login.step(&right, &mut BytesMut::new()).unwrap();
    assert!(matches!(done, Step::Done(Credentials::Md5(found)) if found.expose() == hash));
    for at in 0..right.len() - 1 {
        let mut wrong = right.clone();
        wrong[at] ^= 1;
        assert_eq!(
            ask().0.step(&wrong, &mut BytesMut::new()).unwrap_err(),
            Refusal::WrongPassword
        );
    }
    for (body, refusal) in [
        (&b"\0"[..], Refusal::EmptyPassword),
        (b"", Refusal::Protocol("invalid password packet size")),
        (b"md5", Refusal::Protocol("invalid password packet size")),
        (b"md5\0\0", Refusal::Protocol("invalid password packet size")),
        (b"md5\0", Refusal::WrongPassword),
    ] {
        assert_eq!(ask().0.step(body, &mut BytesMut::new()).unwrap_err(), refusal);
    }
}

#[test]
fn a_password_in_clear_is_passed_on() {
    let (mut login, asked) = begin(Method::Cleartext);
    assert_eq!(asked, b"\0\0\0\x03");
    let done = login.step(b"hunter2\0", &mut BytesMut::new()).unwrap();
    assert!(matches!(done, Step::Done(Credentials::Password(password)) if password.expose() == "hunter2"));
    for (body, refusal) in [(&b"\0"[..], Refusal::EmptyPassword), (b"\xff\0", Refusal::NotUtf8)] {
        let refused = begin(Method::Cleartext).0.step(body, &mut BytesMut::new()).unwrap_err();
        assert_eq!(refused, refusal);
        assert_eq!(refused.sqlstate(), "28P01");
    }
}

#[test]
fn who_is_vouched_for_is_asked_nothing() {
    let mut out = BytesMut::new();
    let (mut login, step) = Login::begin(Method::Certificate, "bob", RANDOM, &mut out);
    assert!(matches!(step, Step::Done(Credentials::None)) && out.is_empty());
    assert!(login.step(b"x\0", &mut out).is_err());
}

#[test]
fn a_refusal_speaks_as_postgresql_does() {
    for (refusal, sqlstate, message) in [
        (
            Refusal::WrongPassword,
            "28P01",
            "password authentication failed for user \"bob\"",
        ),
        (Refusal::EmptyPassword, "28P01", "empty password returned by client"),
        (Refusal::MayNotLogIn, "28000", "role \"bob\" is not permitted to log in"),
        (Refusal::NoRandom, "XX000", "could not generate random nonce"),
    ] {
        assert_eq!(
            (refusal.sqlstate(), refusal.message("bob").as_str()),
            (sqlstate, message)
        );
        assert_eq!(refusal.detail(), None);
    }
}

/// Serves one client's log-in, and one query's end; returns what the client has proved.
async fn serve(listener: &TcpListener, method: Method) -> Result<Credentials, Refusal> {
    let (mut socket, _) = listener.accept().await.unwrap();
    let length = socket.read_u32().await.unwrap();
    socket.read_exact(&mut vec![0; length as usize - 4]).await.unwrap();
    let mut out = BytesMut::new();
    let (mut login, mut step) = Login::begin(method, "bob", random()?, &mut out);
    loop {
        socket.write_all(&out.split()).await.unwrap();
        if let Step::Done(credentials) = step {
            reply::authentication_ok(&mut out);
            out.extend_from_slice(b"Z\0\0\0\x05I");
            socket.write_all(&out).await.unwrap();
            return Ok(credentials);
        }
        step = login.step(&frame(&mut socket).await, &mut out)?;
    }
}

async fn frame(socket: &mut TcpStream) -> Vec<u8> {
    assert_eq!(socket.read_u8().await.unwrap(), b'p');
    let length = socket.read_u32().await.unwrap() as usize - 4;
    assert!(length <= BODY_BYTES_MAX);
    let mut body = vec![0; length];
    socket.read_exact(&mut body).await.unwrap();
    body
}

/// What our own client proves to our own server with a password.
async fn proved(user: &str, password: &str, method: Method) -> Result<Credentials, Refusal> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let target = Target::parse(&format!("postgres://{user}@127.0.0.1:{port}/d?sslmode=disable")).unwrap();
    let options = ConnectOptions {
        credentials: Some(Credentials::Password(Secret::new(password))),
        ..ConnectOptions::default()
    };
    let (served, connected) = tokio::join!(serve(&listener, method), Connection::connect(&target, options));
    assert_eq!(served.is_ok(), connected.is_ok(), "{connected:?}");
    if let Ok(connection) = connected {
        assert!(!connection.was_trusted());
    }
    served
}

/// A cluster where everybody but `postgres` needs a password, each of the kind of the name.
async fn cluster() -> Postgres {
    let postgres = PostgresOptions::new()
        .hba("host all postgres 127.0.0.1/32 trust")
        .hba("host all scram_user 127.0.0.1/32 scram-sha-256")
        .hba("host all all 127.0.0.1/32 md5")
        .user("scram_user", "päss w/@rd")
        .start()
        .await;
    postgres
        .psql(
            "postgres",
            "set password_encryption = md5; create role md5_user login password 'secret'",
        )
        .await;
    postgres
}

async fn connected(postgres: &Postgres) -> Connection {
    let target = Target::parse(&postgres.url("postgres")).unwrap();
    Connection::connect(&target, ConnectOptions::default()).await.unwrap()
}

/// A session as this user with these credentials; the URL's user and password are somebody else's.
async fn upstream(
    postgres: &Postgres,
    user: &str,
    credentials: Credentials,
) -> Result<Connection, weir_upstream::Error> {
    let target = Target::parse(&postgres.url("postgres")).unwrap();
    let options = ConnectOptions {
        user: Some(user.to_owned()),
        credentials: Some(credentials),
        ..ConnectOptions::default()
    };
    Connection::connect(&target, options).await
}

#[tokio::test]
async fn what_a_client_has_proved_opens_its_own_session_upstream() {
    let postgres = cluster().await;
    let mut service = connected(&postgres).await;
    let strangers = Strangers::random().unwrap();
    for (user, password) in [("scram_user", "päss w/@rd"), ("md5_user", "secret")] {
        let found = lookup(&mut service, AUTH_QUERY, user).await.unwrap();
        assert_eq!(found.admits(), Ok(()));
        let method = || found.method(&strangers, None);
        let credentials = proved(user, password, method()).await.unwrap();
        assert!(!matches!(credentials, Credentials::Password(_)), "{user}");
        let mut own = upstream(&postgres, user, credentials.clone()).await.unwrap();
        let rows = own.simple_query("select current_user as name").await.unwrap();
        assert_eq!(rows[0].text("name").unwrap(), user);
        assert_eq!(
            proved(user, "wrong", method()).await.unwrap_err(),
            Refusal::WrongPassword
        );
        // The same credentials are worth nothing once the password is another, be it the same again with another salt.
        let quoted = password.replace('\'', "''");
        postgres
            .psql(
                "postgres",
                &format!("set password_encryption = 'scram-sha-256'; alter role {user} password '{quoted}'"),
            )
            .await;
        let stale = upstream(&postgres, user, credentials).await.unwrap_err();
        assert!(matches!(stale, weir_upstream::Error::Auth { .. }), "{stale}");
        let fresh = lookup(&mut service, AUTH_QUERY, user).await.unwrap();
        let credentials = proved(user, password, fresh.method(&strangers, None)).await.unwrap();
        upstream(&postgres, user, credentials).await.unwrap();
    }
}
