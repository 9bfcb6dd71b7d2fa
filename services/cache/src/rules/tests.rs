//! Rules on a real store: in force when they are put, known to other instances, and safe when nothing is known.

use tokio::sync::watch;
use weir_bus::{Bus, Limits};
use weir_config::Sources;
use weir_runtime::{Outcome, Tasks};
use weir_testkit::{Database, Postgres, eventually};

use super::*;

const SOON: Duration = Duration::from_secs(20);
const SHAPE: &str = "00ab00ab00ab00ab";

/// One instance of the service, as far as rules go.
struct Instance {
    rules: Arc<Rules>,
    tasks: Tasks,
    reload: watch::Sender<Sources>,
}

fn sources(store_url: &str, file: &str) -> Sources {
    let settings = [
        ("WEIR_STORE__URL", store_url),
        ("WEIR_STORE__ACQUIRE_TIMEOUT", "1s"),
        ("DATABASE_URL", store_url),
        ("WEIR_CACHE__RULES", file),
    ];
    Sources::load(None, settings.map(|(name, value)| (name.to_owned(), value.to_owned()))).unwrap()
}

impl Instance {
    fn start(store_url: &str, file: &str) -> Self {
        let sources = sources(store_url, file);
        let (reload, reloaded) = watch::channel(sources.clone());
        let tasks = Tasks::new();
        let ground = Ground::new(sources, reloaded, tasks.clone(), Clock::system());
        let settings = crate::check(&ground.sources).unwrap().0;
        let migrations = vec![weir_store::Migrations::of_service(sqlx::migrate!())];
        let tables = Tables::take(&ground, crate::SCHEMA, migrations, &Bus::in_memory(Limits::default())).unwrap();
        let rules = Rules::start(&ground, &tables, &settings);
        Self { rules, tasks, reload }
    }

    async fn ready(self) -> Self {
        let mut generation = self.rules.generation();
        let ready = tokio::time::timeout(SOON, generation.wait_for(|generation| *generation > 0)).await;
        assert!(ready.is_ok(), "the rules were not read");
        self
    }

    fn applying(&self, relations: &[&str]) -> Option<api::Policy> {
        let found = self
            .rules
            .applying(&Project::default(), SHAPE.parse().unwrap(), relations.iter().copied());
        found.0
    }

    fn generation(&self) -> u64 {
        *self.rules.generation().borrow()
    }

    async fn put(&self, subject: api::policy::Subject, mode: api::CacheMode) -> Result<api::PutPolicyResponse, Status> {
        let policy = api::Policy {
            subject: Some(subject),
            mode: mode.into(),
            note: "why".to_owned(),
            ..api::Policy::default()
        };
        self.rules.put(api::PutPolicyRequest { policy: Some(policy) }).await
    }

    async fn stop(self) {
        assert_eq!(self.tasks.descend(SOON).await, Outcome::Clean);
    }
}

use api::CacheMode::{Always, DryRun, Never};
use api::policy::Subject as About;
use tonic::{Code, Status};

fn shape() -> About {
    About::Fingerprint(SHAPE.to_owned())
}

async fn database() -> Database {
    Postgres::shared().await.database().await
}

async fn has(instance: &Instance, mode: Option<api::CacheMode>) {
    eventually("the rule to apply", SOON, || async {
        let found = instance.applying(&["public.users"]).map(|policy| policy.mode());
        (found == mode).then_some(()).ok_or(format!("{found:?}"))
    })
    .await;
}

#[tokio::test]
async fn before_the_store_was_read_nothing_is_kept() {
    let away = Instance::start("postgres://weir@127.0.0.1:1/none", "[]");
    let policy = away.applying(&[]).unwrap();
    assert_eq!((policy.mode(), policy.note.as_str()), (Never, UNKNOWN));
    assert_eq!(away.generation(), 0);
    let request = api::ListPoliciesRequest::default();
    assert_eq!(away.rules.list(&request).unwrap_err().code(), Code::Unavailable);
    assert_eq!(away.put(shape(), Always).await.unwrap_err().code(), Code::Unavailable);
    away.stop().await;
}

#[tokio::test]
async fn a_rule_is_in_force_when_it_is_put_and_other_instances_hear_of_it() {
    let database = database().await;
    let one = Instance::start(&database.url(), "[]").ready().await;
    let two = Instance::start(&database.url(), "[]").ready().await;
    assert_eq!((one.applying(&[]), one.generation()), (None, two.generation()));

    let before = one.generation();
    let put = one.put(shape(), Never).await.unwrap();
    let id = put.policy.unwrap().id;
    assert!(put.created && one.generation() > before);
    assert_eq!(
        one.applying(&[]).map(|policy| (policy.id.clone(), policy.mode())),
        Some((id.clone(), Never))
    );
    has(&two, Some(Never)).await;
    assert_eq!(two.generation(), one.generation());

    let generation = two.generation();
    let again = two.put(shape(), DryRun).await.unwrap();
    assert!(!again.created && again.policy.unwrap().id == id && two.generation() > generation);
    has(&one, Some(DryRun)).await;

    two.rules
        .delete(api::DeletePolicyRequest { id: id.clone() })
        .await
        .unwrap();
    has(&one, None).await;
    assert_eq!(one.generation(), two.generation());
    let generation = one.generation();
    for id in [id.as_str(), "no id", ""] {
        let request = api::DeletePolicyRequest { id: id.to_owned() };
        assert_eq!(
            one.rules.delete(request).await.unwrap_err().code(),
            Code::NotFound,
            "{id}"
        );
    }
    one.rules.step().await.unwrap();
    assert_eq!(one.generation(), generation, "what was refused changed nothing");
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn rules_survive_a_restart_and_the_number_only_grows() {
    let database = database().await;
    let first = Instance::start(&database.url(), "[]").ready().await;
    first
        .put(About::Relation("public.users".to_owned()), Always)
        .await
        .unwrap();
    let generation = first.generation();
    first.stop().await;
    let second = Instance::start(&database.url(), "[]").ready().await;
    assert_eq!(
        (second.applying(&["public.users"]).unwrap().mode(), second.generation()),
        (Always, generation)
    );
    second.stop().await;
    let third = Instance::start(&database.url(), r#"[{ mode = "dry-run" }]"#)
        .ready()
        .await;
    assert!(third.generation() > generation, "the file has other rules");
    third.stop().await;
}

#[tokio::test]
async fn the_files_rules_follow_the_file_and_nothing_else() {
    let database = database().await;
    let file = r#"[{ table = "public.users", mode = "never", note = "secret" }]"#;
    let instance = Instance::start(&database.url(), file).ready().await;
    let policy = instance.applying(&["public.users"]).unwrap();
    assert_eq!(
        (policy.id.as_str(), policy.origin()),
        ("file/default/table/public.users", api::PolicyOrigin::File)
    );
    let table = || About::Relation("public.users".to_owned());
    assert_eq!(
        instance.put(table(), Always).await.unwrap_err().code(),
        Code::FailedPrecondition
    );
    let request = api::DeletePolicyRequest { id: policy.id };
    assert_eq!(
        instance.rules.delete(request).await.unwrap_err().code(),
        Code::FailedPrecondition
    );

    let before = instance.generation();
    instance.reload.send_replace(sources(&database.url(), "[]"));
    has(&instance, None).await;
    assert!(instance.generation() > before);
    instance.put(table(), Always).await.unwrap();
    instance.reload.send_replace(sources(&database.url(), file));
    has(&instance, Some(Never)).await;
    let listed = instance
        .rules
        .list(&api::ListPoliciesRequest::default())
        .unwrap()
        .policies;
    let origins: Vec<_> = listed.iter().map(api::Policy::origin).collect();
    assert_eq!(
        origins,
        [api::PolicyOrigin::File, api::PolicyOrigin::Call],
        "the one in force first"
    );
    instance.stop().await;
}

#[tokio::test]
async fn a_rule_that_cannot_be_read_keeps_what_it_is_about_out() {
    let database = database().await;
    let instance = Instance::start(&database.url(), "[]").ready().await;
    let insert = "insert into weir_cache.policies values
        (gen_random_uuid(), 'default', 'table/public.users', '{\"mode\":\"always\",\"of_the_future\":1}', 0);
        update weir_cache.policy_generation set generation = generation + 1";
    database.psql(insert).await;
    has(&instance, Some(Never)).await;
    assert_eq!(instance.applying(&["public.users"]).unwrap().note, UNREADABLE);
    assert_eq!(instance.applying(&["public.orders"]), None);
    instance.stop().await;
}

#[tokio::test]
async fn lists_come_in_pages_with_what_applies_first() {
    let database = database().await;
    let instance = Instance::start(&database.url(), r#"[{ fingerprint = "00ab00ab00ab00ab" }]"#)
        .ready()
        .await;
    instance
        .put(About::WholeProject(api::Everything {}), DryRun)
        .await
        .unwrap();
    for name in ["public.b", "public.a~c"] {
        instance.put(About::Relation(name.to_owned()), Never).await.unwrap();
    }
    let (mut token, mut seen) = (String::new(), Vec::new());
    loop {
        let page = Some(weir_proto::common::v1::PageRequest { size: 1, token });
        let request = api::ListPoliciesRequest {
            page,
            ..api::ListPoliciesRequest::default()
        };
        let answer = instance.rules.list(&request).unwrap();
        seen.extend(answer.policies.into_iter().filter_map(|policy| policy.subject));
        token = answer.page.unwrap().next_token;
        if token.is_empty() {
            break;
        }
    }
    let expected = [
        shape(),
        About::Relation("public.a~c".to_owned()),
        About::Relation("public.b".to_owned()),
        About::WholeProject(api::Everything {}),
    ];
    assert_eq!(seen, expected);
    let page = Some(weir_proto::common::v1::PageRequest {
        size: 1,
        token: "x~y".to_owned(),
    });
    let request = api::ListPoliciesRequest {
        page,
        ..api::ListPoliciesRequest::default()
    };
    assert_eq!(instance.rules.list(&request).unwrap_err().code(), Code::InvalidArgument);
    let request = api::ListPoliciesRequest {
        project: "shop".to_owned(),
        page: None,
    };
    assert!(instance.rules.list(&request).unwrap().policies.is_empty());
    instance.stop().await;
}
