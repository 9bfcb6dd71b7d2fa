//! The battery of wrong answers.

use weir_tests::cached::battery::{Case, Check, Doors, Outcome, cases, run};
use weir_tests::cached::{Plan, Stage, postgres_settings};
use weir_tests::peers::{Ground, Setup};

async fn ground() -> Ground {
    Ground::start(Setup {
        postgres_settings: postgres_settings(),
        shared_buffers: "64MB".to_owned(),
        ..Setup::default()
    })
    .await
}

pub(crate) async fn set(cache: &str) -> Stage {
    let plan = Plan {
        cache: cache.to_owned(),
        redis: true,
        ..Plan::default()
    };
    Stage::start(plan, ground().await).await
}

fn bad(outcomes: &[Outcome]) -> Vec<String> {
    let bad = outcomes.iter().filter(|outcome| !outcome.is_good());
    bad.map(|outcome| {
        let hit = match (outcome.hit, outcome.cacheable) {
            (Some(false), true) => "never came from memory; ",
            (Some(true), false) => "came from memory, where it must not; ",
            _ => "",
        };
        let wrong = outcome.wrong.as_deref().unwrap_or("the answer was right");
        format!("{} ({:?}): {hit}{wrong}", outcome.name, outcome.way)
    })
    .collect()
}

/// Only some, where `WEIR_CACHE_CASES` names them, separated by commas.
fn chosen() -> Vec<Case> {
    let asked = std::env::var("WEIR_CACHE_CASES").unwrap_or_default();
    let named = |case: &Case| asked.is_empty() || asked.split(',').any(|name| name == case.name);
    cases().into_iter().filter(named).collect()
}

/// Every case through the gateway, with hits proved.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_is_wrong_and_those_that_may_come_from_memory_do() {
    let stage = set("on").await;
    stage.ground.psql("create table warm (k int primary key)").await;
    stage.until_warm("select k from warm where k = 1").await;
    let doors = Doors {
        door: stage.door(),
        direct: stage.ground.address.clone(),
        ops: Some(stage.ops()),
    };
    let outcomes = run(&stage.ground, &doors, &chosen()).await;
    let bad = bad(&outcomes);
    println!("{} of {} good", outcomes.len() - bad.len(), outcomes.len());
    assert!(bad.is_empty(), "{}\n{}", bad.join("\n"), stage.outputs());
}

/// The cases themselves are right: a gateway that keeps nothing passes all of them. What is wrong here is a mistake of
/// a case, or of the gateway without its cache.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_keeps_nothing_is_never_wrong() {
    let stage = set("off").await;
    let doors = Doors {
        door: stage.door(),
        direct: stage.ground.address.clone(),
        ops: None,
    };
    let outcomes = run(&stage.ground, &doors, &chosen()).await;
    let bad = bad(&outcomes);
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

/// A case that cannot fail is worth nothing. So the answer before the change is held against the truth after it: it has
/// to be seen as wrong, in every case that checks one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_sees_an_old_answer() {
    let ground = ground().await;
    ground.psql("create role app login password 'app'").await;
    let doors = Doors {
        door: ground.address.clone(),
        direct: ground.address.clone(),
        ops: None,
    };
    let deaf: Vec<&str> = weir_tests::cached::battery::deaf(&ground, &doors, &chosen()).await;
    assert!(deaf.is_empty(), "these cases would not see an old answer: {deaf:?}");
    let checked = chosen()
        .iter()
        .filter(|case| !matches!(case.check, Check::Moves))
        .count();
    println!("{checked} cases see an old answer");
}
