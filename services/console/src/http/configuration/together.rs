//! The settings of all services as one list: what each has for itself, and where they differ in what several read. Pure.

use weir_config::SECTIONS;
use weir_runtime::{InForce, Settings};

use super::{MissingSection, SettingElsewhere, SettingNow};

/// Whose sections are whose.
const OWNERS: [(&str, &str); 7] = [
    ("gateway", "pool-gateway"),
    ("monitor", "query-monitor"),
    ("cache", "cache"),
    ("scheduler", "scheduler"),
    ("maintenance", "maintenance"),
    ("backup", "backup"),
    ("console", "console"),
];

/// What a service told of its settings, or why it did not.
#[derive(Debug)]
pub(super) struct Told {
    service: &'static str,
    settings: Result<Vec<InForce>, String>,
}

impl Told {
    pub(super) fn new(service: &'static str, told: Result<Settings, String>) -> Self {
        let settings = told.map(|told| told.settings);
        Self { service, settings }
    }
}

/// The first who told is whose values stand for those that several read.
pub(super) fn together(told: Vec<Told>) -> (Vec<SettingNow>, Vec<MissingSection>) {
    let (mut all, mut missing): (Vec<SettingNow>, Vec<MissingSection>) = (Vec::new(), Vec::new());
    for Told { service, settings } in told {
        match settings {
            Ok(settings) => settings.into_iter().for_each(|setting| add(&mut all, service, setting)),
            Err(reason) => missing.extend(section_of(service).map(|section| MissingSection {
                section: section.to_owned(),
                reason,
            })),
        }
    }
    // As in the reference; within a section as it was told.
    all.sort_by_key(|setting| {
        let section = setting.key.split('.').next().unwrap_or_default();
        let place = SECTIONS.iter().position(|name| *name == section);
        place.map_or(0, |place| place + 1)
    });
    (all, missing)
}

fn section_of(service: &str) -> Option<&'static str> {
    OWNERS
        .iter()
        .find(|(_, owner)| *owner == service)
        .map(|(section, _)| *section)
}

fn add(all: &mut Vec<SettingNow>, service: &str, setting: InForce) {
    let Some(known) = all.iter_mut().find(|known| known.key == setting.key) else {
        all.push(SettingNow {
            changeable: setting.key.starts_with("gateway.").then_some(setting.reloads),
            meaning: Some(setting.meaning).filter(|meaning| !meaning.is_empty()),
            service: service.to_owned(),
            reloads: setting.reloads,
            waiting: setting.waiting.map(Into::into),
            elsewhere: Vec::new(),
            key: setting.key,
            value: setting.value,
            origin: setting.origin,
        });
        return;
    };
    if known.value != setting.value {
        known.elsewhere.push(SettingElsewhere {
            service: service.to_owned(),
            value: setting.value,
            origin: setting.origin,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(key: &str, value: &str) -> InForce {
        InForce {
            key: key.to_owned(),
            value: Some(value.to_owned()),
            origin: "file".to_owned(),
            meaning: "A figure.".to_owned(),
            reloads: key.starts_with("gateway"),
            waiting: None,
        }
    }

    fn told(service: &'static str, settings: Vec<InForce>) -> Told {
        Told {
            service,
            settings: Ok(settings),
        }
    }

    #[test]
    fn what_several_read_is_compared_and_who_does_not_tell_is_named() {
        let (all, missing) = together(vec![
            told("console", vec![setting("console.listen", "a"), setting("bus.url", "x")]),
            told(
                "pool-gateway",
                vec![setting("bus.url", "x"), setting("gateway.pool_max", "9")],
            ),
            told("cache", vec![setting("bus.url", "y")]),
            Told {
                service: "backup",
                settings: Err("nobody answers".to_owned()),
            },
        ]);
        let keys: Vec<&str> = all.iter().map(|setting| setting.key.as_str()).collect();
        assert_eq!(keys, ["bus.url", "gateway.pool_max", "console.listen"]);
        let elsewhere: Vec<&str> = all
            .iter()
            .flat_map(|one| &one.elsewhere)
            .map(|one| one.service.as_str())
            .collect();
        assert_eq!(elsewhere, ["cache"]);
        let of = |key: &str| all.iter().find(|setting| setting.key == key).unwrap();
        assert_eq!(
            (of("bus.url").service.as_str(), of("bus.url").changeable),
            ("console", None)
        );
        assert_eq!(of("gateway.pool_max").changeable, Some(true));
        assert_eq!((missing.len(), missing[0].section.as_str()), (1, "backup"));
    }
}
