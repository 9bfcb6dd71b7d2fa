//! Indexes checked: sound, damaged, and those that cannot be.

use weir_model::Clock;

use super::bed::{Bed, job};
use crate::act::{Guard, Verified, verify};
use crate::plan::rewrites::IndexName;

async fn verified(bed: &Bed, index: &str, heap: bool) -> Verified {
    let (job, _stop) = job(None);
    let clock = Clock::system();
    let mut session = bed.session().await;
    let name = IndexName {
        schema: "public".to_owned(),
        name: index.to_owned(),
    };
    verify(&mut session, &Guard::new(&job, &clock), &name, heap)
        .await
        .unwrap()
}

/// An order that is turned round behind the index's back is what a new collation does.
const TURNED: &str = "
    create function order_of(int, int) returns int language sql immutable as 'select case when $1 < $2 then -1 when $1 > $2 then 1 else 0 end';
    create operator class turned for type int using btree as operator 1 <, operator 2 <=, operator 3 =, operator 4 >=,
        operator 5 >, function 1 order_of(int, int);
    create index t_turned on t (a turned);
    create or replace function order_of(int, int) returns int language sql immutable as 'select case when $1 < $2 then 1 when $1 > $2 then -1 else 0 end'";

#[tokio::test]
async fn damage_is_named_and_what_cannot_be_checked_has_its_reason() {
    let bed = Bed::new().await;
    bed.bloated(1_000).await;
    let left = |said: Verified, expected: &str| {
        assert!(
            matches!(&said, Verified::Left(reason) if reason.contains(expected)),
            "{said:?}"
        );
    };
    left(verified(&bed, "t_a", false).await, "amcheck is not in the database");
    bed.psql("create schema extras; create extension amcheck schema extras; create index t_hash on t using hash (a)")
        .await;
    bed.psql("create index t_broken on t (a); update pg_index set indisvalid = false where indexrelid = 't_broken'::regclass")
        .await;
    bed.psql(TURNED).await;
    assert_eq!(verified(&bed, "t_a", false).await, Verified::Sound);
    assert_eq!(verified(&bed, "t_pkey", true).await, Verified::Sound);
    left(verified(&bed, "t_hash", false).await, "only B-trees");
    left(verified(&bed, "t_broken", false).await, "it is invalid");
    left(verified(&bed, "nowhere", false).await, "no such index");
    let damaged = verified(&bed, "t_turned", false).await;
    assert!(
        matches!(&damaged, Verified::Corrupt(how) if how.starts_with("index public.t_turned is corrupt: item order invariant violated")),
        "{damaged:?}"
    );
    let _holder = bed.client("begin; lock table t in access exclusive mode").await;
    let (job, _stop) = job(None);
    let clock = Clock::system();
    let name = IndexName {
        schema: "public".to_owned(),
        name: "t_a".to_owned(),
    };
    let halted = verify(&mut bed.session().await, &Guard::new(&job, &clock), &name, false).await;
    assert!(
        matches!(&halted, Ok(Verified::Left(reason)) if reason.contains("locked")),
        "{halted:?}"
    );
}
