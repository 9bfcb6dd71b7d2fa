//! The reader of a replication's log: what the plugin writes is read as it was meant, and nothing makes it panic.

use proptest::prelude::*;
use weir_pgwire::replication::{
    Change, Column, FromServer, Identity, Marker, Old, Pgoutput, Relation, StandbyStatus, Tuple, Value,
};

fn text(text: &str) -> Vec<u8> {
    [text.as_bytes(), b"\0"].concat()
}

fn values<'a>(tuple: &Tuple<'a>) -> Vec<Value<'a>> {
    tuple.values().collect()
}

#[test]
fn the_frame_of_a_transaction_is_read() {
    let begin = [b"B".as_slice(), &9_u64.to_be_bytes(), &[0; 8], &7_u32.to_be_bytes()].concat();
    assert_eq!(Pgoutput::parse(&begin).unwrap(), Pgoutput::Begin { commit: 9, xid: 7 });
    let commit = [b"C\0".as_slice(), &9_u64.to_be_bytes(), &11_u64.to_be_bytes(), &[0; 8]].concat();
    assert_eq!(
        Pgoutput::parse(&commit).unwrap(),
        Pgoutput::Commit { commit: 9, end: 11 }
    );
    let marker = [
        b"M\x01".as_slice(),
        &5_u64.to_be_bytes(),
        b"weir.ddl\0",
        &2_u32.to_be_bytes(),
        b"hi",
    ]
    .concat();
    let expected = Marker {
        is_transactional: true,
        lsn: 5,
        prefix: b"weir.ddl",
        content: b"hi",
    };
    assert_eq!(Pgoutput::parse(&marker).unwrap(), Pgoutput::Message(expected));
    assert_eq!(Pgoutput::parse(b"Oanything").unwrap(), Pgoutput::Origin);
    assert_eq!(Pgoutput::parse(b"Y").unwrap(), Pgoutput::Type);
    assert_eq!(Pgoutput::parse(b"Sstream").unwrap(), Pgoutput::Unknown(b'S'));
}

#[test]
fn a_table_is_read() {
    let bytes = [
        b"R\0\0\0\x2a".as_slice(),
        &text("public"),
        &text("t"),
        b"i\0\x02\x01",
        &text("id"),
        &23_u32.to_be_bytes(),
        &[0xff; 4],
        b"\0",
        &text("n"),
        &25_u32.to_be_bytes(),
        &[0xff; 4],
    ]
    .concat();
    let column = |is_key, name, type_oid| Column { is_key, name, type_oid };
    let expected = Relation {
        oid: 42,
        schema: b"public",
        name: b"t",
        identity: Identity::Index,
        columns: vec![column(true, b"id", 23), column(false, b"n", 25)],
    };
    assert_eq!(Pgoutput::parse(&bytes).unwrap(), Pgoutput::Relation(expected));
    for cut in 0..bytes.len() {
        assert!(Pgoutput::parse(&bytes[..cut]).is_err(), "{cut}");
    }
}

#[test]
fn each_kind_of_change_is_read() {
    let parse = |bytes: &'static [u8]| match Pgoutput::parse(bytes).unwrap() {
        Pgoutput::Change(change) => change,
        other => panic!("{other:?}"),
    };
    let insert = parse(b"I\0\0\0\x01N\0\x03nut\0\0\0\x02ab");
    assert!(matches!(
        insert,
        Change {
            relation: 1,
            is_update: false,
            old: None,
            new: Some(_)
        }
    ));
    let expected = [Value::Null, Value::Unchanged, Value::Text(b"ab")];
    assert_eq!(values(&insert.new.unwrap()), expected);
    let update = parse(b"U\0\0\0\x01K\0\x01t\0\0\0\x01aN\0\x01b\0\0\0\x01b");
    assert!(update.is_update);
    let Some(Old::Key(old)) = update.old else {
        panic!("it was read as something else")
    };
    assert_eq!(values(&old), [Value::Text(b"a")]);
    assert_eq!(values(&update.new.unwrap()), [Value::Binary(b"b")]);
    let whole = parse(b"U\0\0\0\x01O\0\0N\0\0");
    assert!(matches!(whole.old, Some(Old::Whole(tuple)) if tuple.is_empty()));
    let delete = parse(b"D\0\0\0\x01O\0\x01n");
    assert!(delete.new.is_none() && delete.old.is_some());
    let Pgoutput::Truncate(truncated) = Pgoutput::parse(b"T\0\0\0\x02\x01\0\0\0\x05\0\0\0\x06").unwrap() else {
        panic!("it was read as something else")
    };
    assert_eq!(truncated.relations().collect::<Vec<_>>(), [5, 6]);
}

#[test]
fn what_lies_is_refused() {
    for bytes in [
        b"".as_slice(),
        b"B",
        b"I\0\0\0\x01",
        b"I\0\0\0\x01X\0\0",
        b"I\0\0\0\x01N\0\x01t\x7f\xff\xff\xffa",
        b"I\0\0\0\x01N\xff\xff",
        b"I\0\0\0\x01N\0\x01z",
        b"I\0\0\0\x01N\0\0N\0\0",
        b"U\0\0\0\x01K\0\0O\0\0N\0\0",
        b"T\xff\xff\xff\xff\0",
        b"T\0\0\0\x01\0\0\0\0\x05x",
        b"M\x01\0\0\0\0\0\0\0\0weir\0\xff\xff\xff\xffx",
        b"M\x01\0\0\0\0\0\0\0\0no end",
        b"R\0\0\0\x01\0\0d\xff\xff",
    ] {
        assert!(Pgoutput::parse(bytes).is_err(), "{bytes:?} was accepted");
    }
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), kind in prop::sample::select(b"BCRIUDTMOY".to_vec())) {
        let _ = FromServer::parse(&bytes);
        let with_kind = [&[kind], bytes.as_slice()].concat();
        for bytes in [&bytes, &with_kind] {
            if let Ok(Pgoutput::Change(change)) = Pgoutput::parse(bytes) {
                for tuple in change.new.iter().chain(match &change.old {
                    Some(Old::Key(old) | Old::Whole(old)) => Some(old),
                    None => None,
                }) {
                    prop_assert_eq!(tuple.values().count(), tuple.len());
                }
            }
        }
    }
}

#[test]
fn a_status_of_nothing_is_a_status() {
    let mut out = bytes::BytesMut::new();
    weir_pgwire::replication::standby_status(&mut out, &StandbyStatus::default()).unwrap();
    assert_eq!(out.len(), 1 + 4 + 34);
}
