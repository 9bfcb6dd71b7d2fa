//! What the command line says, as requests.

use std::time::Duration;

use clap::{Args, ValueEnum};
use weir_config::Setting;
use weir_proto::cache::v1 as api;
use weir_proto::cache::v1::invalidate_request::Target;
use weir_proto::cache::v1::policy::Subject;
use weir_proto::common::v1::Value;
use weir_proto::common::v1::value::Kind;

use crate::terminal::Failure;

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Mode {
    /// While it is measured to pay.
    Auto,
    /// Whenever it is correct.
    Always,
    /// Never.
    Never,
    /// Only count what would have been saved.
    DryRun,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Level {
    Strict,
    Session,
    Bounded,
    Ttl,
}

/// A rule.
#[derive(Debug, Args)]
pub(super) struct RuleArguments {
    #[command(flatten)]
    subject: SubjectArguments,
    /// Whether results are cached.
    #[arg(long, value_enum, default_value = "auto")]
    mode: Mode,
    /// How fresh they must be. Without it, as the gateway's settings say.
    #[arg(long, value_enum)]
    consistency: Option<Level>,
    /// For bounded: greatest age, such as 500ms.
    #[arg(long, value_parser = duration, value_name = "TIME")]
    bound: Option<Duration>,
    /// How long a result lives at most. Needed for ttl.
    #[arg(long, value_parser = duration, value_name = "TIME")]
    ttl: Option<Duration>,
    /// How long an empty result lives at most.
    #[arg(long, value_parser = duration, value_name = "TIME")]
    empty_ttl: Option<Duration>,
    /// Larger results are not cached.
    #[arg(long, default_value_t = 0, value_name = "BYTES")]
    result_bytes_max: u64,
    /// For a whole project: most bytes in one gateway's memory.
    #[arg(long, default_value_t = 0, value_name = "BYTES")]
    memory_bytes_max: u64,
    /// Why the rule is there.
    #[arg(long, default_value = "")]
    note: String,
}

/// What a rule is about.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct SubjectArguments {
    /// One shape: 16 hexadecimal digits, as `weir cache shapes` shows them.
    #[arg(long)]
    fingerprint: Option<String>,
    /// Every statement that reads this table, as schema.name.
    #[arg(long)]
    table: Option<String>,
    /// Every statement of the project.
    #[arg(long)]
    whole_project: bool,
}

/// What to make invalid.
#[derive(Debug, Args)]
pub(super) struct InvalidateArguments {
    #[command(flatten)]
    target: TargetArguments,
    /// With --table: only results that depend on the row with this value; several for a key of several columns.
    #[arg(long = "key", value_name = "COLUMN=VALUE")]
    keys: Vec<String>,
    /// Only in this database.
    #[arg(long, default_value = "")]
    database: String,
    /// Only at this server.
    #[arg(long, default_value = "")]
    upstream: String,
}

/// Whose results.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct TargetArguments {
    /// Results that depend on this table, as schema.name.
    #[arg(long)]
    table: Option<String>,
    /// Results of one shape: 16 hexadecimal digits.
    #[arg(long)]
    fingerprint: Option<String>,
    /// All results of the project.
    #[arg(long)]
    whole_project: bool,
    /// All results of all projects.
    #[arg(long)]
    everything: bool,
}

fn duration(text: &str) -> Result<Duration, String> {
    Duration::read(text)
}

impl RuleArguments {
    /// The rule for this project.
    pub(super) fn policy(&self, project: &str) -> Result<api::Policy, Failure> {
        Ok(api::Policy {
            project: project.to_owned(),
            subject: self.subject.subject(),
            mode: api_mode(self.mode).into(),
            consistency: self.consistency.map_or(api::Consistency::Unspecified, api_level).into(),
            bound_ms: millis("bound", self.bound)?,
            ttl_ms: millis("ttl", self.ttl)?,
            stale_while_revalidate_ms: 0,
            negative_ttl_ms: millis("empty-ttl", self.empty_ttl)?,
            result_bytes_max: self.result_bytes_max,
            memory_bytes_max: self.memory_bytes_max,
            shared_bytes_max: 0,
            note: self.note.clone(),
            ..api::Policy::default()
        })
    }
}

impl SubjectArguments {
    fn subject(&self) -> Option<Subject> {
        let shape = self.fingerprint.clone().map(Subject::Fingerprint);
        let table = self.table.clone().map(Subject::Relation);
        let whole = self.whole_project.then_some(Subject::WholeProject(api::Everything {}));
        shape.or(table).or(whole)
    }
}

impl InvalidateArguments {
    /// The order, on behalf of this project.
    pub(super) fn request(&self, project: &str) -> Result<api::InvalidateRequest, Failure> {
        Ok(api::InvalidateRequest {
            project: project.to_owned(),
            upstream: self.upstream.clone(),
            database: self.database.clone(),
            target: self.what()?,
        })
    }

    fn what(&self) -> Result<Option<Target>, Failure> {
        let target = &self.target;
        if let Some(table) = &target.table {
            return Ok(Some(Target::Tag(self.tag(table)?)));
        }
        if !self.keys.is_empty() {
            return Err("--key goes with --table".into());
        }
        let shape = target.fingerprint.clone().map(Target::Fingerprint);
        let project = target
            .whole_project
            .then_some(Target::ProjectResults(api::Everything {}));
        let everything = target.everything.then_some(Target::Everything(api::Everything {}));
        Ok(shape.or(project).or(everything))
    }

    fn tag(&self, table: &str) -> Result<api::Tag, Failure> {
        let mut tag = api::Tag {
            relation: table.to_owned(),
            ..api::Tag::default()
        };
        for key in &self.keys {
            let (column, value) = key
                .split_once('=')
                .ok_or_else(|| format!("--key {key:?} is not column=value"))?;
            tag.columns.push(column.to_owned());
            tag.values.push(Value {
                kind: Some(Kind::Text(value.to_owned())),
            });
        }
        Ok(tag)
    }
}

const fn api_mode(mode: Mode) -> api::CacheMode {
    match mode {
        Mode::Auto => api::CacheMode::Auto,
        Mode::Always => api::CacheMode::Always,
        Mode::Never => api::CacheMode::Never,
        Mode::DryRun => api::CacheMode::DryRun,
    }
}

const fn api_level(level: Level) -> api::Consistency {
    match level {
        Level::Strict => api::Consistency::Strict,
        Level::Session => api::Consistency::Session,
        Level::Bounded => api::Consistency::Bounded,
        Level::Ttl => api::Consistency::Ttl,
    }
}

fn millis(option: &str, time: Option<Duration>) -> Result<u32, Failure> {
    let millis = u32::try_from(time.unwrap_or_default().as_millis());
    millis.map_err(|_| format!("--{option} is longer than 49 days").into())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Put {
        #[command(flatten)]
        rule: RuleArguments,
    }

    #[derive(Debug, Parser)]
    struct Invalidate {
        #[command(flatten)]
        what: InvalidateArguments,
    }

    fn put(arguments: &[&str]) -> Result<api::Policy, String> {
        let parsed = Put::try_parse_from([&["put"], arguments].concat()).map_err(|error| error.to_string())?;
        parsed.rule.policy("shop").map_err(|error| error.to_string())
    }

    fn invalidate(arguments: &[&str]) -> Result<api::InvalidateRequest, String> {
        let parsed = Invalidate::try_parse_from([&["invalidate"], arguments].concat());
        let parsed = parsed.map_err(|error| error.to_string())?;
        parsed.what.request("shop").map_err(|error| error.to_string())
    }

    #[test]
    fn a_rule_is_about_one_thing_and_says_the_rest_in_words() {
        let policy = put(&[
            "--table",
            "public.users",
            "--consistency",
            "ttl",
            "--ttl",
            "5m",
            "--mode",
            "dry-run",
        ])
        .unwrap();
        assert_eq!(policy.subject, Some(Subject::Relation("public.users".to_owned())));
        assert_eq!(
            (policy.mode(), policy.consistency()),
            (api::CacheMode::DryRun, api::Consistency::Ttl)
        );
        assert_eq!(
            (policy.ttl_ms, policy.project.as_str(), policy.bound_ms),
            (300_000, "shop", 0)
        );
        for wrong in [
            &["--mode", "never"][..],
            &["--table", "a.b", "--whole-project"],
            &["--whole-project", "--ttl", "soon"],
            &["--whole-project", "--ttl", "100d"],
        ] {
            assert!(put(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn an_order_names_what_it_is_about() {
        let request = invalidate(&["--table", "public.users", "--key", "id=7", "--key", "name=a=b"]).unwrap();
        let Some(Target::Tag(tag)) = request.target else {
            panic!("{request:?}");
        };
        assert_eq!(tag.columns, ["id", "name"]);
        assert_eq!(tag.values[1].kind, Some(Kind::Text("a=b".to_owned())));
        assert!(matches!(
            invalidate(&["--everything"]).unwrap().target,
            Some(Target::Everything(_))
        ));
        for wrong in [
            &[][..],
            &["--everything", "--whole-project"],
            &["--fingerprint", "x", "--key", "id=7"],
            &["--table", "a.b", "--key", "id"],
        ] {
            assert!(invalidate(wrong).is_err(), "{wrong:?}");
        }
    }
}
