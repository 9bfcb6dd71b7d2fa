//! Metrics as text (OpenMetrics): read, looked into, and those of several services put together as one. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// What a family's samples may be called beside its own name.
const SUFFIXES: [&str; 7] = ["", "_total", "_created", "_bucket", "_count", "_sum", "_info"];

/// What is counted under one name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Family {
    pub(crate) name: String,
    kind: String,
    help: String,
    unit: String,
    pub(crate) samples: Vec<Sample>,
}

/// One series' value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) name: String,
    /// As they stand between the braces.
    labels: String,
    /// The value, and whatever follows it.
    rest: String,
}

impl Sample {
    pub(crate) fn value(&self) -> Option<f64> {
        self.rest.split_ascii_whitespace().next()?.parse().ok()
    }

    pub(crate) fn label(&self, wanted: &str) -> Option<String> {
        labels(&self.labels)
            .find(|(name, _)| *name == wanted)
            .map(|(_, value)| value)
    }
}

/// Every family of a text, in its order. What is no line of the format is passed over.
pub(crate) fn read(text: &str) -> Vec<Family> {
    let mut families = Reader::default();
    for line in text.lines() {
        if line == "# EOF" {
            break;
        }
        match line.strip_prefix("# ") {
            Some(said) => families.hear(said),
            None => families.take(line),
        }
    }
    families.all
}

/// One family of a text.
pub(crate) fn family<'a>(families: &'a [Family], name: &str) -> impl Iterator<Item = &'a Sample> + use<'a> {
    let found = families.iter().find(|family| family.name == name);
    found.into_iter().flat_map(|family| &family.samples)
}

#[derive(Default)]
struct Reader {
    all: Vec<Family>,
    places: BTreeMap<String, usize>,
}

impl Reader {
    fn of(&mut self, name: &str) -> Option<&mut Family> {
        let place = *self.places.entry(name.to_owned()).or_insert_with(|| {
            self.all.push(Family {
                name: name.to_owned(),
                ..Family::default()
            });
            self.all.len() - 1
        });
        self.all.get_mut(place)
    }

    fn hear(&mut self, said: &str) {
        let mut words = said.splitn(3, ' ');
        let (Some(what), Some(name)) = (words.next(), words.next()) else {
            return;
        };
        let text = words.next().unwrap_or_default().to_owned();
        let Some(family) = ["HELP", "TYPE", "UNIT"]
            .contains(&what)
            .then(|| self.of(name))
            .flatten()
        else {
            return;
        };
        match what {
            "HELP" => family.help = text,
            "TYPE" => family.kind = text,
            _ => family.unit = text,
        }
    }

    fn take(&mut self, line: &str) {
        let Some(sample) = sample(line) else { return };
        let known = SUFFIXES.iter().find_map(|suffix| {
            let name = sample.name.strip_suffix(suffix)?;
            self.places.contains_key(name).then(|| name.to_owned())
        });
        let name = known.unwrap_or_else(|| sample.name.clone());
        if let Some(family) = self.of(&name) {
            family.samples.push(sample);
        }
    }
}

fn sample(line: &str) -> Option<Sample> {
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at_checked(end).filter(|(name, _)| !name.is_empty())?;
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => rest.split_at_checked(closing(rest)?)?,
        None => ("", rest),
    };
    let rest = rest.trim_start_matches('}').trim();
    rest.split_ascii_whitespace().next()?.parse::<f64>().ok()?;
    Some(Sample {
        name: name.to_owned(),
        labels: labels.to_owned(),
        rest: rest.to_owned(),
    })
}

/// Where the labels end: at a brace that is in no value.
fn closing(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    text.bytes().position(|byte| {
        let is_end = byte == b'}' && !quoted;
        if byte == b'"' && !escaped {
            quoted = !quoted;
        }
        escaped = byte == b'\\' && !escaped;
        is_end
    })
}

fn labels(mut text: &str) -> impl Iterator<Item = (&str, String)> {
    std::iter::from_fn(move || {
        let (name, rest) = text.trim_start_matches(',').split_once("=\"")?;
        let (value, length) = unquoted(rest);
        text = rest.get(length..).unwrap_or_default();
        Some((name, value))
    })
}

/// A value up to its closing quote, and how many bytes it took.
fn unquoted(text: &str) -> (String, usize) {
    let (mut value, mut escaped) = (String::new(), false);
    for (place, character) in text.char_indices() {
        match (escaped, character) {
            (false, '"') => return (value, place + 1),
            (false, '\\') => escaped = true,
            (true, 'n') => {
                value.push('\n');
                escaped = false;
            }
            _ => {
                value.push(character);
                escaped = false;
            }
        }
    }
    (value, text.len())
}

/// The metrics of several services as one text. A name that several serve gets a label of whose it is. A name that means
/// something else at a later service is left out there.
pub(crate) fn together(services: &[(&str, String)]) -> String {
    let read: Vec<(&str, Vec<Family>)> = services.iter().map(|(name, text)| (*name, read(text))).collect();
    let mut order: Vec<&str> = Vec::new();
    let mut by_name: BTreeMap<&str, Vec<(&str, &Family)>> = BTreeMap::new();
    for (service, families) in &read {
        for family in families {
            let found = by_name.entry(&family.name).or_default();
            if found.is_empty() {
                order.push(&family.name);
            }
            if found.first().is_none_or(|(_, first)| first.kind == family.kind) {
                found.push((service, family));
            }
        }
    }
    let mut text = String::new();
    for name in order {
        write_family(&mut text, by_name.get(name).map(Vec::as_slice).unwrap_or_default());
    }
    text.push_str("# EOF\n");
    text
}

fn write_family(text: &mut String, served: &[(&str, &Family)]) {
    let Some((_, first)) = served.first() else { return };
    // Writing to a String cannot fail.
    for (what, said) in [("HELP", &first.help), ("TYPE", &first.kind), ("UNIT", &first.unit)] {
        if !said.is_empty() {
            let _ = writeln!(text, "# {what} {} {said}", first.name);
        }
    }
    let services: BTreeSet<&str> = served.iter().map(|(service, _)| *service).collect();
    for (service, family) in served {
        for sample in &family.samples {
            let labels = if services.len() > 1 {
                marked(sample, service)
            } else {
                sample.labels.clone()
            };
            let braced = if labels.is_empty() {
                String::new()
            } else {
                format!("{{{labels}}}")
            };
            let _ = writeln!(text, "{}{braced} {}", sample.name, sample.rest);
        }
    }
}

fn marked(sample: &Sample, service: &str) -> String {
    let is_taken = sample.label("service").is_some();
    let own = format!("{}=\"{service}\"", if is_taken { "served_by" } else { "service" });
    if sample.labels.is_empty() {
        own
    } else {
        format!("{own},{}", sample.labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATEWAY: &str = "# HELP weir_up Whether.\n# TYPE weir_up gauge\nweir_up 1\n\
        # HELP weir_queries Statements.\n# TYPE weir_queries counter\n\
        weir_queries_total{project=\"a } \\\"b\\\"\",kind=\"select\"} 7 # {trace=\"x\"} 1\n# EOF\n";
    const MONITOR: &str = "# HELP weir_up Whether.\n# TYPE weir_up gauge\nweir_up 0\n\
        # TYPE weir_queries gauge\nweir_queries 3\n# TYPE weir_seconds histogram\nweir_seconds_bucket{le=\"+Inf\"} 2\nweir_seconds_sum 0.5\nnonsense\n# EOF\n";

    #[test]
    fn names_that_several_serve_are_told_apart_and_said_once() {
        let text = together(&[
            ("pool-gateway", GATEWAY.to_owned()),
            ("query-monitor", MONITOR.to_owned()),
        ]);
        assert_eq!(text.matches("# TYPE weir_up gauge").count(), 1, "{text}");
        assert_eq!((text.matches("# EOF").count(), text.ends_with("# EOF\n")), (1, true));
        assert!(
            text.contains("weir_up{service=\"pool-gateway\"} 1\nweir_up{service=\"query-monitor\"} 0\n"),
            "{text}"
        );
        // Only one serves it, and what others mean by the name is not it.
        let own = "weir_queries_total{project=\"a } \\\"b\\\"\",kind=\"select\"} 7 # {trace=\"x\"} 1\n";
        assert!(text.contains(own) && !text.contains("weir_queries 3"), "{text}");
        assert!(
            text.contains("weir_seconds_bucket{le=\"+Inf\"} 2\nweir_seconds_sum 0.5\n"),
            "{text}"
        );
        assert!(!text.contains("nonsense"));
        let families = read(&text);
        let bucket = family(&families, "weir_seconds").next().unwrap();
        assert_eq!(
            (bucket.label("le").as_deref(), bucket.value()),
            (Some("+Inf"), Some(2.0))
        );
        let queries = family(&families, "weir_queries").next().unwrap();
        assert_eq!(queries.label("project").as_deref(), Some("a } \"b\""));
    }

    #[test]
    fn a_label_of_that_name_is_kept() {
        let one = "# TYPE x counter\nx_total{service=\"cache\"} 1\n".to_owned();
        let text = together(&[("a", one.clone()), ("b", one)]);
        assert!(text.contains("x_total{served_by=\"b\",service=\"cache\"} 1"), "{text}");
    }
}
