//! Settings of services that run: what each has in force, and having them read again.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde_json::json;
use weir_config::{SECTIONS, Sources};
use weir_runtime::{InForce, Reloaded, ServiceReloaded, Settings};

use crate::connect::doors;
use crate::http::{Answer, Place};
use crate::terminal::{Failure, Listing, say, say_json};

/// A service that was asked, and what it told.
type Told = (&'static str, Place, Result<Settings, Failure>);

async fn ask_all(sources: &Sources) -> Result<Vec<Told>, Failure> {
    let asked = doors(sources)?.map(async |(service, place): (&'static str, Place)| {
        let told = settings(&place).await;
        (service, place, told)
    });
    Ok(join_all(asked).await)
}

async fn settings(place: &Place) -> Result<Settings, Failure> {
    let answer = place.get("configuration").await?;
    Ok(serde_json::from_str(&good(answer)?)?)
}

/// The body of an answer, if it is one to what was asked.
fn good(answer: Answer) -> Result<String, Failure> {
    let told: Option<serde_json::Value> = serde_json::from_str(&answer.body).ok();
    let error = told
        .as_ref()
        .and_then(|told| told.get("error"))
        .and_then(|error| error.as_str());
    match (answer.code(), error) {
        (Some(200), None) => Ok(answer.body),
        (_, Some(error)) => Err(error.to_owned().into()),
        (Some(404), None) => Err("it is of a version that cannot be asked".into()),
        (code, None) => Err(format!("it answered {}", code.unwrap_or_default()).into()),
    }
}

pub(super) async fn reload(sources: &Sources, json: bool) -> Result<(), Failure> {
    // A service reads its own sections only, so that another would take over a file with a mistake in these.
    for section in super::sections() {
        (section.effective)(sources)?;
    }
    let told = ask_all(sources).await?;
    let total = told.len();
    let mut outcomes = Outcomes::default();
    for (service, place, told) in told {
        match told {
            // Several services may be one process, which reads its settings once.
            Ok(told) if outcomes.knows(service, &told.process) => {}
            Ok(_) => outcomes.note(service, reload_one(&place).await),
            // It may have answered as one of a process that was asked at another door.
            Err(_) if outcomes.has_answered(service) => {}
            Err(error) => outcomes.note(service, Err(error)),
        }
    }
    outcomes.tell(json)?;
    match outcomes.failed() {
        0 => Ok(()),
        failed => Err(format!("{failed} of {total} services did not take the settings over").into()),
    }
}

async fn reload_one(place: &Place) -> Result<Reloaded, Failure> {
    Ok(serde_json::from_str(&good(place.ask("POST", "reload").await?)?)?)
}

/// What came of it, by service.
#[derive(Debug, Default)]
struct Outcomes {
    services: BTreeMap<String, Result<ServiceReloaded, String>>,
    /// Of which process each is known.
    processes: BTreeMap<String, String>,
    /// What a process refused, for every service in it.
    refused: BTreeMap<String, String>,
    order: Vec<String>,
}

impl Outcomes {
    /// Whether the process of a service has answered for it already.
    fn knows(&mut self, service: &str, process: &str) -> bool {
        if !self.order.iter().any(|known| known == service) {
            self.order.push(service.to_owned());
        }
        if let Some(refusal) = self.refused.get(process) {
            self.services.insert(service.to_owned(), Err(refusal.clone()));
            return true;
        }
        self.processes.insert(service.to_owned(), process.to_owned());
        self.services.contains_key(service)
    }

    /// Whether a process has told what came of it for this service.
    fn has_answered(&mut self, service: &str) -> bool {
        let has = self.services.get(service).is_some_and(Result::is_ok);
        if has {
            self.order.push(service.to_owned());
        }
        has
    }

    fn note(&mut self, service: &str, told: Result<Reloaded, Failure>) {
        if !self.order.iter().any(|known| known == service) {
            self.order.push(service.to_owned());
        }
        match told {
            Ok(told) => {
                let all = told.services.into_iter().map(|told| (told.service.clone(), Ok(told)));
                self.services.extend(all);
            }
            Err(error) => {
                let error = error.to_string();
                if let Some(process) = self.processes.get(service) {
                    self.refused.insert(process.clone(), error.clone());
                }
                self.services.insert(service.to_owned(), Err(error));
            }
        }
    }

    fn failed(&self) -> usize {
        self.services.values().filter(|told| told.is_err()).count()
    }

    fn told(&self) -> impl Iterator<Item = (&str, &Result<ServiceReloaded, String>)> {
        let told = |service: &String| self.services.get(service);
        self.order
            .iter()
            .filter_map(move |service| Some((service.as_str(), told(service)?)))
    }

    fn tell(&self, json: bool) -> Result<(), Failure> {
        if json {
            return say_json(&self.told().map(|(service, told)| as_json(service, told)).collect());
        }
        let headings = ["SERVICE", "OUTCOME", "TAKEN OVER", "NEEDS A RESTART"];
        let mut listing = Listing::new(&headings, "no services");
        for (service, told) in self.told() {
            let (outcome, taken_over, restart) = match told {
                Ok(told) => ("reloaded".to_owned(), listed(&told.taken_over), listed(&told.restart)),
                Err(error) => (format!("not reloaded: {error}"), "-".to_owned(), "-".to_owned()),
            };
            listing.row([service.to_owned(), outcome, taken_over, restart]);
        }
        listing.say()
    }
}

fn as_json(service: &str, told: &Result<ServiceReloaded, String>) -> serde_json::Value {
    match told {
        Ok(told) => json!({
            "service": service,
            "reloaded": true,
            "taken_over": told.taken_over,
            "needs_restart": told.restart,
            "error": null,
        }),
        Err(error) => json!({
            "service": service,
            "reloaded": false,
            "taken_over": [],
            "needs_restart": [],
            "error": error,
        }),
    }
}

fn listed(keys: &[String]) -> String {
    if keys.is_empty() {
        return "-".to_owned();
    }
    keys.join(", ")
}

pub(super) async fn show(sources: &Sources, wanted: &[String], all: bool, json: bool) -> Result<(), Failure> {
    if let Some(strange) = wanted.iter().find(|name| !SECTIONS.contains(&name.as_str())) {
        let near = weir_config::nearest(strange, SECTIONS).map(|near| format!("; did you mean {near}?"));
        let line = format!("there is no section {strange}{}", near.unwrap_or_default());
        return Err(crate::commands::Refused::new(crate::commands::BAD_SETTINGS, line).into());
    }
    let told = ask_all(sources).await?;
    let mut shown: Vec<Shown> = Vec::new();
    for (service, _, told) in &told {
        let settings = told.iter().flat_map(|told| &told.settings);
        settings.for_each(|setting| add(&mut shown, service, setting));
    }
    let away: Vec<(&str, String)> = (told.iter())
        .filter_map(|(service, _, told)| Some((*service, told.as_ref().err()?.to_string())))
        .collect();
    if json {
        let services: Vec<_> = told.iter().map(|(service, _, told)| told_json(service, told)).collect();
        say_json(&services.into())?;
    } else {
        shown.retain(|one| is_wanted(one, wanted, all));
        table(&shown, &away)?;
    }
    verdict(&shown, &away)
}

/// A value with those who have it.
#[derive(Debug)]
struct Shown {
    setting: InForce,
    services: Vec<String>,
    /// Whether others have another value.
    differs: bool,
}

fn add(shown: &mut Vec<Shown>, service: &str, setting: &InForce) {
    let mut differs = false;
    for known in shown.iter_mut().filter(|known| known.setting.key == setting.key) {
        if (&known.setting.value, &known.setting.waiting) == (&setting.value, &setting.waiting) {
            known.services.push(service.to_owned());
            return;
        }
        (known.differs, differs) = (true, true);
    }
    let place = shown.iter().rposition(|known| known.setting.key == setting.key);
    let one = Shown {
        setting: setting.clone(),
        services: vec![service.to_owned()],
        differs,
    };
    shown.insert(place.map_or(shown.len(), |place| place + 1), one);
}

fn is_wanted(one: &Shown, sections: &[String], all: bool) -> bool {
    let section = one.setting.key.split('.').next().unwrap_or_default();
    let is_said = !["default", "profile"].contains(&one.setting.origin.as_str());
    let is_chosen = sections.is_empty() || sections.iter().any(|name| name == section);
    is_chosen && (all || is_said || one.differs || one.setting.waiting.is_some())
}

fn table(shown: &[Shown], away: &[(&str, String)]) -> Result<(), Failure> {
    let headings = ["SETTING", "VALUE", "FROM", "SERVICE", "NOTE"];
    let mut listing = Listing::new(&headings, "every setting is at its default");
    for one in shown {
        listing.row([
            one.setting.key.clone(),
            value(one.setting.value.as_deref()),
            one.setting.origin.clone(),
            one.services.join(", "),
            note(one),
        ]);
    }
    listing.say()?;
    away.iter()
        .try_for_each(|(service, reason)| say(&format!("{service} does not tell its settings: {reason}")))
}

fn value(value: Option<&str>) -> String {
    value.unwrap_or("-").to_owned()
}

fn note(one: &Shown) -> String {
    let differs = one.differs.then(|| "differs".to_owned());
    let waits = one.setting.waiting.as_ref();
    let waits = waits.map(|waiting| format!("a restart makes it {}", value(waiting.value.as_deref())));
    differs.into_iter().chain(waits).collect::<Vec<_>>().join("; ")
}

fn told_json(service: &str, told: &Result<Settings, Failure>) -> serde_json::Value {
    match told {
        Ok(told) => json!({ "service": service, "told": told, "error": null }),
        Err(error) => json!({ "service": service, "told": null, "error": error.to_string() }),
    }
}

fn verdict(shown: &[Shown], away: &[(&str, String)]) -> Result<(), Failure> {
    let keys: std::collections::BTreeSet<&str> = shown
        .iter()
        .filter(|one| one.differs)
        .map(|one| one.setting.key.as_str())
        .collect();
    match (keys.len(), away.len()) {
        (0, 0) => Ok(()),
        (0, away) => Err(format!("{away} services did not tell their settings").into()),
        (differing, _) => Err(format!("services differ in {differing} settings").into()),
    }
}

#[cfg(test)]
mod tests {
    use weir_runtime::Waiting;

    use super::*;

    fn setting(key: &str, value: &str) -> InForce {
        InForce {
            key: key.to_owned(),
            value: Some(value.to_owned()),
            origin: "default".to_owned(),
            meaning: String::new(),
            reloads: false,
            waiting: None,
        }
    }

    #[test]
    fn what_several_say_is_one_line_unless_they_differ() {
        let mut shown = Vec::new();
        for (service, url) in [("a", "x"), ("b", "x"), ("c", "y")] {
            add(&mut shown, service, &setting("bus.url", url));
            add(&mut shown, service, &setting("store.url", "z"));
        }
        let lines: Vec<(&str, String, bool)> = (shown.iter())
            .map(|one| (one.setting.key.as_str(), one.services.join(","), one.differs))
            .collect();
        assert_eq!(
            lines,
            [
                ("bus.url", "a,b".to_owned(), true),
                ("bus.url", "c".to_owned(), true),
                ("store.url", "a,b,c".to_owned(), false),
            ]
        );
        assert!(verdict(&shown, &[]).unwrap_err().to_string().contains("1 settings"));
        assert!(!is_wanted(&shown[2], &[], false) && is_wanted(&shown[2], &[], true));
        assert!(is_wanted(&shown[0], &["bus".to_owned()], false) && !is_wanted(&shown[0], &["store".to_owned()], true));
        let mut waits = setting("gateway.workers", "2");
        waits.waiting = Some(Waiting {
            value: None,
            origin: "default".to_owned(),
        });
        add(&mut shown, "a", &waits);
        assert_eq!(note(&shown[3]), "a restart makes it -");
    }

    fn reloaded(services: &[&str]) -> Reloaded {
        let told = |service: &&str| ServiceReloaded {
            service: (*service).to_owned(),
            taken_over: vec![],
            restart: vec![],
        };
        Reloaded {
            process: "p".to_owned(),
            services: services.iter().map(told).collect(),
        }
    }

    #[test]
    fn a_process_is_asked_once_and_answers_for_all_in_it() {
        let mut outcomes = Outcomes::default();
        assert!(!outcomes.knows("a", "p"));
        outcomes.note("a", Ok(reloaded(&["a", "b"])));
        assert!(outcomes.knows("b", "p"));
        assert!(!outcomes.knows("c", "q"));
        outcomes.note("c", Err("no".into()));
        assert!(outcomes.knows("d", "q"), "its process has refused");
        assert_eq!(outcomes.failed(), 2);
        let order: Vec<&str> = outcomes.told().map(|(service, _)| service).collect();
        assert_eq!(order, ["a", "b", "c", "d"]);
    }
}
