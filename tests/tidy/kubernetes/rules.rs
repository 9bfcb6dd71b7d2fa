//! The rules: each takes the manifests and what they have to agree with, and returns complaints. Pure.

use std::collections::BTreeSet;

use super::FOLDER;
use super::manifests::{Manifests, Workload};
use crate::settings::Settings;

/// Where an image comes from, before its name.
const MAKER: &str = "weir/";
const PROBES: [(&str, &str); 3] = [
    ("startup", "/startupz"),
    ("readiness", "/readyz"),
    ("liveness", "/livez"),
];

/// Every complaint of every rule.
pub(super) fn all(manifests: &Manifests, settings: &Settings, dockerfile: &str) -> Vec<String> {
    let mut complaints = strange_programs(manifests, dockerfile);
    complaints.extend(forgotten_files(manifests));
    complaints.extend(strange_addresses(manifests));
    for workload in &manifests.workloads {
        complaints.extend(strange_settings(manifests, workload, settings));
        complaints.extend(wrong_listeners(workload, settings));
        complaints.extend(wrong_probes(workload, settings));
        complaints.extend(wrong_service(manifests, workload));
        complaints.extend(short_grace(workload, settings));
    }
    complaints
}

/// There is one workload for each image that is built, and it starts that image.
fn strange_programs(manifests: &Manifests, dockerfile: &str) -> Vec<String> {
    let built: BTreeSet<&str> = dockerfile
        .lines()
        .filter_map(|line| line.strip_prefix("ENTRYPOINT [\"")?.strip_suffix("\"]"))
        .collect();
    let run: BTreeSet<&str> = manifests
        .workloads
        .iter()
        .map(|workload| workload.name.as_str())
        .collect();
    let differ = built.symmetric_difference(&run);
    let mut complaints: Vec<String> = differ
        .map(|name| format!("{FOLDER}: {name} is built or run, and not both"))
        .collect();
    for workload in &manifests.workloads {
        if workload.image.strip_prefix(MAKER) != Some(workload.name.as_str()) {
            complaints.push(format!(
                "{FOLDER}: {} starts the image {}",
                workload.name, workload.image
            ));
        }
        if !manifests.images.contains(&workload.image) {
            complaints.push(format!(
                "{FOLDER}: kustomize cannot give {} another place",
                workload.image
            ));
        }
    }
    complaints
}

/// What lies in the folder is taken, and nothing else is.
fn forgotten_files(manifests: &Manifests) -> Vec<String> {
    let taken: BTreeSet<String> = manifests
        .resources
        .iter()
        .map(|file| format!("{FOLDER}/{file}"))
        .collect();
    let there: BTreeSet<String> = manifests.files.iter().cloned().collect();
    let differ = taken.symmetric_difference(&there);
    differ
        .map(|file| format!("{file}: kustomize and the folder disagree on it"))
        .collect()
}

/// Each variable is a setting, and none belongs to another service's section.
fn strange_settings(manifests: &Manifests, workload: &Workload, settings: &Settings) -> Vec<String> {
    let known = settings.known();
    let own = settings.section_of(&workload.name).map(str::to_uppercase);
    let prefix = format!("WEIR_{}__", own.unwrap_or_default());
    let name = &workload.name;
    let mut complaints = Vec::new();
    for variable in workload.environment.keys() {
        if !known.contains(variable) {
            complaints.push(format!("{FOLDER}: {name} sets {variable}, which is no setting"));
        } else if !variable.starts_with(&prefix) {
            complaints.push(format!("{FOLDER}: {name} sets {variable}, which another service reads"));
        }
    }
    let shared = workload
        .sources
        .iter()
        .filter_map(|source| manifests.shared.get(source));
    let strange = shared
        .flat_map(|map| map.keys())
        .filter(|variable| !known.contains(variable));
    complaints.extend(strange.map(|variable| format!("{FOLDER}: {name} is given {variable}, which is no setting")));
    if !workload
        .sources
        .iter()
        .any(|source| manifests.shared.contains_key(source))
    {
        complaints.push(format!("{FOLDER}: {name} is not given what all share"));
    }
    complaints
}

/// It listens on every interface of its pod on the ports that it always has, and these are told.
fn wrong_listeners(workload: &Workload, settings: &Settings) -> Vec<String> {
    let name = &workload.name;
    let Some(section) = settings.section_of(name) else {
        return vec![format!("{FOLDER}: {name} has no settings of its own")];
    };
    let mut complaints = Vec::new();
    let mut expected = BTreeSet::new();
    for (key, port) in settings.listeners(section) {
        let variable = format!("WEIR_{}__{}", section.to_uppercase(), key.to_uppercase());
        let listens = workload.environment.get(&variable).map(String::as_str);
        if listens != Some(format!("0.0.0.0:{port}").as_str()) {
            complaints.push(format!(
                "{FOLDER}: {name} should listen with {variable} on 0.0.0.0:{port}"
            ));
        }
        expected.extend(port.parse::<u64>());
    }
    let told: BTreeSet<u64> = workload.ports.values().copied().collect();
    if told != expected {
        complaints.push(format!(
            "{FOLDER}: {name} tells of the ports {told:?} and has {expected:?}"
        ));
    }
    complaints
}

/// The port on which a service tells how it is: its ops door, or the only one that it has.
fn ops_port(workload: &Workload, settings: &Settings) -> Option<u64> {
    let listeners = settings.listeners(settings.section_of(&workload.name)?);
    let door = listeners
        .iter()
        .find(|(key, _)| *key == "ops_listen")
        .or(listeners.first());
    door.and_then(|(_, port)| port.parse().ok())
}

fn wrong_probes(workload: &Workload, settings: &Settings) -> Vec<String> {
    let ops = ops_port(workload, settings);
    let name = &workload.name;
    let mut complaints = Vec::new();
    for (probe, path) in PROBES {
        let (asked, port) = workload.probes.get(probe).cloned().unwrap_or_default();
        if asked != path || workload.ports.get(&port).copied() != ops {
            complaints.push(format!(
                "{FOLDER}: the {probe} probe of {name} asks {asked} on {port}, not {path}"
            ));
        }
    }
    if workload.scraped.parse().ok() != ops {
        complaints.push(format!(
            "{FOLDER}: {name} is scraped on {}, not on its ops port",
            workload.scraped
        ));
    }
    complaints
}

/// Others reach it under its name on the same ports.
fn wrong_service(manifests: &Manifests, workload: &Workload) -> Vec<String> {
    let reached = manifests.services.get(&workload.name);
    let is_same = reached == Some(&workload.ports);
    let name = &workload.name;
    (!is_same)
        .then(|| format!("{FOLDER}: the service {name} does not have the ports of its pods"))
        .into_iter()
        .collect()
}

/// Each address of another service is one that exists.
fn strange_addresses(manifests: &Manifests) -> Vec<String> {
    let mut complaints = Vec::new();
    for workload in &manifests.workloads {
        for (variable, value) in &workload.environment {
            let place = value.strip_prefix("http://").unwrap_or(value);
            let Some((host, port)) = place.split_once(':').filter(|(host, _)| *host != "0.0.0.0") else {
                continue;
            };
            let ports = manifests.services.get(host);
            let port: Option<u64> = port.parse().ok();
            if !ports.is_some_and(|ports| ports.values().any(|there| Some(*there) == port)) {
                complaints.push(format!(
                    "{FOLDER}: {} looks for {variable} at {value}, where nobody is",
                    workload.name
                ));
            }
        }
    }
    complaints
}

/// The cluster waits for as long as a service may take to stop.
fn short_grace(workload: &Workload, settings: &Settings) -> Vec<String> {
    let grace = settings.default_of("runtime", "shutdown_grace");
    let grace: u64 = grace
        .and_then(|grace| grace.strip_suffix('s')?.parse().ok())
        .unwrap_or(u64::MAX);
    let is_short = workload.grace_s <= grace.saturating_add(workload.pre_stop_s);
    let name = &workload.name;
    is_short
        .then(|| {
            format!(
                "{FOLDER}: {name} is cut off after {} s; it may take {grace} s",
                workload.grace_s
            )
        })
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::File;

    const SETTINGS: &str = "`WEIR_PROFILE`\n\n## `[runtime]`\n\n| `shutdown_grace` | x | d | `25s` | `WEIR_RUNTIME__SHUTDOWN_GRACE` |\n\n\
         ## `[cache]`\n\n| `grpc_listen` | x | a | `127.0.0.1:7003` | `WEIR_CACHE__GRPC_LISTEN` |\n\
         | `ops_listen` | x | a | `127.0.0.1:8003` | `WEIR_CACHE__OPS_LISTEN` |\n\n\
         ## `[monitor]`\n\n| `grpc_listen` | x | a | `127.0.0.1:7002` | `WEIR_MONITOR__GRPC_LISTEN` |\n\
         | `cache_url` | x | a | none | `WEIR_CACHE__PEER` |\n";
    const DOCKERFILE: &str = "ENTRYPOINT [\"cache\"]\n";
    const KUSTOMIZATION: &str =
        "kind: Kustomization\nresources: [settings.yaml, cache.yaml]\nimages: [{ name: weir/cache }]\n";
    const SHARED: &str = "kind: ConfigMap\nmetadata: { name: all }\ndata: { WEIR_PROFILE: staging }\n";
    const CACHE: &str = "kind: Deployment
metadata: { name: cache }
spec:
  template:
    metadata:
      annotations: { prometheus.io/port: \"8003\" }
    spec:
      terminationGracePeriodSeconds: 30
      containers:
        - image: weir/cache
          envFrom: [{ configMapRef: { name: all } }]
          env:
            - { name: WEIR_CACHE__GRPC_LISTEN, value: \"0.0.0.0:7003\" }
            - { name: WEIR_CACHE__OPS_LISTEN, value: \"0.0.0.0:8003\" }
            - { name: WEIR_CACHE__PEER, value: \"http://cache:7003\" }
          ports: [{ name: grpc, containerPort: 7003 }, { name: ops, containerPort: 8003 }]
          startupProbe: { httpGet: { path: /startupz, port: ops } }
          readinessProbe: { httpGet: { path: /readyz, port: ops } }
          livenessProbe: { httpGet: { path: /livez, port: ops } }
---
kind: Service
metadata: { name: cache }
spec:
  ports: [{ name: grpc, port: 7003 }, { name: ops, port: 8003 }]
";

    fn complaints(change: (&str, &str)) -> Vec<String> {
        let texts = [("kustomization", KUSTOMIZATION), ("settings", SHARED), ("cache", CACHE)];
        let (from, to) = change;
        assert!(
            texts.iter().any(|(_, text)| text.contains(from)),
            "{from} changes nothing"
        );
        let files = texts.map(|(name, text)| File::new(format!("{FOLDER}/{name}.yaml"), text.replace(from, to)));
        all(
            &Manifests::parse(&files).unwrap(),
            &Settings::parse(SETTINGS),
            DOCKERFILE,
        )
    }

    #[test]
    fn sound_manifests_pass() {
        crate::assert_none(&complaints(("staging", "staging")));
    }

    #[test]
    fn each_rule_bites() {
        let broken = [
            (
                ("image: weir/cache", "image: weir/other"),
                vec!["weir/other", "weir/other"],
            ),
            (
                ("[settings.yaml, cache.yaml]", "[settings.yaml, cache.yaml, gone.yaml]"),
                vec!["gone.yaml"],
            ),
            (("WEIR_CACHE__PEER", "WEIR_CACHE__NOBODY"), vec!["WEIR_CACHE__NOBODY"]),
            (("WEIR_PROFILE", "WEIR_NOTHING_OF_OURS"), vec!["WEIR_NOTHING_OF_OURS"]),
            (
                ("WEIR_CACHE__PEER", "WEIR_MONITOR__GRPC_LISTEN"),
                vec!["another service"],
            ),
            (
                ("configMapRef: { name: all }", "configMapRef: { name: none }"),
                vec!["what all share"],
            ),
            (("0.0.0.0:8003", "127.0.0.1:8003"), vec!["WEIR_CACHE__OPS_LISTEN"]),
            (
                ("name: ops, containerPort: 8003", "name: ops, containerPort: 8004"),
                vec!["8004", "startup", "readiness", "liveness", "service"],
            ),
            (("path: /readyz", "path: /livez"), vec!["readiness"]),
            (("io/port: \"8003\"", "io/port: \"7003\""), vec!["scraped"]),
            (("name: ops, port: 8003", "name: ops, port: 80"), vec!["service cache"]),
            (("http://cache:7003", "http://cache:7004"), vec!["http://cache:7004"]),
            (
                ("terminationGracePeriodSeconds: 30", "terminationGracePeriodSeconds: 25"),
                vec!["cut off"],
            ),
        ];
        for (change, culprits) in broken {
            let mut found = complaints(change);
            // A listener on loopback looks like the address of a service, too.
            found.retain(|complaint| !complaint.contains("127.0.0.1:8003, where nobody is"));
            crate::assert_caught(&found, &culprits);
        }
    }
}
