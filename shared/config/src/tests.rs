//! A section under every kind of source, good and bad.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use weir_model::Secret;

use super::*;

choice! {
    /// How lines look.
    enum Look {
        /// For people.
        Pretty = "pretty",
        /// For machines.
        Json = "json",
    }
}

section! {
    /// A pool, for the tests.
    struct PoolSettings("gateway") {
        /// The longest wait.
        acquire_timeout: Duration = "60s", also ["DB_ACQUIRE_TIMEOUT" in "ms", "DATABASE_POOL_TIMEOUT" in "s"],
        /// How many at most.
        max: u32 = computed("two", || "2".to_owned()),
        /// A password.
        password: Option<Secret> = unset(),
        /// How lines look.
        look: Look = ["pretty", "json", "json"],
    }
}

fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weir.toml");
    std::fs::File::create(&path)
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    (dir, path)
}

fn sources(text: &str, environment: &[(&str, &str)]) -> Result<Sources, Error> {
    let (_dir, path) = file(text);
    Sources::load(
        Some(path),
        environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())),
    )
}

fn read(text: &str, environment: &[(&str, &str)]) -> Result<PoolSettings, Error> {
    sources(text, environment)?.section()
}

#[test]
fn what_was_set_while_running_beats_all_until_the_reload() {
    let (_dir, path) = file("[gateway]\nmax = 3");
    let environment = [("WEIR_GATEWAY__MAX".to_owned(), "4".to_owned())];
    let sources = Sources::load(Some(path), environment).unwrap();
    let set = sources.with("gateway", "max", "5");
    let max = |sources: &Sources| sources.section::<PoolSettings>().unwrap().max;
    assert_eq!((max(&sources), max(&set), max(&set.reload().unwrap())), (4, 5, 4));
    let effective = PoolSettings::effective(&set).unwrap();
    assert!(
        effective
            .iter()
            .any(|one| one.key == "gateway.max" && one.origin == Origin::Operator)
    );
    assert!(set.with("gateway", "max", "many").section::<PoolSettings>().is_err());
}

#[test]
fn the_order_of_precedence_is_override_alias_file_default() {
    assert_eq!(read("", &[]).unwrap().acquire_timeout, Duration::from_secs(60));
    let text = "[gateway]\nacquire_timeout = \"5s\"";
    assert_eq!(read(text, &[]).unwrap().acquire_timeout, Duration::from_secs(5));
    let alias = ("DB_ACQUIRE_TIMEOUT", "7000");
    assert_eq!(read(text, &[alias]).unwrap().acquire_timeout, Duration::from_secs(7));
    let variable = ("WEIR_GATEWAY__ACQUIRE_TIMEOUT", "9s");
    assert_eq!(
        read(text, &[alias, variable]).unwrap().acquire_timeout,
        Duration::from_secs(9)
    );
}

#[test]
fn two_established_names_may_agree_but_not_contradict() {
    let agree = read("", &[("DB_ACQUIRE_TIMEOUT", "30000"), ("DATABASE_POOL_TIMEOUT", "30")]).unwrap();
    assert_eq!(agree.acquire_timeout, Duration::from_secs(30));
    let error = read("", &[("DB_ACQUIRE_TIMEOUT", "30000"), ("DATABASE_POOL_TIMEOUT", "31")])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("DB_ACQUIRE_TIMEOUT") && error.contains("DATABASE_POOL_TIMEOUT"),
        "{error}"
    );
}

#[test]
fn each_mistake_is_one_line_that_names_the_setting() {
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);
    let cases: &[Case<'_>] = &[
        ("[gateway]\nacquire_timeout = 5", &[], "gateway.acquire_timeout (file)"),
        (
            "[gateway]\nmax = \"many\"",
            &[],
            "gateway.max (file): \"many\" is not a whole number",
        ),
        (
            "[gateway]\nmaxx = 3",
            &[],
            "unknown setting gateway.maxx (file); did you mean max?",
        ),
        (
            "[gatewey]\nmax = 3",
            &[],
            "unknown setting gatewey (file); did you mean gateway?",
        ),
        ("gateway = 3", &[], "unknown setting gateway (file) is a section"),
        ("[gateway]\nmax = 3\nmax = ", &[], "line 3"),
        (
            "profile = \"prod\"",
            &[],
            "profile (file): \"prod\" is not one of development, staging, production",
        ),
        (
            "",
            &[("WEIR_GATEWAY__MAXX", "3")],
            "unknown setting gateway.maxx (environment WEIR_GATEWAY__MAXX)",
        ),
        (
            "",
            &[("WEIR_GATWAY__MAX", "3")],
            "unknown setting gatway (environment WEIR_GATWAY__MAX)",
        ),
        (
            "",
            &[("DB_ACQUIRE_TIMEOUT", "soon")],
            "gateway.acquire_timeout (environment DB_ACQUIRE_TIMEOUT)",
        ),
    ];
    for (text, environment, expected) in cases {
        let error = read(text, environment).unwrap_err().to_string();
        assert!(error.contains(expected), "{error:?} does not say {expected:?}");
        assert!(!error.contains('\n'), "{error:?} has several lines");
    }
    let missing = Sources::load(Some("/does/not/exist.toml".into()), [])
        .unwrap_err()
        .to_string();
    assert!(
        missing.starts_with("cannot read the settings file /does/not/exist.toml"),
        "{missing}"
    );
}

#[test]
fn an_empty_variable_is_not_set() {
    assert_eq!(
        read("", &[("DB_ACQUIRE_TIMEOUT", "")]).unwrap().acquire_timeout,
        Duration::from_secs(60)
    );
}

#[test]
fn effective_values_name_their_origin_and_mask_secrets() {
    let sources = sources("profile = \"production\"\n[gateway]\npassword = \"hunter2\"", &[]).unwrap();
    let listed = PoolSettings::effective(&sources).unwrap();
    let shown: Vec<_> = listed
        .iter()
        .map(|item| (item.key.as_str(), item.value.as_deref(), item.origin.to_string()))
        .collect();
    assert_eq!(
        shown,
        [
            ("gateway.acquire_timeout", Some("1m"), "default".to_owned()),
            ("gateway.max", Some("2"), "default".to_owned()),
            ("gateway.password", Some("***"), "file".to_owned()),
            ("gateway.look", Some("json"), "profile".to_owned()),
        ]
    );
    let settings: PoolSettings = sources.section().unwrap();
    assert_eq!(settings.look, Look::Json);
    assert_eq!(settings.password.unwrap().expose(), "hunter2");
}

#[test]
fn what_changed_is_known_by_key_secrets_included() {
    let before = sources("[gateway]\npassword = \"hunter2\"\nacquire_timeout = \"60s\"", &[]).unwrap();
    let changed = |text: &str| PoolSettings::changed(&before, &sources(text, &[]).unwrap()).unwrap();
    assert!(changed("[gateway]\npassword = \"hunter2\"\nacquire_timeout = \"1m\"").is_empty());
    assert_eq!(changed("[gateway]\npassword = \"hunter3\""), ["password"]);
    assert_eq!(changed("[gateway]\nmax = 3"), ["max", "password"]);
}

#[test]
fn reload_sees_a_changed_file_and_refuses_a_bad_one() {
    let (_dir, path) = file("[gateway]\nmax = 3");
    let first = Sources::load(Some(path.clone()), []).unwrap();
    std::fs::write(&path, "[gateway]\nmax = 4").unwrap();
    assert_eq!(first.reload().unwrap().section::<PoolSettings>().unwrap().max, 4);
    std::fs::write(&path, "[gateway").unwrap();
    assert!(first.reload().is_err());
}

#[test]
fn the_reference_lists_every_name_and_the_example_can_be_read() {
    let info = [SectionInfo::of::<PoolSettings>()];
    let page = reference(&info);
    for word in [
        "WEIR_GATEWAY__ACQUIRE_TIMEOUT",
        "`DB_ACQUIRE_TIMEOUT` (ms)",
        "`json` in production",
        "two",
    ] {
        assert!(page.contains(word), "{word} is missing in {page}");
    }
    assert!(example(&info).parse::<toml::Table>().is_ok());
}

#[test]
fn a_list_of_tables_refuses_unknown_keys() {
    #[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Plan {
        name: String,
    }
    type Plans = Tables<Plan>;
    let plans = Plans::read("[{ name = \"a\" }]").unwrap();
    assert_eq!(plans.0, [Plan { name: "a".to_owned() }]);
    assert_eq!(Plans::read(&plans.show()).unwrap(), plans);
    assert!(Plans::read("[{ name = \"a\", nome = 1 }]").is_err());
}

#[test]
fn one_value_of_anothers_section_is_read_and_the_rest_left_to_it() {
    let path = std::env::temp_dir().join(format!("weir-another-{}.toml", std::process::id()));
    std::fs::write(&path, "[gateway]\nreplicas = \"b:1\"\nnobody_knows = 7\n").unwrap();
    let read = |environment: &[(&str, &str)]| {
        let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let sources = Sources::load(Some(path.clone()), environment.collect::<Vec<_>>()).unwrap();
        let number: Result<u16, _> = sources.of_another("gateway", "replicas");
        assert!(number.unwrap_err().to_string().contains("gateway.replicas"));
        (
            sources.of_another::<Option<String>>("gateway", "replicas").unwrap(),
            sources.of_another::<Option<String>>("gateway", "absent").unwrap(),
        )
    };
    assert_eq!(read(&[]), (Some("b:1".to_owned()), None));
    assert_eq!(
        read(&[("WEIR_GATEWAY__REPLICAS", "c:2")]),
        (Some("c:2".to_owned()), None)
    );
    std::fs::remove_file(&path).unwrap();
}
