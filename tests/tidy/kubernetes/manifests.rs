//! The manifests as data: what the rules ask of them.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::facts::File;

/// All of the folder.
#[derive(Debug, Default)]
pub(super) struct Manifests {
    /// What kustomize is told to take.
    pub(super) resources: Vec<String>,
    /// The images that it knows by name.
    pub(super) images: Vec<String>,
    /// The files with anything else in them.
    pub(super) files: Vec<String>,
    pub(super) workloads: Vec<Workload>,
    /// Each service and its ports by name.
    pub(super) services: BTreeMap<String, BTreeMap<String, u64>>,
    /// The settings that all share, by the name of their map.
    pub(super) shared: BTreeMap<String, BTreeMap<String, String>>,
}

/// Something that runs pods of one container.
#[derive(Debug, Default)]
pub(super) struct Workload {
    pub(super) name: String,
    pub(super) image: String,
    pub(super) environment: BTreeMap<String, String>,
    /// The maps and secrets that it takes its other settings from.
    pub(super) sources: Vec<String>,
    pub(super) ports: BTreeMap<String, u64>,
    /// `startup`, `readiness` and `liveness`, each with its path and port.
    pub(super) probes: BTreeMap<&'static str, (String, String)>,
    /// What Prometheus is told to ask.
    pub(super) scraped: String,
    pub(super) grace_s: u64,
    pub(super) pre_stop_s: u64,
}

impl Manifests {
    pub(super) fn parse(files: &[File]) -> Result<Self, String> {
        let mut all = Self::default();
        for file in files {
            for text in file.text.split("\n---\n") {
                let document: Value =
                    serde_saphyr::from_str(text).map_err(|error| format!("{}: {error}", file.path))?;
                all.take(file, &document);
            }
        }
        Ok(all)
    }

    fn take(&mut self, file: &File, document: &Value) {
        let name = text(document, "/metadata/name");
        match text(document, "/kind").as_str() {
            "Kustomization" => {
                self.resources = items(document, "/resources").iter().map(as_text).collect();
                let images = items(document, "/images").iter();
                self.images = images.map(|image| text(image, "/name")).collect();
                return;
            }
            "Deployment" | "StatefulSet" => self.workloads.push(workload(name, document)),
            "Service" => {
                let ports = items(document, "/spec/ports").iter();
                let ports = ports.map(|port| (text(port, "/name"), number(port, "/port")));
                self.services.insert(name, ports.collect());
            }
            "ConfigMap" => {
                self.shared.insert(name, texts(document, "/data"));
            }
            _ => {}
        }
        if !self.files.contains(&file.path) {
            self.files.push(file.path.clone());
        }
    }
}

fn workload(name: String, document: &Value) -> Workload {
    let pod = at(document, "/spec/template/spec");
    let container = at(pod, "/containers/0");
    let sources = items(container, "/envFrom").iter();
    let environment = items(container, "/env").iter();
    let ports = items(container, "/ports").iter();
    let probes = [
        ("startup", "/startupProbe"),
        ("readiness", "/readinessProbe"),
        ("liveness", "/livenessProbe"),
    ];
    let probes = probes.into_iter().map(|(probe, place)| {
        let asked = at(container, place);
        (probe, (text(asked, "/httpGet/path"), text(asked, "/httpGet/port")))
    });
    Workload {
        name,
        image: text(container, "/image"),
        environment: environment
            .map(|variable| (text(variable, "/name"), text(variable, "/value")))
            .collect(),
        sources: sources
            .flat_map(|source| [text(source, "/configMapRef/name"), text(source, "/secretRef/name")])
            .filter(|source| !source.is_empty())
            .collect(),
        ports: ports
            .map(|port| (text(port, "/name"), number(port, "/containerPort")))
            .collect(),
        probes: probes.collect(),
        scraped: text(document, "/spec/template/metadata/annotations/prometheus.io~1port"),
        grace_s: number(pod, "/terminationGracePeriodSeconds"),
        pre_stop_s: number(container, "/lifecycle/preStop/sleep/seconds"),
    }
}

fn at<'a>(value: &'a Value, place: &str) -> &'a Value {
    value.pointer(place).unwrap_or(&Value::Null)
}

fn items<'a>(value: &'a Value, place: &str) -> &'a [Value] {
    at(value, place).as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value, place: &str) -> String {
    as_text(at(value, place))
}

fn as_text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn number(value: &Value, place: &str) -> u64 {
    at(value, place).as_u64().unwrap_or_default()
}

fn texts(value: &Value, place: &str) -> BTreeMap<String, String> {
    let fields = at(value, place).as_object().into_iter().flatten();
    fields.map(|(name, value)| (name.clone(), as_text(value))).collect()
}
