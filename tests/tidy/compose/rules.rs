//! The rules: each takes the stack and the house, and returns complaints. Pure.

use std::collections::BTreeSet;

use super::stack::{Need, Service};
use super::{COMPOSE, Case, DOCKERFILE, IGNORE, SCRIPT, Stage};

/// Where the compose file lies; its paths begin there.
const COMPOSE_DEPTH: usize = 2;

const RULES: [fn(&Case) -> Vec<String>; 11] = [
    strange_settings,
    wrong_listeners,
    strange_programs,
    missing_services,
    strange_targets,
    strange_sources,
    unsafe_order,
    strange_volumes,
    short_grace,
    careless_images,
    wrong_table,
];

/// Every complaint of every rule.
pub(super) fn all(case: &Case) -> Vec<String> {
    RULES.iter().flat_map(|rule| rule(case)).collect()
}

/// Each variable of a service is a setting, and none belongs to another service's section.
fn strange_settings(case: &Case) -> Vec<String> {
    let known = case.house.settings.known();
    let mut complaints = Vec::new();
    for (name, service, _) in case.stack.built() {
        for variable in service.environment.keys() {
            if !known.contains(variable) {
                complaints.push(format!("{COMPOSE}: {name} sets {variable}, which is no setting"));
            } else if owner(case, variable).is_some_and(|owner| owner != name) {
                complaints.push(format!(
                    "{COMPOSE}: {name} sets {variable}, which another service reads"
                ));
            }
        }
    }
    complaints
}

/// The service whose own section the variable sets, if it is one's own.
fn owner<'a>(case: &'a Case, variable: &str) -> Option<&'a str> {
    let (section, _) = variable.strip_prefix("WEIR_")?.split_once("__")?;
    let section = section.to_lowercase();
    let mut services = case.stack.built().map(|(name, _, _)| name);
    services.find(|service| case.house.settings.section_of(service) == Some(section.as_str()))
}

/// A service listens on every interface of its container, on its own ports; these are what is exposed, published on
/// loopback, and asked for health.
fn wrong_listeners(case: &Case) -> Vec<String> {
    let mut complaints = Vec::new();
    for (name, service, build) in case.stack.built() {
        let Some(section) = case.house.settings.section_of(name) else {
            complaints.push(format!(
                "{COMPOSE}: {name} has no section with a grpc_listen in the settings"
            ));
            continue;
        };
        let listeners = case.house.settings.listeners(section);
        complaints.extend(
            listeners
                .iter()
                .filter_map(|(key, port)| deaf(name, service, section, key, port)),
        );
        let ports: Vec<&str> = listeners.iter().map(|(_, port)| *port).collect();
        complaints.extend(wrong_ports(name, service, &ports));
        let ops = case
            .house
            .settings
            .default_of(section, "ops_listen")
            .or_else(|| case.house.settings.default_of(section, "listen"))
            .and_then(|address| address.rsplit_once(':'));
        complaints.extend(
            case.stage(&build.target)
                .map(|stage| {
                    let ops = ops.map(|(_, port)| port).unwrap_or_default();
                    wrong_stage_ports(stage, &ports, ops)
                })
                .into_iter()
                .flatten(),
        );
    }
    complaints
}

fn deaf(name: &str, service: &Service, section: &str, key: &str, port: &str) -> Option<String> {
    let variable = format!("WEIR_{}__{}", section.to_uppercase(), key.to_uppercase());
    let wanted = format!("0.0.0.0:{port}");
    let set = service.environment.get(&variable);
    (set != Some(&wanted)).then(|| format!("{COMPOSE}: {name} has to set {variable} to {wanted}"))
}

fn wrong_ports(name: &str, service: &Service, ports: &[&str]) -> Option<String> {
    let wanted: BTreeSet<String> = ports.iter().map(|port| format!("127.0.0.1:{port}:{port}")).collect();
    let published: BTreeSet<String> = service.ports.iter().cloned().collect();
    (published != wanted).then(|| format!("{COMPOSE}: {name} has to publish {wanted:?}"))
}

fn wrong_stage_ports(stage: &Stage, ports: &[&str], ops: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let name = &stage.name;
    let exposed: Vec<&str> = stage.last("EXPOSE").unwrap_or_default().split_whitespace().collect();
    if exposed != ports {
        complaints.push(format!("{DOCKERFILE}: {name} has to expose {}", ports.join(" ")));
    }
    let url = format!("http://127.0.0.1:{ops}/readyz");
    if stage.health_check() != ["weir", "probe", url.as_str()] {
        complaints.push(format!(
            "{DOCKERFILE}: the health check of {name} has to be weir probe {url}"
        ));
    }
    complaints
}

/// Each program that a stage holds or starts is one that Cargo makes, is built, and is put where it is taken from.
fn strange_programs(case: &Case) -> Vec<String> {
    let mut complaints = Vec::new();
    let build: String = case
        .stages
        .iter()
        .take(1)
        .flat_map(|stage| stage.all("RUN"))
        .collect::<Vec<_>>()
        .join("\n");
    for stage in case.stages.iter().skip(1) {
        for program in stage.programs() {
            match case.house.programs.get(program) {
                None => complaints.push(format!("{DOCKERFILE}: Cargo makes no program {program}")),
                Some(package) => complaints.extend(unbuilt(&build, program, package)),
            }
        }
        let started = stage.entry().into_iter().chain(stage.health_check().into_iter().next());
        let absent = started.filter(|program| !holds(case, &stage.name, program));
        complaints
            .extend(absent.map(|program| format!("{DOCKERFILE}: {} starts {program}, which is not in it", stage.name)));
    }
    complaints
}

fn unbuilt(build: &str, program: &str, package: &str) -> Vec<String> {
    let words: Vec<&str> = build.split_whitespace().collect();
    let asked = words.windows(2).any(|pair| pair == ["-p", package]);
    let kept = words.contains(&format!("target/release/{program}").as_str());
    let complaint = |so: bool, what: String| (!so).then(|| format!("{DOCKERFILE}: {what}"));
    complaint(asked, format!("{program} is taken, but {package} is not built"))
        .into_iter()
        .chain(complaint(
            kept,
            format!("{program} is taken, but not kept after the build"),
        ))
        .collect()
}

fn holds(case: &Case, stage: &str, program: &str) -> bool {
    case.lineage(stage).any(|stage| stage.programs().contains(&program))
}

/// Every service of the house is in the stack, under the name of its program.
fn missing_services(case: &Case) -> Vec<String> {
    let wanted = case.house.programs.keys().filter(|program| program.as_str() != "weir");
    wanted
        .filter(|program| !case.stack.services.contains_key(program.as_str()))
        .map(|program| format!("{COMPOSE}: the service {program} is missing"))
        .collect()
}

/// A service is built from the root, with the Dockerfile that exists, from the stage of its own name.
fn strange_targets(case: &Case) -> Vec<String> {
    let mut complaints = Vec::new();
    for (name, _, build) in case.stack.built() {
        if build.context != [".."; COMPOSE_DEPTH].join("/") {
            complaints.push(format!("{COMPOSE}: {name} is not built from the root of the tree"));
        }
        if build.dockerfile != DOCKERFILE || !case.house.has(&build.dockerfile) {
            complaints.push(format!(
                "{COMPOSE}: {name} is built with {}, not with {DOCKERFILE}",
                build.dockerfile
            ));
        }
        let entry = case.stage(&build.target).and_then(Stage::entry);
        if entry.as_deref() != Some(name) {
            complaints.push(format!(
                "{COMPOSE}: {name} is built from {}, which does not start it",
                build.target
            ));
        }
    }
    complaints
}

/// What the build copies exists and reaches the builder, and every crate of the workspace is among it.
fn strange_sources(case: &Case) -> Vec<String> {
    let copied: Vec<&str> = case.stages.iter().flat_map(Stage::sources).collect();
    let absent = copied.iter().filter(|path| !case.house.has(path));
    let absent = absent.map(|path| format!("{DOCKERFILE}: {path} does not exist"));
    let kept_out = copied
        .iter()
        .filter(|path| !case.admitted.iter().any(|admitted| admitted == *path));
    let kept_out = kept_out.map(|path| format!("{IGNORE}: {path} is copied but kept out"));
    let tops: BTreeSet<&str> = case
        .house
        .crates
        .iter()
        .filter_map(|path| path.split('/').next())
        .collect();
    let forgotten = tops
        .into_iter()
        .chain(["Cargo.toml", "Cargo.lock"])
        .filter(|top| !copied.contains(top));
    let forgotten = forgotten.map(|top| format!("{DOCKERFILE}: {top} is needed but not copied"));
    absent.chain(kept_out).chain(forgotten).collect()
}

/// A service waits until whatever its settings point at is healthy, and everything that is waited for can say so.
fn unsafe_order(case: &Case) -> Vec<String> {
    let mut complaints = Vec::new();
    for (name, service) in &case.stack.services {
        let hosts = service.environment.values().filter_map(|value| host(value));
        let unawaited = hosts.filter(|host| !service.depends_on.contains_key(*host));
        complaints.extend(unawaited.map(|host| format!("{COMPOSE}: {name} uses {host} but does not wait for it")));
        complaints.extend(
            service
                .depends_on
                .iter()
                .filter_map(|(other, need)| careless(case, name, other, need)),
        );
    }
    complaints
}

/// The host of a URL that is the whole value.
fn host(value: &str) -> Option<&str> {
    let authority = value.split_once("://")?.1.split('/').next()?;
    authority.rsplit('@').next()?.split(':').next()
}

fn careless(case: &Case, name: &str, other: &str, need: &Need) -> Option<String> {
    if need.condition != "service_healthy" {
        return Some(format!(
            "{COMPOSE}: {name} waits until {other} is {}, not healthy",
            need.condition
        ));
    }
    let tells = case.stack.services.get(other).is_some_and(|awaited| {
        let stage = awaited.build.as_ref().and_then(|build| case.stage(&build.target));
        awaited.healthcheck.is_some() || stage.is_some_and(|stage| stage.last("HEALTHCHECK").is_some())
    });
    (!tells).then(|| format!("{COMPOSE}: {name} waits for {other}, which has no health check"))
}

/// Each volume that is used is declared, and the other way round; nothing of the host is mounted.
fn strange_volumes(case: &Case) -> Vec<String> {
    let mounts = case.stack.services.values().flat_map(|service| &service.volumes);
    let used: BTreeSet<&str> = mounts.filter_map(|mount| mount.split(':').next()).collect();
    let declared: BTreeSet<&str> = case.stack.volumes.keys().map(String::as_str).collect();
    let differ = used.symmetric_difference(&declared);
    differ
        .map(|volume| format!("{COMPOSE}: the volume {volume} is used or declared, not both"))
        .collect()
}

/// The engine waits longer than a service takes to stop in order.
fn short_grace(case: &Case) -> Vec<String> {
    let grace = case
        .house
        .settings
        .default_of("runtime", "shutdown_grace")
        .and_then(seconds);
    let Some(grace) = grace else {
        return vec!["runtime.shutdown_grace has no default in seconds".to_owned()];
    };
    let short = case.stack.built().filter(|(_, service, _)| {
        let given = service.stop_grace_period.as_deref().and_then(seconds);
        given.is_none_or(|given| given <= grace)
    });
    short
        .map(|(name, _, _)| format!("{COMPOSE}: {name} needs a stop_grace_period of more than {grace}s"))
        .collect()
}

fn seconds(duration: &str) -> Option<u32> {
    duration.strip_suffix('s')?.parse().ok()
}

/// Images name their version, the compiler is the one that the workspace asks for, and nothing runs as root.
fn careless_images(case: &Case) -> Vec<String> {
    let mut complaints = Vec::new();
    let bases = case.stages.iter().map(|stage| stage.base.as_str());
    let outside = bases.filter(|base| case.stage(base).is_none());
    let named = case
        .stack
        .services
        .values()
        .filter_map(|service| service.image.as_deref());
    for image in outside.chain(named) {
        let tag = image.rsplit_once(':').map(|(_, tag)| tag);
        if tag.is_none_or(|tag| tag == "latest") {
            complaints.push(format!("the image {image} needs a version"));
        }
    }
    let compiler = format!("rust:{}-", case.house.rust_version);
    if !case.stages.iter().any(|stage| stage.base.starts_with(&compiler)) {
        complaints.push(format!(
            "{DOCKERFILE}: nothing is built with {compiler}…, the Rust of the workspace"
        ));
    }
    for (name, _, build) in case.stack.built() {
        let user = case.lineage(&build.target).find_map(|stage| stage.last("USER"));
        if user.is_none_or(|user| user.starts_with("root") || user.starts_with('0')) {
            complaints.push(format!("{DOCKERFILE}: {name} runs as root"));
        }
    }
    complaints
}

/// The table that `deploy/run` works with has the sections, programs and ports of the settings.
fn wrong_table(case: &Case) -> Vec<String> {
    let row = |program: &String| {
        let section = case.house.settings.section_of(program)?;
        let port = |key| Some(case.house.settings.default_of(section, key)?.rsplit_once(':')?.1);
        let ports = [
            Some(port("grpc_listen").unwrap_or("-")),
            Some(port("ops_listen").or_else(|| port("listen"))?),
            port("wire_listen"),
        ];
        let ports: Vec<&str> = ports.into_iter().flatten().collect();
        Some(format!("{section} {program} {}", ports.join(" ")))
    };
    let wanted: BTreeSet<String> = case.house.programs.keys().filter_map(row).collect();
    let present: BTreeSet<String> = case.script.iter().cloned().collect();
    let differ = wanted.symmetric_difference(&present);
    differ
        .map(|row| format!("{SCRIPT}: \"{row}\" is in the table or in the settings, not in both"))
        .collect()
}

#[cfg(test)]
mod tests;
