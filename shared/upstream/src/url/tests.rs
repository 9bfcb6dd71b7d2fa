//! What a URL may be, and what is said of one that cannot be.

use std::path::Path;

use super::*;

fn target(url: &str) -> Target {
    read(url).unwrap()
}

fn refusal(url: &str) -> String {
    read(url).unwrap_err().to_string()
}

#[test]
fn every_piece_is_read() {
    let target = target(
        "postgresql://us%40er:p%40ss%2Fw@db.example:6000/my%20db?sslmode=verify-full&sslrootcert=/ca.pem\
         &application_name=app&connect_timeout=7&options=-c%20geqo%3Doff&channel_binding=require",
    );
    assert_eq!(
        (target.user(), target.host(), target.port()),
        ("us@er", "db.example", 6000)
    );
    assert_eq!(target.password.as_ref().unwrap().expose(), "p@ss/w");
    assert_eq!((target.database(), target.sslmode()), ("my db", SslMode::VerifyFull));
    assert_eq!(target.sslrootcert.as_deref(), Some(Path::new("/ca.pem")));
    assert_eq!(target.application_name.as_deref(), Some("app"));
    assert_eq!(target.connect_timeout, Some(Duration::from_secs(7)));
    assert_eq!(target.options.as_deref(), Some("-c geqo=off"));
    assert_eq!(target.channel_binding, ChannelBinding::Require);
}

#[test]
fn what_is_left_out_has_a_default() {
    let target = target("postgres://me@host");
    assert_eq!(
        (target.port(), target.database(), target.sslmode()),
        (5432, "me", SslMode::Prefer)
    );
    assert!(target.password.is_none());
    assert_eq!(target.to_string(), "database me at host:5432 as user me");
}

#[test]
fn a_host_may_be_an_address_or_a_directory() {
    assert_eq!(target("postgres://u@[::1]:77/d").place(), "[::1]:77");
    assert_eq!(target("postgres://u@[::1]/d").place(), "[::1]:5432");
    assert_eq!(
        target("postgres://u@/d?host=/run/pg&port=77").place(),
        "/run/pg/.s.PGSQL.77"
    );
    assert_eq!(target("postgres://u@%2Frun%2Fpg:77/d").place(), "/run/pg/.s.PGSQL.77");
    assert_eq!(
        target("postgres:///d?user=u&password=p&host=h&dbname=e").to_string(),
        "database e at h:5432 as user u"
    );
    assert_eq!(target("postgres://u@h:/d").port(), 5432);
}

#[test]
fn what_is_wrong_is_named() {
    for (url, said) in [
        (
            "mysql://u@h/d",
            "a database url begins with postgres:// or postgresql://",
        ),
        ("postgres://h/d", "the database url names no user"),
        (
            "postgres://u@/d",
            "the database url names no host; a socket's directory is named by ?host=/directory",
        ),
        (
            "postgres://u@h:x/d",
            "the database url has a port that is no number from 1 to 65535",
        ),
        (
            "postgres://u@h:0/d",
            "the database url has a port that is no number from 1 to 65535",
        ),
        (
            "postgres://u@h:65536/d",
            "the database url has a port that is no number from 1 to 65535",
        ),
        (
            "postgres://u@a,b/d",
            "the database url names several hosts; one is possible",
        ),
        ("postgres://u@[::1/d", "the database url has a '[' without its ']'"),
        (
            "postgres://u@[::1]55/d",
            "the database url has no ':' between the host's ']' and its port",
        ),
        ("postgres://u%00@h/d", "the database url has a zero byte in it"),
        (
            "postgres://u%ff@h/d",
            "the database url has a percent-encoded part that is not UTF-8",
        ),
        (
            "postgres://u@h/d?sslmode=on",
            "in the database url, sslmode must be disable, prefer, require, verify-ca or verify-full",
        ),
        (
            "postgres://u@h/d?connect_timeout=1s",
            "in the database url, connect_timeout must be a whole number of seconds",
        ),
    ] {
        assert_eq!(refusal(url), said, "{url}");
    }
    let unknown = refusal("postgres://u@h/d?sslmode=disable&pool_size=3");
    assert!(unknown.starts_with("the database url has an unknown parameter pool_size; known are application_name, "));
    assert!(refusal("postgres://u@h/d?ssl").contains("unknown parameter ssl;"));
}

/// Passwords with every sign that means something in a URL, written without care.
#[test]
fn no_refusal_and_no_debug_output_holds_a_piece_of_the_password() {
    for password in [
        "hunter2",
        "hun/ter2",
        "hun?ter2",
        "hun@ter2",
        "hun:ter2",
        "1234?hunter2=3",
        "12/hunter2",
        "hun%00ter2",
        "hun#ter2",
    ] {
        for rest in [
            "h/d",
            "h:x/d",
            "h/d?sslmode=hunter2",
            "a,b/d",
            "/d",
            "h/d?connect_timeout=hunter2",
        ] {
            let shown = match read(&format!("postgres://u:{password}@{rest}")) {
                Ok(target) => format!("{target:?} {target}"),
                Err(error) => format!("{error} {error:?}"),
            };
            assert!(
                !shown.contains("hun") && !shown.contains("ter2"),
                "{password} {rest}: {shown}"
            );
        }
    }
}

#[test]
fn another_server_of_the_cluster_differs_in_its_door_only() {
    let first = Target::parse("postgres://u:secret@first:6000/d?sslmode=require").unwrap();
    for (door, place) in [
        ("second", "second:5432"),
        ("second:6001", "second:6001"),
        ("[::1]:6002", "[::1]:6002"),
        ("/run/pg", "/run/pg/.s.PGSQL.5432"),
    ] {
        let other = first.at(door).unwrap();
        assert_eq!(other.place(), place);
        assert_eq!(
            (other.user(), other.database(), other.sslmode()),
            ("u", "d", SslMode::Require)
        );
    }
    for wrong in ["", ":5432", "a:b", "a:0", "a,b"] {
        assert!(first.at(wrong).is_err(), "{wrong}");
    }
}
