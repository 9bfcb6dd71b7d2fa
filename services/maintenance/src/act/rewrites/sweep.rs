//! Leftovers of every kind are found and removed; whatever may be a user's stays.

use weir_model::Clock;

use super::bed::{Bed, give_up, job};
use crate::act::sweep::{Scope, Swept};
use crate::act::{Guard, survey, sweep};

async fn swept(bed: &Bed) -> Swept {
    let (job, _stop) = job(None);
    let clock = Clock::system();
    let mut session = bed.session().await;
    sweep(&bed.door(), &mut session, &Guard::new(&job, &clock), Scope::default())
        .await
        .unwrap()
}

/// Everything that a user might own and that looks like a leftover at first sight.
const USERS: &str = "
    create index t_x_ccnew on t (x);
    create unique index t_a_ccold on t (a);
    create index t_b_ccnew on t (b);
    create index t_a_ccnewer on t (a);
    create index t_never on t (x, a);
    create index t_a_ccnew_part on t (a) where a > 5;
    create index t_a_ccold7 on t (a) where a > 5;
    create index t_a_ccold8 on t (a) with (fillfactor = 50);
    create index t_a_ccold9 on t (a desc);
    update pg_index set indisvalid = false where indexrelid in ('t_b_ccnew'::regclass, 't_a_ccnewer'::regclass,
        't_never'::regclass, 't_a_ccnew_part'::regclass, 't_a_ccold'::regclass, 't_a_ccold7'::regclass,
        't_a_ccold8'::regclass, 't_a_ccold9'::regclass);
    create table p (i int) partition by range (i);
    create table p1 partition of p for values from (0) to (9);
    create index p_i_ccnew on only p (i)";

#[tokio::test]
async fn every_leftover_goes_and_every_index_of_a_user_stays() {
    let bed = Bed::new().await;
    let long = "i".repeat(60);
    let euros = format!("ab{}", "€".repeat(20));
    bed.psql(&format!(
        "create table t (id int primary key, a int, b int, x text); create table o (i int);
         insert into t select g, g, g, repeat('x', 100) from generate_series(1, 100) g;
         create index t_a on t (a); create index \"{long}\" on t (b, a); create index \"{euros}\" on t (lower(x)) where b > 3"
    ))
    .await;
    // Twice, and once for the whole table: numbers, names that are cut, the TOAST table's.
    give_up(&bed, "reindex index concurrently t_a").await;
    give_up(&bed, "reindex index concurrently t_a").await;
    give_up(&bed, "reindex table concurrently t").await;
    // As it is when the new index has taken the old one's place.
    bed.psql(
        "create index t_pkey_ccold on t (id); create unique index t_pkey_ccold3 on t (id);
         update pg_index set indisvalid = false, indisready = false where indexrelid in ('t_pkey_ccold3'::regclass, 't_pkey_ccold'::regclass)",
    )
    .await;
    let left = bed.psql("select count(*) from pg_index where not indisvalid").await;
    assert_eq!(left, "9", "{}", bed.invalid().await);
    let before = bed.psql("select count(*) from pg_index").await;
    bed.psql(USERS).await;
    let users = "t_a_ccnew_part t_a_ccnewer t_a_ccold t_a_ccold7 t_a_ccold8 t_a_ccold9 t_b_ccnew t_never t_pkey_ccold";

    let mut session = bed.session().await;
    let found = survey(&mut session, Scope::default()).await.unwrap();
    let swept = swept(&bed).await;
    assert_eq!(found.removed, swept.removed, "what is announced is what is done");
    assert_eq!(swept.removed.len(), 8, "{swept:?}");
    assert!(swept.remains.is_empty(), "{swept:?}");
    assert!(swept.removed.iter().any(|what| what.contains("pg_toast")), "{swept:?}");
    assert!(
        swept
            .removed
            .iter()
            .any(|what| what.contains(&format!("{}_ccnew", "i".repeat(57)))),
        "{swept:?}"
    );
    assert!(
        swept
            .removed
            .iter()
            .any(|what| what.contains(&format!("ab{}_ccnew", "€".repeat(18)))),
        "{swept:?}"
    );
    // The tenth belongs to a partitioned table, and is not of the kind that is looked at.
    assert_eq!(bed.invalid().await, format!("p_i_ccnew {users}"));
    assert_eq!(swept.advice.len(), 9, "{swept:?}");
    assert!(
        swept.advice.iter().all(|advice| advice.contains("Drop it, or REINDEX")),
        "{swept:?}"
    );
    assert_eq!(
        bed.psql("select indisvalid from pg_index where indexrelid = 't_x_ccnew'::regclass")
            .await,
        "t"
    );
    let after = before.parse::<u32>().unwrap() - 8 + 10;
    assert_eq!(bed.psql("select count(*) from pg_index").await, after.to_string());
}

#[tokio::test]
async fn what_somebody_still_builds_is_left_to_them() {
    let bed = Bed::new().await;
    bed.bloated(1_000).await;
    let mut holder = bed
        .client("begin isolation level repeatable read; select count(*) from o")
        .await;
    let mut theirs = bed.client("select 1").await;
    let look = async {
        bed.until("select count(*) from pg_index where not indisvalid and indisready", "1")
            .await;
        let found = survey(&mut bed.session().await, Scope::default()).await.unwrap();
        holder.simple_query("commit").await.unwrap();
        found
    };
    let (built, found) = tokio::join!(
        theirs.simple_query("create index concurrently t_a_ccnew on t (a)"),
        look
    );
    built.unwrap();
    assert!(found.removed.is_empty() && found.advice.is_empty(), "{found:?}");
    assert!(
        found
            .remains
            .iter()
            .all(|what| what.contains("somebody works on indexes of public.t")),
        "{found:?}"
    );
    assert_eq!(found.remains.len(), 1);
    assert_eq!(swept(&bed).await, Swept::default());
    assert_eq!(
        bed.psql("select indisvalid from pg_index where indexrelid = 't_a_ccnew'::regclass")
            .await,
        "t"
    );
}

/// DROP INDEX CONCURRENTLY waits for whoever reads the table; it gives way and comes back.
#[tokio::test]
async fn a_table_in_use_is_swept_when_it_is_free() {
    let bed = Bed::new().await;
    bed.bloated(1_000).await;
    give_up(&bed, "reindex index concurrently t_a").await;
    let mut holder = bed.client("begin; lock table t in access exclusive mode").await;
    // Locked by somebody: that counts as busy, and nothing is asked of the table at all.
    let found = survey(&mut bed.session().await, Scope::default()).await.unwrap();
    assert_eq!((found.removed.len(), found.remains.len()), (0, 1), "{found:?}");
    holder
        .simple_query("commit; begin; lock table t in access share mode")
        .await
        .unwrap();
    let release = async {
        bed.until("select count(*) from pg_locks where not granted", "1").await;
        bed.until("select count(*) from pg_locks where not granted", "0").await;
        holder.simple_query("commit").await.unwrap();
    };
    let (swept, ()) = tokio::join!(swept(&bed), release);
    assert_eq!(swept.removed, ["index public.t_a_ccnew"]);
    assert_eq!(bed.invalid().await, "");
}
