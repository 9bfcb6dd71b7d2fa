//! `deploy/compose` and the table in `deploy/lib/services.sh` say what the code says: each setting, port, program, build
//! target and path in them is compared with the settings reference, with Cargo and with the tree.

mod dockerfile;
mod rules;
mod stack;

use std::collections::BTreeMap;

use crate::settings::Settings;
use dockerfile::Stage;
use stack::Stack;

use crate::facts;

const COMPOSE: &str = "deploy/compose/docker-compose.yaml";
const DOCKERFILE: &str = "deploy/compose/Dockerfile";
const IGNORE: &str = "deploy/compose/Dockerfile.dockerignore";
const SCRIPT: &str = "deploy/lib/services.sh";
const REFERENCE: &str = "docs/reference/settings.md";

/// The stack, and what it has to agree with.
struct Case {
    stack: Stack,
    stages: Vec<Stage>,
    /// What reaches the builder: the lines `!path` of the ignore file.
    admitted: Vec<String>,
    /// The table of services in the shell.
    script: Vec<String>,
    house: House,
}

/// What the code says.
struct House {
    settings: Settings,
    /// Each program and the crate that makes it.
    programs: BTreeMap<String, String>,
    /// Where the crates lie.
    crates: Vec<String>,
    /// Every text file of the tree.
    files: Vec<String>,
    rust_version: String,
}

impl House {
    /// Whether a file or directory of the tree has this path.
    fn has(&self, path: &str) -> bool {
        let within = format!("{path}/");
        self.files.iter().any(|file| file == path || file.starts_with(&within))
    }
}

impl Case {
    fn new(texts: [&str; 4], house: House) -> Result<Self, String> {
        let [compose, dockerfile, ignore, script] = texts;
        Ok(Self {
            stack: Stack::parse(compose)?,
            stages: dockerfile::parse(dockerfile),
            admitted: ignore
                .lines()
                .filter_map(|line| line.strip_prefix('!'))
                .map(str::to_owned)
                .collect(),
            script: table(script),
            house,
        })
    }

    fn stage(&self, name: &str) -> Option<&Stage> {
        self.stages.iter().find(|stage| stage.name == name)
    }

    /// A stage and all that it is built upon, itself first.
    fn lineage<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Stage> {
        std::iter::successors(self.stage(name), |stage| self.stage(&stage.base))
    }
}

/// The rows of the array `services=( "…" … )`.
fn table(script: &str) -> Vec<String> {
    let body = script
        .split_once("services=(")
        .and_then(|(_, rest)| rest.split_once(')'));
    let rows = body.map(|(body, _)| body.split('"').skip(1).step_by(2));
    rows.into_iter().flatten().map(str::to_owned).collect()
}

/// The rust-version of the workspace.
fn rust_version(manifest: &str) -> String {
    let line = manifest.lines().find_map(|line| line.strip_prefix("rust-version = "));
    line.unwrap_or_default().trim_matches('"').to_owned()
}

/// The names of every setting's environment variables, from the generated reference.
fn known_settings() -> Settings {
    Settings::parse(&facts::text(REFERENCE).unwrap_or_default())
}

fn real_house() -> House {
    let crates = facts::crates();
    let programs = crates.iter().flat_map(|found| {
        let binaries = found.binaries.iter();
        binaries.map(|binary| (binary.clone(), found.name.clone()))
    });
    House {
        settings: known_settings(),
        programs: programs.collect(),
        crates: crates.iter().map(|found| found.directory.clone()).collect(),
        files: facts::files().into_iter().map(|file| file.path).collect(),
        rust_version: rust_version(&facts::text("Cargo.toml").unwrap_or_default()),
    }
}

#[test]
fn the_stack_agrees_with_the_code() {
    let read = |path| facts::text(path).unwrap_or_default();
    let house = real_house();
    assert!(
        !house.settings.known().is_empty(),
        "{REFERENCE} is empty or missing: run `just reference`"
    );
    let texts = [COMPOSE, DOCKERFILE, IGNORE, SCRIPT].map(read);
    let case = Case::new(texts.each_ref().map(String::as_str), house).expect("the compose file is understood");
    crate::assert_none(&rules::all(&case));
}
