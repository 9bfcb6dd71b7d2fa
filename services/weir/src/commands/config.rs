//! `weir config`: what is in force and where it came from; and the pages that are written from the declarations.

mod running;

use std::collections::BTreeSet;

use clap::{Args, Subcommand};
use serde_json::json;
use weir_bus::BusSettings;
use weir_config::{DatabaseSettings, Effective, SectionInfo, Sources};
use weir_runtime::{RuntimeSettings, Service};
use weir_store::StoreSettings;
use weir_telemetry::TelemetrySettings;

use crate::terminal::{Failure, Listing, say, say_json};

/// Every service, in the order in which `weir up` starts them.
pub(super) const SERVICES: [Service; 7] = [
    weir_pool_gateway::SERVICE,
    weir_query_monitor::SERVICE,
    weir_cache::SERVICE,
    weir_scheduler::SERVICE,
    weir_maintenance::SERVICE,
    weir_backup::SERVICE,
    weir_console::SERVICE,
];

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Validate every setting as the services would, and print each effective value with its origin.
    Check {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Ask each running service for the settings that it has in force, and show where services differ, and what waits
    /// for a restart.
    Show {
        /// Only these sections; may be given several times, or with commas.
        #[arg(long, value_name = "SECTION", value_delimiter = ',')]
        section: Vec<String>,
        /// Also those that are at their default.
        #[arg(long)]
        all: bool,
        /// Print JSON: what each service told.
        #[arg(long)]
        json: bool,
    },
    /// Have each running service read its settings again. A file that cannot be is refused, and the old settings stay.
    Reload {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the reference of all settings, as Markdown.
    Reference,
    /// Print a settings file with every setting at its default.
    Example,
    /// Print the reference of all metrics, as Markdown.
    Metrics,
    /// Print the reference of all events, as Markdown.
    Events,
    /// Print the OpenAPI document of the console.
    Openapi,
    /// Print the reference of this command line, as Markdown.
    Cli,
}

impl Arguments {
    /// Whether the command only writes what the code declares.
    pub(super) const fn needs_no_settings(&self) -> bool {
        !matches!(
            self.action,
            Action::Check { .. } | Action::Show { .. } | Action::Reload { .. }
        )
    }
}

/// Every section, each once: the common ones first, then those of the services.
pub(super) fn sections() -> Vec<SectionInfo> {
    let common = [
        SectionInfo::of::<TelemetrySettings>(),
        SectionInfo::of::<RuntimeSettings>(),
        SectionInfo::of::<DatabaseSettings>(),
        SectionInfo::of::<BusSettings>(),
        SectionInfo::of::<StoreSettings>(),
    ];
    let own = SERVICES.iter().flat_map(|service| (service.sections)());
    let mut seen = BTreeSet::new();
    common
        .into_iter()
        .chain(own)
        .filter(|section| seen.insert(section.name))
        .collect()
}

pub(super) fn write(arguments: &Arguments) -> Result<(), Failure> {
    say(page(&arguments.action).trim_end())
}

/// A page that the code declares; empty for what is no page.
fn page(action: &Action) -> String {
    match action {
        Action::Check { .. } | Action::Show { .. } | Action::Reload { .. } => String::new(),
        Action::Reference => weir_config::reference(&sections()),
        Action::Example => weir_config::example(&sections()),
        Action::Metrics => weir_telemetry::reference(&SERVICES.map(|service| (service.name, (service.metrics)()))),
        Action::Events => weir_events::catalogue::reference(),
        Action::Openapi => weir_console::openapi(),
        Action::Cli => super::reference::page(),
    }
}

pub(super) async fn run(arguments: Arguments, sources: Sources) -> Result<(), Failure> {
    match &arguments.action {
        Action::Check { json } => check(*json, &sources),
        Action::Show { section, all, json } => running::show(&sources, section, *all, *json).await,
        Action::Reload { json } => running::reload(&sources, *json).await,
        _ => write(&arguments),
    }
}

fn check(json: bool, sources: &Sources) -> Result<(), Failure> {
    let mut effective = vec![sources.effective_profile()];
    for section in sections() {
        effective.extend((section.effective)(sources)?);
    }
    SERVICES.iter().try_for_each(|service| (service.check)(sources))?;
    if json {
        say_json(&effective.iter().map(as_json).collect())
    } else {
        table(&effective)
    }
}

fn as_json(item: &Effective) -> serde_json::Value {
    json!({ "key": item.key, "value": item.value, "origin": item.origin.to_string() })
}

fn table(effective: &[Effective]) -> Result<(), Failure> {
    let mut listing = Listing::new(&["SETTING", "VALUE", "FROM"], "no settings");
    for item in effective {
        listing.row([
            item.key.clone(),
            item.value.clone().unwrap_or_else(|| "-".to_owned()),
            item.origin.to_string(),
        ]);
    }
    listing.say()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_of_the_file_belongs_to_somebody() {
        let names: Vec<_> = sections().iter().map(|section| section.name).collect();
        assert_eq!(names, weir_config::SECTIONS);
    }

    /// Nothing that a setting may hold as a secret is shown: neither a secret, nor a password in whatever names a place.
    #[test]
    fn no_secret_is_listed_whichever_setting_holds_it() {
        let mut tried = 0;
        for section in sections() {
            for field in (section.fields)() {
                for value in secrets(&field.kind) {
                    let name = format!("WEIR_{}__{}", section.name, field.key).to_uppercase();
                    let sources = Sources::load(None, [(name.clone(), (*value).to_owned())]).unwrap();
                    // Some kinds of text take no such value at all.
                    let Ok(listed) = (section.effective)(&sources) else {
                        continue;
                    };
                    let shown: String = listed.iter().map(|one| as_json(one).to_string()).collect();
                    assert!(!shown.contains("hunter2"), "{name} shows {value}: {shown}");
                    tried += 1;
                }
            }
        }
        assert!(tried > 60, "{tried}");
    }

    fn secrets(kind: &str) -> &'static [&'static str] {
        match kind {
            "a secret" => &["hunter2"],
            "a URL" | "text" => &[
                "postgres://user:hunter2@host:5432/name",
                "http://host/?password=hunter2",
            ],
            "a list of texts" => &["['https://user:hunter2@host/a', 'b']"],
            "a list of tables" => &[
                "[{ name = \"a\", kind = \"slack\", url = \"https://host/hunter2\" }]",
                "[{ name = \"a\", kind = \"webhook\", url = \"https://u:hunter2@host/\", token = \"hunter2\", secret = \"hunter2\" }]",
                "[{ name = \"a\", url = \"s3://key:hunter2@bucket/\" }]",
            ],
            _ => &[],
        }
    }

    /// The checked-in pages are what the code declares.
    #[test]
    fn the_reference_does_not_drift() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../");
        for (action, path) in [
            (Action::Reference, "docs/reference/settings.md"),
            (Action::Metrics, "docs/reference/metrics.md"),
            (Action::Events, "docs/reference/events.md"),
            (Action::Cli, "docs/reference/cli.md"),
            (Action::Example, "deploy/weir.example.toml"),
            (Action::Openapi, "docs/reference/openapi.json"),
        ] {
            let written = std::fs::read_to_string(format!("{root}{path}")).unwrap();
            assert!(
                written.trim_end() == page(&action).trim_end(),
                "{path} has drifted: run `just reference`"
            );
        }
    }
}
