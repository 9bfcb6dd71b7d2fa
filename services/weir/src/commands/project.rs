//! `weir project`: which projects there are, and what each has. It asks the console.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Map, Value as Json, json};
use weir_config::{Setting as _, Sources, Texts};
use weir_model::Project;

use crate::http::Place;
use crate::terminal::{Failure, Listing, moment, say, say_json};

/// The variable with a token, for those who have no file of it.
const TOKEN: &str = "WEIR_TOKEN";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    /// A file with a token of the console (also: the variable `WEIR_TOKEN`). In the development profile none is needed
    /// on the console's own machine.
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List projects, and what each is known from (this is what `weir project` does by itself).
    List,
    /// Show what a project has: who belongs to it, its limits, tokens, traffic, results in memory and backups.
    Show {
        /// Its name.
        project: String,
    },
}

pub(super) async fn run(arguments: Arguments, sources: Sources) -> Result<(), Failure> {
    let api = Api(Place {
        token: token(arguments.token_file, &sources)?,
        ..Place::console(&sources)?
    });
    match arguments.action.unwrap_or(Action::List) {
        Action::List => list(&api.get("database/projects").await?, arguments.json),
        Action::Show { project } => {
            let project = Project::parse(&project)?;
            let shown = whole(&api, project.as_str()).await?;
            if arguments.json { say_json(&shown) } else { show(&shown) }
        }
    }
}

fn token(file: Option<PathBuf>, sources: &Sources) -> Result<Option<String>, Failure> {
    let Some(path) = file else {
        return Ok(sources.variable(TOKEN).map(str::to_owned));
    };
    let text = std::fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    Ok(text.lines().next().map(|line| line.trim().to_owned()))
}

/// The console's REST.
struct Api(Place);

impl Api {
    async fn get(&self, path: &str) -> Result<Json, Failure> {
        let answer = self.0.get(path).await?;
        let told: Json = serde_json::from_str(&answer.body).map_err(|_| format!("{} is no console", self.0.url))?;
        match answer.code() {
            Some(200) => Ok(told),
            _ => Err(refusal(&told).into()),
        }
    }

    /// The same, or a sentence on why not under `missing`.
    async fn get_if_told(&self, what: &str, path: String, missing: &mut Vec<String>) -> Json {
        match self.get(&path).await {
            Ok(told) => told,
            Err(error) => {
                missing.push(format!("{what}: {error}"));
                Json::Null
            }
        }
    }
}

/// A problem document as one line.
fn refusal(told: &Json) -> String {
    let text = |name: &str| told.get(name).and_then(Json::as_str).unwrap_or_default();
    format!("{} [{}]", text("detail"), text("slug"))
}

fn list(told: &Json, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return say_json(told);
    }
    let mut listing = Listing::new(&["PROJECT", "KNOWN FROM"], "no projects");
    for project in items(told, "projects") {
        listing.row([text(project, "project"), words(project, "known_from")]);
    }
    listing.say()?;
    missing(told)
}

fn missing(told: &Json) -> Result<(), Failure> {
    let sentences = items(told, "missing").filter_map(Json::as_str);
    sentences
        .into_iter()
        .try_for_each(|sentence| say(&format!("not known: {sentence}")))
}

/// Everything that can be known of a project.
async fn whole(api: &Api, project: &str) -> Result<Json, Failure> {
    let known = api.get("database/projects").await?;
    let own = items(&known, "projects").find(|known| text(known, "project") == project);
    let rules = RulesTold::of(api, project).await;
    let Some(known_from) = own.map(|own| own.get("known_from").cloned().unwrap_or_default()) else {
        // One that only rules name has nothing yet, and is one all the same.
        if !rules.is_empty() {
            return Ok(rules.into_json(project, json!([]), Map::new(), vec![]));
        }
        return Err(format!("there is no project {project}: weir project lists those that are known").into());
    };
    let mut missing: Vec<String> = items(&known, "missing")
        .filter_map(Json::as_str)
        .map(str::to_owned)
        .collect();
    let tokens = api
        .get_if_told("tokens", "database/tokens".to_owned(), &mut missing)
        .await;
    let of_project = |path: &str| format!("database/{path}project={project}");
    let dashboard = of_project("monitoring/dashboard?");
    let dashboard = api.get_if_told("traffic", dashboard, &mut missing).await;
    let cache = api.get_if_told("cache", of_project("cache?"), &mut missing).await;
    let backups = api
        .get_if_told("backups", of_project("backups?limit=1000&"), &mut missing)
        .await;
    let mut parts = Map::new();
    let own = |token: &&Json| token.get("project").and_then(Json::as_str) == Some(project);
    let tokens = items(&tokens, "tokens").filter(own).cloned().collect();
    parts.insert("tokens".to_owned(), Json::Array(tokens));
    parts.insert(
        "traffic".to_owned(),
        dashboard.get("figures").cloned().unwrap_or_default(),
    );
    let statistics = items(&cache, "projects").next().and_then(|own| own.get("statistics"));
    parts.insert("cache".to_owned(), statistics.cloned().unwrap_or_default());
    parts.insert(
        "backups".to_owned(),
        backups.get("backups").cloned().unwrap_or(json!([])),
    );
    Ok(rules.into_json(project, known_from, parts, missing))
}

/// What the gateway's rules say of a project.
#[derive(Debug, Default)]
struct RulesTold {
    /// Who is put into it.
    members: Vec<String>,
    /// What holds for it.
    limits: Vec<String>,
    /// Whether it is the one of everybody else.
    is_default: bool,
    untold: Option<String>,
}

impl RulesTold {
    async fn of(api: &Api, project: &str) -> Self {
        let told = match api.get("database/configuration").await {
            Ok(told) => told,
            Err(error) => {
                return Self {
                    untold: Some(format!("rules: {error}")),
                    ..Self::default()
                };
            }
        };
        let value = |key: &str| {
            let setting = items(&told, "settings").find(|setting| text(setting, "key") == key);
            setting.map(|setting| text(setting, "value")).unwrap_or_default()
        };
        let rules = Texts::read(&value("gateway.rules")).unwrap_or_default();
        Self {
            is_default: value("gateway.default_project") == project,
            ..Self::read(&rules.0, project)
        }
    }

    /// A rule that puts somebody into the project names it after the colon, one that is about it before.
    fn read(rules: &[String], project: &str) -> Self {
        let mut told = Self::default();
        for rule in rules {
            let mut words = rule.split_whitespace();
            let is_about = words
                .by_ref()
                .take_while(|word| *word != ":")
                .any(|word| names(word, project));
            let puts_in = rule
                .split_once(" : ")
                .or(rule.split_once(": "))
                .is_some_and(|(_, said)| said.split_whitespace().any(|word| word == format!("project={project}")));
            if is_about {
                told.limits.push(rule.clone());
            } else if puts_in {
                told.members.push(rule.clone());
            }
        }
        told
    }

    fn is_empty(&self) -> bool {
        self.members.is_empty() && self.limits.is_empty() && !self.is_default
    }

    fn into_json(
        self,
        project: &str,
        known_from: Json,
        mut parts: Map<String, Json>,
        mut missing: Vec<String>,
    ) -> Json {
        missing.extend(self.untold);
        parts.insert("project".to_owned(), json!(project));
        parts.insert("known_from".to_owned(), known_from);
        parts.insert("is_default".to_owned(), json!(self.is_default));
        parts.insert("members".to_owned(), json!(self.members));
        parts.insert("limits".to_owned(), json!(self.limits));
        parts.insert("missing".to_owned(), json!(missing));
        Json::Object(parts)
    }
}

/// Whether `project=…` means this one; `*` stands for any part of a name.
fn names(word: &str, project: &str) -> bool {
    let Some(pattern) = word.strip_prefix("project=") else {
        return false;
    };
    let pattern = pattern.trim_matches('"');
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == project;
    };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(between) = project.strip_prefix(first).and_then(|name| name.strip_suffix(last)) else {
        return false;
    };
    let mut left = between;
    middle.split('*').all(|part| match left.find(part) {
        Some(at) => {
            left = left.get(at + part.len()..).unwrap_or_default();
            true
        }
        None => false,
    })
}

fn show(shown: &Json) -> Result<(), Failure> {
    say(&format!("project     {}", text(shown, "project")))?;
    say(&format!("known from  {}", words(shown, "known_from")))?;
    say(&format!("members     {}", members(shown)))?;
    for rule in items(shown, "limits").filter_map(Json::as_str) {
        say(&format!("limit       {rule}"))?;
    }
    if let Some(line) = traffic(shown) {
        say(&format!("traffic     {line}"))?;
    }
    if let Some(line) = cache(shown) {
        say(&format!("cache       {line}"))?;
    }
    say(&format!("backups     {}", backups(shown)))?;
    tokens(shown)?;
    missing(shown)
}

fn members(shown: &Json) -> String {
    let rules: Vec<&str> = items(shown, "members").filter_map(Json::as_str).collect();
    match (rules.is_empty(), shown.get("is_default") == Some(&json!(true))) {
        (true, true) => "everybody whom no rule puts elsewhere".to_owned(),
        (true, false) => "whoever asks for it, and its tokens".to_owned(),
        (false, true) => format!("{}; and everybody whom no rule puts elsewhere", rules.join("; ")),
        (false, false) => rules.join("; "),
    }
}

fn traffic(shown: &Json) -> Option<String> {
    let figures = shown.get("traffic")?;
    let rate = figures.get("queries_per_second").and_then(Json::as_f64)?;
    let p95 = figures.get("p95_ms").and_then(Json::as_f64);
    let p95 = p95.map(|ms| format!(", 95 of 100 within {}", crate::terminal::milliseconds(ms)));
    Some(format!("{rate:.1} statements/s{}", p95.unwrap_or_default()))
}

fn cache(shown: &Json) -> Option<String> {
    let statistics = shown.get("cache").filter(|cache| !cache.is_null())?;
    let count = |name: &str| statistics.get(name).and_then(count_of).unwrap_or_default();
    let (lookups, hits) = (
        count("lookups_total"),
        count("hits_memory_total") + count("hits_shared_total"),
    );
    Some(format!(
        "{hits} of {lookups} answered from memory; {} results of {} bytes kept",
        count("entries_memory"),
        count("bytes_memory")
    ))
}

/// A number, also where it is written as text, as large ones are.
fn count_of(value: &Json) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn backups(shown: &Json) -> String {
    let all: Vec<&Json> = items(shown, "backups").collect();
    let latest = all
        .iter()
        .filter_map(|backup| backup.get("ended_unix_ms").and_then(Json::as_i64))
        .max();
    match latest {
        Some(latest) => format!("{} exports, the latest {}", all.len(), moment(latest)),
        None => "no exports of its own".to_owned(),
    }
}

fn tokens(shown: &Json) -> Result<(), Failure> {
    let mut listing = Listing::new(&["TOKEN", "ROLE", "EXPIRES", "LAST USED"], "no tokens");
    for token in items(shown, "tokens") {
        let time = |name: &str| moment(token.get(name).and_then(Json::as_i64).unwrap_or_default());
        listing.row([
            text(token, "name"),
            text(token, "role"),
            time("expires_unix_ms"),
            time("last_used_unix_ms"),
        ]);
    }
    listing.say()
}

fn items<'j>(told: &'j Json, name: &str) -> impl Iterator<Item = &'j Json> + use<'j> {
    told.get(name).and_then(Json::as_array).into_iter().flatten()
}

fn text(told: &Json, name: &str) -> String {
    told.get(name).and_then(Json::as_str).unwrap_or_default().to_owned()
}

fn words(told: &Json, name: &str) -> String {
    items(told, name)
        .filter_map(Json::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_put_callers_into_a_project_or_bound_it() {
        let rules = [
            "database=shop : project=acme",
            "project=acme : queries_per_second=500",
            "project=a* : weight=2",
            "project=other : weight=3",
            ": project=acmes",
        ];
        let told = RulesTold::read(&rules.map(str::to_owned), "acme");
        assert_eq!(told.members, ["database=shop : project=acme"]);
        assert_eq!(
            told.limits,
            ["project=acme : queries_per_second=500", "project=a* : weight=2"]
        );
    }

    #[test]
    fn a_star_is_any_part_of_a_name() {
        for (pattern, fits) in [
            ("acme", true),
            ("*", true),
            ("a*e", true),
            ("*cm*", true),
            ("*x*", false),
            ("a*m", false),
        ] {
            assert_eq!(names(&format!("project={pattern}"), "acme"), fits, "{pattern}");
        }
        assert!(!names("project=a*a", "a") && !names("database=acme", "acme"));
    }

    #[test]
    fn a_problem_is_one_line() {
        let told = json!({ "detail": "a token is needed", "slug": "unauthenticated" });
        assert_eq!(refusal(&told), "a token is needed [unauthenticated]");
    }
}
