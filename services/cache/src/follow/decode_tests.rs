//! What transactions touch, from messages as the plugin writes them.

use std::sync::LazyLock;

use proptest::prelude::*;
use weir_pgwire::replication::{Column, Marker};

use super::super::tables::{Facts, Kind, Listed, ToldColumn};
use super::*;

fn catalogue() -> Arc<Catalogue> {
    let table = |oid| Listed {
        oid,
        schema: "public".to_owned(),
        table: format!("t{oid}"),
        kind: Kind::Plain,
        is_logged: true,
        identity: true,
        is_published: true,
        is_partial: false,
    };
    let facts = Facts {
        tables: (1..=2_000).map(table).collect(),
        columns: vec![ToldColumn {
            relation: 1,
            name: "id".to_owned(),
            type_oid: 23,
        }],
        inherits: vec![(1, 9)],
    };
    Arc::new(facts.catalogue(&facts.published(), "p"))
}

fn decoder() -> Decoder {
    static CATALOGUE: LazyLock<Arc<Catalogue>> = LazyLock::new(catalogue);
    Decoder::new(CATALOGUE.clone(), 100)
}

const BEGIN: Pgoutput<'_> = Pgoutput::Begin { commit: 9, xid: 7 };
const COMMIT: Pgoutput<'_> = Pgoutput::Commit { commit: 9, end: 10 };

fn relation(identity: Identity, name: &[u8], is_key: bool) -> Pgoutput<'_> {
    Pgoutput::Relation(Relation {
        oid: 1,
        schema: b"public",
        name: b"t1",
        identity,
        columns: vec![Column {
            is_key,
            name,
            type_oid: 23,
        }],
    })
}

/// A change of one row of table 1, as bytes of the plugin.
fn change(old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut bytes = b"U\0\0\0\x01".to_vec();
    bytes.extend(old);
    bytes.extend(new);
    bytes
}

fn tags(messages: &[Pgoutput<'_>]) -> HashSet<u64> {
    let mut decoder = decoder();
    let ended: Vec<Committed> = messages.iter().filter_map(|message| decoder.take(message)).collect();
    assert_eq!(ended.len(), 1);
    assert!(!ended[0].kills);
    ended[0].tags.keys().map(|tag| tag.number()).collect()
}

fn expected(tags: &[Tag]) -> HashSet<u64> {
    tags.iter().map(|tag| tag.number()).collect()
}

const NEW_7: &[u8] = b"N\0\x01t\0\0\0\x017";
const UNCHANGED: &[u8] = b"N\0\x01u";
const KEY_6: &[u8] = b"K\0\x01t\0\0\0\x016";

#[test]
fn a_row_is_told_for_its_table_and_all_above() {
    let seven = Family::Integer.from_text(b"7").unwrap();
    let row = change(b"", NEW_7);
    let row = Pgoutput::parse(&row).unwrap();
    let told = tags(&[BEGIN, relation(Identity::Default, b"id", true), row, COMMIT]);
    let both = [
        Tag::table(1),
        Tag::table(9),
        Tag::row(1, "id", &seven),
        Tag::row(9, "id", &seven),
    ];
    assert_eq!(told, expected(&both));
}

#[test]
fn what_is_not_told_touches_all_rows() {
    let all = expected(&[Tag::table(1), Tag::table(9), Tag::all_rows(1), Tag::all_rows(9)]);
    let row = change(b"", NEW_7);
    let whole = Pgoutput::parse(&row).unwrap();
    for described in [
        relation(Identity::Default, b"other", true),
        relation(Identity::Default, b"id", false),
        relation(Identity::Nothing, b"id", true),
    ] {
        assert_eq!(
            tags(&[BEGIN, described, whole.clone(), COMMIT]),
            all,
            "a column that is not there"
        );
    }
    assert_eq!(tags(&[BEGIN, whole, COMMIT]), all, "a table that was not described");
    for hidden in [
        change(b"", UNCHANGED),
        change(b"", b"N\0\x01b\0\0\0\x017"),
        change(b"", b"N\0\x01t\0\0\0\x01x"),
        change(b"", b"N\0\0"),
    ] {
        let row = Pgoutput::parse(&hidden).unwrap();
        let told = tags(&[BEGIN, relation(Identity::Default, b"id", true), row, COMMIT]);
        assert!(told.is_superset(&all), "{hidden:?}");
    }
}

#[test]
fn a_row_that_was_seen_is_told_by_its_cells_until_the_catalogue_changes() {
    let seven = Family::Integer.from_text(b"7").unwrap();
    let row = change(b"", NEW_7);
    let row = Pgoutput::parse(&row).unwrap();
    let mut decoder = decoder();
    let told = |decoder: &mut Decoder, message: &Pgoutput<'_>| {
        let all = [&BEGIN, message, &COMMIT];
        let ended = all.into_iter().filter_map(|message| decoder.take(message)).last();
        ended
            .unwrap()
            .tags
            .keys()
            .map(|tag| tag.number())
            .collect::<HashSet<u64>>()
    };
    let whole = [
        Tag::table(1),
        Tag::table(9),
        Tag::row(1, "id", &seven),
        Tag::row(9, "id", &seven),
    ];
    let cells = [
        Tag::table(1),
        Tag::table(9),
        Tag::cells(1, "id", &seven),
        Tag::cells(9, "id", &seven),
    ];
    decoder.take(&relation(Identity::Default, b"id", true));
    assert_eq!(told(&mut decoder, &row), expected(&whole));
    assert_eq!(told(&mut decoder, &row), expected(&cells), "written as it was");
    decoder.take(&relation(Identity::Default, b"id", true));
    assert_eq!(told(&mut decoder, &row), expected(&cells), "described as it was");
    let Pgoutput::Relation(mut another) = relation(Identity::Default, b"id", true) else {
        panic!("it is a relation")
    };
    another.columns[0].type_oid = 20;
    decoder.take(&Pgoutput::Relation(another.clone()));
    assert_eq!(told(&mut decoder, &row), expected(&whole), "of another type");
    another.identity = Identity::Index;
    decoder.take(&Pgoutput::Relation(another));
    assert_eq!(
        told(&mut decoder, &row),
        expected(&whole),
        "identified by something else"
    );
    assert_eq!(told(&mut decoder, &row), expected(&cells));
    let catalogue = decoder.catalogue().clone();
    decoder.set_catalogue(catalogue);
    assert_eq!(told(&mut decoder, &row), expected(&whole));
}

#[test]
fn what_did_not_change_is_what_it_was() {
    let six = Family::Integer.from_text(b"6").unwrap();
    let row = change(KEY_6, UNCHANGED);
    let row = Pgoutput::parse(&row).unwrap();
    let told = tags(&[BEGIN, relation(Identity::Default, b"id", true), row, COMMIT]);
    let both = [
        Tag::table(1),
        Tag::table(9),
        Tag::row(1, "id", &six),
        Tag::row(9, "id", &six),
    ];
    assert_eq!(told, expected(&both));
}

fn one(messages: &[Pgoutput<'_>]) -> Committed {
    let mut decoder = decoder();
    messages.iter().find_map(|message| decoder.take(message)).unwrap()
}

#[test]
fn what_is_unknown_kills_and_what_is_foreign_does_not() {
    let marker = |prefix: &'static [u8]| {
        Pgoutput::Message(Marker {
            is_transactional: true,
            lsn: 5,
            prefix,
            content: b"x",
        })
    };
    let unknown = one(&[BEGIN, Pgoutput::Unknown(b'S'), COMMIT]);
    assert!(unknown.kills && unknown.is_ddl && unknown.is_news());
    let definitions = one(&[BEGIN, marker(b"weir.ddl"), COMMIT]);
    assert!(definitions.kills && definitions.is_ddl);
    let ordered = one(&[BEGIN, marker(b"weir.invalidate"), COMMIT]);
    assert_eq!((ordered.kills, ordered.orders.len()), (false, 1));
    let foreign = one(&[BEGIN, marker(b"weir.hb"), Pgoutput::Origin, Pgoutput::Type, COMMIT]);
    assert!(!foreign.is_news());
    assert!(one(&[COMMIT]).kills, "a commit of which nothing is known");
    let many = vec![marker(b"weir.invalidate"); ORDERS_MAX + 1];
    let many = one(&[vec![BEGIN], many, vec![COMMIT]].concat());
    assert!(many.kills && many.orders.len() == ORDERS_MAX);
}

#[test]
fn many_rows_are_all_rows_and_many_tables_are_everything() {
    let rows: Vec<Vec<u8>> = (0..200)
        .map(|id| {
            let text = format!("{id:03}");
            change(b"", &[b"N\0\x01t\0\0\0\x03", text.as_bytes()].concat())
        })
        .collect();
    let rows = rows.iter().map(|row| Pgoutput::parse(row).unwrap());
    let mut messages = vec![BEGIN, relation(Identity::Default, b"id", true)];
    messages.extend(rows);
    messages.push(COMMIT);
    let committed = one(&messages);
    assert!(committed.is_collapsed && !committed.kills);
    let found: HashSet<u64> = committed.tags.keys().map(|tag| tag.number()).collect();
    let all = [Tag::table(1), Tag::table(9), Tag::all_rows(1), Tag::all_rows(9)];
    assert_eq!(found, expected(&all));

    let truncate = |oid: u32| [b"T\0\0\0\x01\0".as_slice(), &oid.to_be_bytes()].concat();
    let truncated: Vec<Vec<u8>> = (1..=1_001).map(truncate).collect();
    let mut messages = vec![BEGIN];
    messages.extend(truncated.iter().map(|one| Pgoutput::parse(one).unwrap()));
    messages.push(COMMIT);
    let committed = one(&messages);
    assert!(committed.kills && committed.tags.len() < 10, "{}", committed.tags.len());
}

proptest! {
    #[test]
    fn no_messages_make_it_panic_or_grow(all in prop::collection::vec((prop::sample::select(b"BCRIUDTMOYZ".to_vec()), prop::collection::vec(0_u8..4, 0..60)), 0..50)) {
        let mut decoder = decoder();
        for (kind, rest) in &all {
            let bytes = [&[*kind], rest.as_slice()].concat();
            if let Ok(message) = Pgoutput::parse(&bytes)
                && let Some(committed) = decoder.take(&message)
            {
                prop_assert!(committed.tags.len() <= 100 + 4 * TABLES_MAX);
            }
        }
    }
}
