//! Who calls whom over gRPC, as the features of `weir-proto` tell: a service asks for its own `-server` and for the
//! `-client` of those it calls. The graph is a checked-in file, so that a new edge is seen in review, and has no circle.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use crate::facts::{self, Crate};

/// The room of a service in `proto/weir/`, and the directory under `services/` that serves it.
const ROOMS: [(&str, &str); 6] = [
    ("gateway", "pool-gateway"),
    ("monitor", "query-monitor"),
    ("cache", "cache"),
    ("scheduler", "scheduler"),
    ("maintenance", "maintenance"),
    ("backup", "backup"),
];

const GRAPH: &str = "tests/service-graph.txt";

/// Callers and whom they call, by directory.
type Graph = BTreeMap<String, Vec<String>>;

fn service_of(room: &str) -> Option<&'static str> {
    ROOMS
        .iter()
        .find(|(known, _)| *known == room)
        .map(|(_, service)| *service)
}

fn services(crates: &[Crate]) -> impl Iterator<Item = (&str, &Crate)> {
    crates
        .iter()
        .filter_map(|found| Some((found.directory.strip_prefix("services/")?, found)))
}

fn graph(crates: &[Crate]) -> Graph {
    let callees = |found: &Crate| {
        let rooms = found
            .proto_features
            .iter()
            .filter_map(|feature| feature.strip_suffix("-client"));
        let mut callees: Vec<String> = rooms.filter_map(service_of).map(str::to_owned).collect();
        callees.sort();
        callees
    };
    services(crates)
        .map(|(service, found)| (service.to_owned(), callees(found)))
        .collect()
}

/// Features that no room has, and servers of other rooms.
fn strange_features(crates: &[Crate]) -> Vec<String> {
    let strange = |service: &str, feature: &str| match feature.rsplit_once('-') {
        // How what is told is written, not to whom.
        None if feature == "json" => false,
        Some((room, "client")) => service_of(room).is_none(),
        Some((room, "server")) => service_of(room) != Some(service),
        _ => true,
    };
    let tell = |service: &str, feature: &str| {
        format!(
            "services/{service} asks weir-proto for {feature}: a service has its own -server and its callees' -client"
        )
    };
    services(crates)
        .flat_map(|(service, found)| {
            let features = found
                .proto_features
                .iter()
                .filter(move |feature| strange(service, feature));
            features.map(move |feature| tell(service, feature))
        })
        .collect()
}

/// One complaint for every service that calls itself in the end.
fn circles(graph: &Graph) -> Vec<String> {
    let reached = |start: &String| {
        let mut reached: Vec<&String> = Vec::new();
        let mut next: Vec<&String> = graph.get(start).into_iter().flatten().collect();
        while let Some(service) = next.pop() {
            if !reached.contains(&service) {
                reached.push(service);
                next.extend(graph.get(service).into_iter().flatten());
            }
        }
        reached
    };
    let circular = graph.keys().filter(|service| reached(service).contains(service));
    circular
        .map(|service| format!("{service} calls itself in the end: let one side of the circle publish an event"))
        .collect()
}

fn written(graph: &Graph) -> String {
    let mut text = String::from(
        "# Who calls whom over gRPC: the -client features of weir-proto in each service's Cargo.toml.\n\
         # Written by: WEIR_ACCEPT=1 cargo test -p weir-tests --test tidy service_graph\n\n",
    );
    for (service, callees) in graph {
        let _infallible = match callees.as_slice() {
            [] => writeln!(text, "{service} calls nobody"),
            callees => writeln!(text, "{service} -> {}", callees.join(", ")),
        };
    }
    text
}

fn drift(expected: &str, found: Option<&str>) -> Vec<String> {
    let accept =
        "look at the change, then accept it with: WEIR_ACCEPT=1 cargo test -p weir-tests --test tidy service_graph";
    let differs = found != Some(expected);
    differs
        .then(|| format!("{GRAPH} is not what the Cargo.toml files say, which is:\n\n{expected}\n{accept}"))
        .into_iter()
        .collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a switch of this test, not a setting of the product"
)]
fn accepting() -> bool {
    std::env::var_os("WEIR_ACCEPT").is_some_and(|value| value == "1")
}

fn service(name: &str, features: &[&str]) -> Crate {
    let proto_features = features.iter().map(|&feature| feature.to_owned()).collect();
    Crate {
        directory: format!("services/{name}"),
        proto_features,
        ..Crate::default()
    }
}

#[test]
fn a_circle_is_caught() {
    let round = [
        service("pool-gateway", &["cache-client"]),
        service("cache", &["scheduler-client"]),
        service("scheduler", &["gateway-client"]),
        service("weir", &["gateway-client"]),
    ];
    crate::assert_caught(&circles(&graph(&round)), &["cache", "pool-gateway", "scheduler"]);
    crate::assert_caught(&circles(&graph(&[service("cache", &["cache-client"])])), &["cache"]);
    crate::assert_none(&circles(&graph(&round[1..])));
}

#[test]
fn a_strange_feature_is_caught() {
    let wrong = [service(
        "cache",
        &["cache-server", "backup-server", "cellar-client", "default"],
    )];
    crate::assert_caught(
        &strange_features(&wrong),
        &["backup-server", "cellar-client", "default"],
    );
}

#[test]
fn drift_is_caught() {
    let now = written(&graph(&[service("cache", &["backup-client"]), service("backup", &[])]));
    assert!(now.ends_with("backup calls nobody\ncache -> backup\n"), "{now}");
    crate::assert_caught(&drift(&now, None), &[GRAPH]);
    crate::assert_caught(
        &drift(&now, Some(&now.replace("-> backup", "-> scheduler"))),
        &["WEIR_ACCEPT=1"],
    );
    crate::assert_none(&drift(&now, Some(&now)));
}

#[test]
fn service_graph_holds() {
    let crates = facts::crates();
    let graph = graph(&crates);
    let expected = written(&graph);
    if accepting() {
        fs::write(facts::root().join(GRAPH), &expected).expect("the graph can be written");
    }
    let mut complaints = strange_features(&crates);
    complaints.extend(circles(&graph));
    complaints.extend(drift(&expected, facts::text(GRAPH).as_deref()));
    crate::assert_none(&complaints);
}
