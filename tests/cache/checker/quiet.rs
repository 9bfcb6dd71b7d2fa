//! After everything has come to rest: every answer that is held, byte for byte.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use weir_proto::cache::v1::StudyRequest;
use weir_proto::cache::v1::cache_service_client::CacheServiceClient;
use weir_tests::cached::{Asker, Counts, Stage, Way, at_level};
use weir_tests::wire::Fault;

use super::record::Level;
use super::registers::{Kind, Question};
use super::run::Shared;
use super::verdict::Wrong;

/// Sessions that compare at once.
const AT_ONCE: usize = 4;
/// Longer than the bound, so that no answer may be old any more.
const REST: Duration = Duration::from_millis(1_500);
const LEVELS: [Level; 3] = [Level::Strict, Level::Session, Level::Bounded];
/// At least so many of hundred comparisons were of answers from memory, or they prove nothing.
const HITS_MIN: f64 = 0.45;

/// Compares everything; the counts tell how much of it came from memory.
pub(crate) async fn compare(stage: &Stage, shared: &Arc<Shared>) {
    sleep(REST).await;
    if stage.caches() {
        stage.until_warm("select k, v from reg.fixed where k = 0").await;
    }
    let before = Counts::read(stage.ops()).await;
    let mut tasks = JoinSet::new();
    for part in 0..AT_ONCE {
        let (shared, direct) = (shared.clone(), stage.app_direct());
        tasks.spawn(async move {
            if let Err(fault) = compare_part(&shared, &direct, part).await {
                shared
                    .verdict
                    .saw(Wrong::Error, shared.elapsed(), || format!("at rest: {fault}"));
            }
        });
    }
    tasks.join_all().await;
    let counts = Counts::read(stage.ops()).await.since(&before);
    shared.verdict.note(format!("at rest: {counts}"));
    if stage.caches() && counts.hit_ratio() < HITS_MIN {
        shared.verdict.saw(Wrong::Bytes, shared.elapsed(), || {
            format!("at rest nothing was proved, for too little came from memory: {counts}")
        });
    }
}

/// What the cache service says to each question, and how long it takes, where too little came from memory.
pub(crate) async fn explain(stage: &Stage, shared: &Shared) {
    let Ok(mut client) = CacheServiceClient::connect(stage.cache_grpc()).await else {
        return;
    };
    let kinds = Kind::ALL.into_iter().filter(|kind| shared.registers.count(*kind) > 0);
    for question in kinds.flat_map(Kind::questions) {
        let request = StudyRequest {
            database: stage.ground.address.database.clone(),
            role: stage.app_door().user,
            sql: question.sql.to_owned(),
            utf8: true,
            ..StudyRequest::default()
        };
        let begun = Instant::now();
        let said = match client.study(request).await.map(tonic::Response::into_inner) {
            Ok(answer) if answer.cacheable => "may be kept".to_owned(),
            Ok(answer) => format!("{:?}", answer.refusals),
            Err(status) => status.to_string(),
        };
        let ms = begun.elapsed().as_millis();
        shared
            .verdict
            .note(format!("studied in {ms} ms: {}: {said}", question.sql));
    }
}

async fn compare_part(shared: &Shared, direct: &weir_tests::wire::Address, part: usize) -> Result<(), Fault> {
    let (mut door, mut direct) = (Asker::open(&shared.door).await?, Asker::open(direct).await?);
    let chosen = shared.registers.iter().filter(|(index, _)| index % AT_ONCE == part);
    for (_, register) in chosen {
        if register.kind == Kind::Once && register.record.acknowledged() == 0 && register.key % 20 != 0 {
            continue;
        }
        for question in register.kind.questions() {
            one(shared, &mut door, &mut direct, question, register.key).await?;
        }
    }
    Ok(())
}

async fn one(
    shared: &Shared,
    door: &mut Asker,
    direct: &mut Asker,
    question: &Question,
    key: i32,
) -> Result<(), Fault> {
    let ways = if question.prepared {
        Way::ALL.as_slice()
    } else {
        &[Way::Simple]
    };
    for way in ways {
        for level in LEVELS {
            let (sql, key) = (at_level(level.name(), question.sql), key.to_string());
            let truth = direct.ask(*way, &sql, &[&key]).await?;
            // What has been held all the time, and what is held now.
            for _ in 0..2 {
                let seen = door.ask(*way, &sql, &[&key]).await?;
                if seen.essence() != truth.essence() {
                    shared.verdict.saw(Wrong::Bytes, shared.elapsed(), || {
                        format!(
                            "{sql} of {key} ({way:?}): {}, where it is {}",
                            seen.shown(),
                            truth.shown()
                        )
                    });
                }
            }
        }
    }
    Ok(())
}
