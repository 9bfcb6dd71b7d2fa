//! A bucket with object lock: what is locked is there whatever anybody does, and collection loses nothing by it.

use std::sync::Mutex;
use std::time::Duration;

use reqwest::Method;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::care::collect::{Collected, How, collect};
use crate::engine::pace::Pace;
use crate::engine::progress::Progress;
use crate::plan::retention::Rules;
use crate::repo::state::{BackupEntry, BackupState};

/// The S3 server, as somebody with all rights but over locks sees it.
struct Bucket {
    client: reqwest::Client,
    url: String,
}

/// A version of an object, or a mark that it was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Version {
    key: String,
    id: String,
    is_mark: bool,
}

impl Bucket {
    async fn make(moto: &Moto) -> Self {
        let bucket = Self {
            client: plain_client(),
            url: format!("{}://localhost:{}/bucket", moto.scheme, moto.port),
        };
        let made = bucket.client.put(&bucket.url);
        let made = made.header("x-amz-bucket-object-lock-enabled", "true").send().await;
        assert!(made.unwrap().status().is_success());
        bucket
    }

    async fn ask(&self, method: Method, path: &str, body: &str) -> (u16, String) {
        let asked = self
            .client
            .request(method, format!("{}{path}", self.url))
            .body(body.to_owned());
        // The server wants to know whose request it is, and believes it.
        let whose =
            "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
        let asked = asked.header("authorization", whose);
        let answer = asked.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn versions(&self) -> Vec<Version> {
        let (_, listed) = self.ask(Method::GET, "?versions&max-keys=1000", "").await;
        assert!(listed.contains("<IsTruncated>false"), "{listed}");
        let field = |text: &str, name: &str| {
            let from = text.split_once(&format!("<{name}>")).unwrap().1;
            from.split_once('<').unwrap().0.to_owned()
        };
        let of = |end: &str, is_mark: bool| {
            let (opening, closing) = (format!("<{end}>"), format!("</{end}>"));
            let parts = listed.split(&closing).filter_map(|part| part.rsplit_once(&opening));
            let versions = parts.map(|(_, part)| part);
            let versions = versions.map(|part| Version {
                key: field(part, "Key"),
                id: field(part, "VersionId"),
                is_mark,
            });
            versions.collect::<Vec<_>>()
        };
        [of("Version", false), of("DeleteMarker", true)].concat()
    }

    /// Locks every version that is there.
    async fn lock(&self) -> Vec<Version> {
        let versions = self.versions().await;
        for (at, version) in versions.iter().enumerate() {
            let mode = if at % 2 == 0 { "COMPLIANCE" } else { "GOVERNANCE" };
            let retention = format!(
                "<Retention><Mode>{mode}</Mode><RetainUntilDate>2099-01-01T00:00:00Z</RetainUntilDate></Retention>"
            );
            let path = format!("/{}?retention&versionId={}", version.key, version.id);
            let (status, said) = self.ask(Method::PUT, &path, &retention).await;
            assert_eq!(status, 200, "{said}");
        }
        versions
    }

    async fn delete(&self, version: &Version) -> u16 {
        let path = format!("/{}?versionId={}", version.key, version.id);
        self.ask(Method::DELETE, &path, "").await.0
    }
}

async fn round(repository: &Repository, lock_days: u32) -> Collected {
    let how = How {
        rules: Rules {
            lock_days,
            ..Rules::default()
        },
        dead_after: Duration::from_secs(600),
        ..How::default()
    };
    let mut told = Collected::default();
    let pace = Pace::new(0, CancellationToken::new(), Progress::default());
    collect(repository, &Mutex::default(), &how, &pace, &mut told)
        .await
        .unwrap();
    told
}

async fn give_up(repository: &Repository, backup: &BackupEntry) {
    let given_up = repository.change(|state| {
        state.backup_mut(&backup.id)?.set_state(BackupState::Expired);
        Ok(())
    });
    given_up.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_locked_outlives_collection_and_whoever_deletes_everything() {
    let Some(moto) = Moto::start(None).await else { return };
    let bucket = Bucket::make(&moto).await;
    let dir = tempfile::tempdir().unwrap();
    let place = moto.place(&dir, "hunter2");
    let repository = opened(place.shelf().unwrap()).await.unwrap();
    let files = [vec![("a", content(1, 300_000))], vec![("a", content(2, 200_000))]];
    let one = stored(&repository, None, &files[0]).await.unwrap();
    let other = stored(&repository, None, &files[1]).await.unwrap();
    let locked = bucket.lock().await;
    assert!(locked.len() > 8, "{locked:?}");

    // Where the lock is set in the settings nothing is tried before its time, and the round says how much waits.
    give_up(&repository, &one).await;
    for _ in 0..3 {
        let told = round(&repository, 30).await;
        assert_eq!(
            (told.removed_objects, told.old_states, told.held_objects),
            (0, 0, 0),
            "{told:?}"
        );
    }
    assert!(round(&repository, 30).await.locked_bytes > 50_000);
    // Where it is not, what is removed is hidden; the versions stay, and whoever asks for one has it.
    let before = bucket.versions().await;
    for _ in 0..3 {
        round(&repository, 0).await;
    }
    let after = bucket.versions().await;
    let hidden: Vec<&Version> = after.iter().filter(|version| version.is_mark).collect();
    assert!(hidden.iter().any(|mark| mark.key.contains(&one.id)), "{hidden:?}");
    assert!(
        locked
            .iter()
            .all(|version| before.contains(version) && after.contains(version))
    );
    assert_eq!(restored(&repository, &other).await.unwrap()[0].1, files[1][0].1);

    // Somebody with the key of the bucket deletes everything.
    for version in &after {
        let (status, _) = bucket.ask(Method::DELETE, &format!("/{}", version.key), "").await;
        assert_eq!(status, 204);
    }
    for version in &locked {
        assert_eq!(bucket.delete(version).await, 403, "{version:?} was locked");
    }
    let gone = Repository::find(
        place.shelf().unwrap(),
        Wrapping::of(vec![[5; 32]]),
        Clock::system(),
        None,
    )
    .await;
    assert!(gone.unwrap().is_none());
    // Without the marks all is back as it was.
    for mark in bucket.versions().await.iter().filter(|version| version.is_mark) {
        assert_eq!(bucket.delete(mark).await, 204);
    }
    let again = opened(place.shelf().unwrap()).await.unwrap();
    assert_eq!(again.id(), repository.id());
    for (entry, files) in [(&one, &files[0]), (&other, &files[1])] {
        assert_eq!(restored(&again, entry).await.unwrap()[0].1, files[0].1);
    }
}
