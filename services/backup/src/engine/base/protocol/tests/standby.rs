//! Backups of standbys.

use std::time::Duration;

use super::ground::{Place, Restored, backed_up, copied, pace, server, target};
use crate::error::Error;

const FILL: &str = "create table t as select g, repeat('x', 500) from generate_series(1, 30000) g";

#[tokio::test]
async fn a_standby_is_backed_up_without_its_primary_noticing() {
    let primary = server(&[]).await;
    primary.psql("postgres", FILL).await;
    let standby = primary.standby("second").await;
    let place = Place::new().await;
    let (entry, taken) = backed_up(&place, &target(&standby), None, &pace(0)).await.unwrap();
    assert_eq!(taken.corrupt_page_count, 0);
    let label = String::from_utf8_lossy(&taken.backup_label).into_owned();
    assert!(label.contains("BACKUP FROM: standby"), "{label}");
    primary.psql("postgres", "insert into t values (0, 'last')").await;
    let mut restored = Restored::of(&place, &entry, &standby).await;
    restored.verify();
    // Without the mark it is no standby, but a server that reads what log there is.
    std::fs::remove_file(restored.data().join("standby.signal")).unwrap();
    restored.start(&primary).await;
    assert_eq!(restored.ask("postgres", "select count(*) from t"), "30001");
}

#[tokio::test]
async fn a_standby_that_is_promoted_in_the_middle_gives_no_backup() {
    let primary = server(&[]).await;
    primary.psql("postgres", FILL).await;
    let standby = primary.standby("second").await;
    let place = Place::new().await;
    let pace = pace(20_000_000);
    let promoted = async {
        copied(&pace, 1_000_000).await;
        standby.promote().await;
        // Slowly up to here, and then as fast as it goes.
        pace.limit(0);
    };
    let target = target(&standby);
    let (backup, ()) = tokio::join!(backed_up(&place, &target, None, &pace), promoted);
    let error = backup.unwrap_err();
    let is_told = match &error {
        Error::Upstream(error) => error.to_string().contains("the standby was promoted"),
        Error::Refused { slug, .. } => *slug == "backup-promoted",
        _ => false,
    };
    assert!(is_told, "{error}");
    assert_eq!(place.listed().await, 0);
    tokio::time::timeout(Duration::from_secs(60), backed_up(&place, &target, None, &pace))
        .await
        .unwrap()
        .unwrap();
}
