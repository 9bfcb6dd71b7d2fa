//! What rules say, and what they cannot.

use super::*;

fn settings(rules: &[&str]) -> Arc<GatewaySettings> {
    let environment = [
        ("DATABASE_URL", "postgres://u@h/d".to_owned()),
        ("DB_POOL_MAX", "20".to_owned()),
        ("WEIR_GATEWAY__RULES", rules.join("\n")),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value));
    let sources = weir_config::Sources::load(None, environment).unwrap();
    Arc::new(crate::settings::check(&sources).unwrap().0)
}

const fn caller<'c>(database: &'c str, user: &'c str, application: &'c str) -> Caller<'c> {
    Caller {
        database,
        user,
        application,
        project: None,
    }
}

fn project(name: &str) -> Project {
    Project::parse(name).unwrap()
}

#[test]
fn the_first_rule_that_names_a_setting_decides_it() {
    let settings = settings(&[
        "database=shop user=report : pool_mode=session weight=0.5",
        "application=\"night job *\" : statement_timeout=1h idle_in_transaction_timeout=0s",
        "database=shop : pool_mode=statement statement_timeout=5s",
        ": weight=2",
    ]);
    let policy = |caller| settings.policy(&caller);
    let report = policy(caller("shop", "report", "night job 7"));
    assert_eq!((report.mode, report.weight), (PoolMode::Session, 0.5));
    assert_eq!(report.statement_timeout, Duration::from_secs(3600));
    assert_eq!(report.idle_in_transaction_timeout, Duration::ZERO);
    let other = policy(caller("shop", "app", ""));
    assert_eq!((other.mode, other.weight), (PoolMode::Statement, 2.0));
    assert_eq!(other.statement_timeout, Duration::from_secs(5));
    let stranger = policy(caller("blog", "app", "night"));
    assert_eq!(stranger.mode, PoolMode::Transaction);
    assert_eq!(stranger.statement_timeout, settings.statement_timeout);
    assert!(stranger.crowd.is_none() && stranger.rates.is_none());
}

#[test]
fn a_pool_has_the_bounds_of_its_database_and_user() {
    let settings = settings(&[
        "user=report : pool_max=3",
        "database=shop : pool_max=8 pool_min=5",
        "user=batch : pool_min=9",
    ]);
    let bounds = |database, user| {
        let Bounds { min, steady, max } = settings.bounds_of(database, user);
        (min, steady, max)
    };
    assert_eq!(
        bounds("shop", "report"),
        (3, 3, 3),
        "no more are kept than there may be"
    );
    assert_eq!(bounds("shop", "app"), (5, 8, 8));
    assert_eq!(bounds("blog", "report"), (0, 3, 3));
    assert_eq!(bounds("blog", "batch"), (9, 20, 20));
    assert_eq!(bounds("blog", "app"), (5, 20, 20));
}

#[test]
fn the_project_is_the_rules_unless_one_may_choose() {
    let settings = settings(&[
        "database=shop user=free : choose_project=true",
        "database=shop : project=acme",
        "user=locked : choose_project=false",
    ]);
    let of = |database, user, asked: Option<&str>| {
        let found = settings.project_of(caller(database, user, ""), asked.map(project));
        found
            .map(|project| project.to_string())
            .map_err(|error| error.own.to_string())
    };
    assert_eq!(of("shop", "app", None), Ok("acme".to_owned()));
    assert_eq!(of("shop", "app", Some("acme")), Ok("acme".to_owned()));
    assert_eq!(of("shop", "app", Some("other")), Err("acme".to_owned()));
    assert_eq!(of("shop", "free", Some("other")), Ok("other".to_owned()));
    assert_eq!(of("shop", "free", None), Ok("acme".to_owned()));
    assert_eq!(of("blog", "app", Some("other")), Ok("other".to_owned()));
    assert_eq!(of("blog", "app", None), Ok("default".to_owned()));
    assert_eq!(of("blog", "locked", Some("other")), Err("default".to_owned()));
}

#[test]
fn budgets_and_crowds_belong_to_the_rule_that_names_them() {
    let settings = settings(&[
        "project=acme application=batch : queries_per_second=10 bytes_per_second=2MB",
        "project=acme : queries_per_second=100 rows_per_second=1e6 clients_max=7",
    ]);
    let acme = project("acme");
    let of_acme = |application| Caller {
        project: Some(&acme),
        ..caller("d", "u", application)
    };
    let batch = settings.policy(&of_acme("batch"));
    let wanted = Rates {
        queries: Some(10.0),
        rows: Some(1e6),
        bytes: Some(2_097_152.0),
        server_seconds: None,
    };
    assert_eq!(batch.rates, Some(wanted));
    let crowd = batch.crowd.unwrap();
    assert_eq!((&*crowd.scope, crowd.max), ("project=acme", 7));
    assert_eq!(settings.policy(&of_acme("web")).rates.unwrap().queries, Some(100.0));
    assert!(settings.policy(&caller("d", "u", "batch")).rates.is_none());
}

#[test]
fn a_bad_rule_is_named() {
    for (rule, reason) in [
        ("database=shop", "the `:` is missing"),
        ("database=shop :", "says nothing"),
        ("datbase=shop : weight=1", "\"datbase\" is none of"),
        ("shop : weight=1", "\"shop\" is no `name=value`"),
        ("user=a user=b : weight=1", "user is there twice"),
        (": wieght=1", "wieght: a rule cannot say that"),
        (": weight=0", "weight: \"0\" is not a number above 0"),
        (": weight=NaN", "weight"),
        (": weight=5000", "more than 1000"),
        (": pool_mode=often", "pool_mode: \"often\" is not"),
        (": pool_max=0", "at least one connection"),
        (": pool_max=2 pool_min=3", "pool_min=3 is more"),
        (": statement_timeout=0s", "no time"),
        (": bytes_per_second=2TB", "bytes_per_second"),
        ("application=a : pool_max=2", "one for a database and user"),
        ("project=a : project=b", "by the project"),
        (": project=No!", "project"),
        (
            ": firewall=maybe",
            "firewall: \"maybe\" is not off, learn, monitor or enforce",
        ),
        (": firewall_threshold=0", "a score is from 1 to 100"),
        ("user=\"a : weight=1", "quote"),
    ] {
        let error = Rules::read(&format!(": weight=1\n{rule}")).unwrap_err();
        assert!(
            error.starts_with("rule 2, ") && error.contains(reason),
            "{rule}: {error}"
        );
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn the_firewall_is_the_rules_unless_none_says_anything() {
    use crate::settings::{FirewallMode, Strictness};
    let settings = settings(&[
        "user=dba : firewall=off firewall_forbidden=false",
        "database=shop application=etl : firewall=learn",
        "database=shop : firewall=enforce firewall_strictness=strict firewall_threshold=70",
    ]);
    let of = |caller| settings.policy(&caller).firewall;
    let shop = of(caller("shop", "app", "web"));
    assert_eq!(
        (shop.mode, shop.strictness, shop.threshold, shop.forbidden),
        (FirewallMode::Enforce, Strictness::Strict, 70, true)
    );
    let etl = of(caller("shop", "app", "etl"));
    assert_eq!((etl.mode, etl.strictness), (FirewallMode::Learn, Strictness::Strict));
    let dba = of(caller("shop", "dba", "psql"));
    assert_eq!((dba.mode, dba.forbidden), (FirewallMode::Off, false));
    let other = of(caller("blog", "app", ""));
    assert_eq!((other.mode, other.threshold), (FirewallMode::Monitor, 50));
    for terms in [shop, etl, dba, other] {
        assert_eq!(crate::firewall::Terms::unpacked(terms.packed()), terms);
    }
}
