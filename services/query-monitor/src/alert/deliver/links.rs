//! From an alert to its statement, its traces and the page that says what to do. Pure.

use weir_config::{Error, Origin};

use crate::alert::notice::Notice;
use crate::settings::MonitorSettings;

/// Where a trace id stands in the template.
const TRACE_ID: &str = "{trace_id}";
/// Most traces of an alert that are linked.
const TRACES_MAX: usize = 5;

/// How links are made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Links {
    console: String,
    docs: String,
    trace: String,
}

/// The links of one alert; one that is empty cannot be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct NoticeLinks {
    /// The alert in the console.
    pub alert: String,
    /// Its statement there.
    pub query: String,
    /// What to do.
    pub runbook: String,
    /// Traces that show it.
    pub traces: Vec<String>,
}

impl Links {
    /// Checks the bases of the settings.
    pub(crate) fn of(settings: &MonitorSettings) -> Result<Self, Error> {
        let wrong = |key: &str, reason: &str| Error::invalid(format!("monitor.{key}"), Origin::File, reason);
        let base = |key: &str, url: &Option<String>| match url {
            None => Ok(String::new()),
            Some(url) if is_link(url) => Ok(url.trim_end_matches('/').to_owned()),
            Some(_) => Err(wrong(
                key,
                "it must be a URL that begins with http:// or https://, without spaces",
            )),
        };
        let trace = base("trace_url", &settings.trace_url)?;
        if !trace.is_empty() && !trace.contains(TRACE_ID) {
            return Err(wrong("trace_url", "it must hold {trace_id}, where the trace's id goes"));
        }
        Ok(Self {
            console: base("links_base", &settings.links_base)?,
            docs: base("docs_base", &settings.docs_base)?,
            trace,
        })
    }

    /// The links of an alert.
    pub(crate) fn of_notice(&self, notice: &Notice) -> NoticeLinks {
        let ids = notice.traces.iter().filter_map(|trace| trace_id(trace));
        NoticeLinks {
            alert: self.console_link("alerts", &notice.alert_id, notice),
            query: self.console_link("queries", &notice.fingerprint, notice),
            runbook: self.runbook(&notice.runbook),
            traces: ids.take(TRACES_MAX).filter_map(|id| self.trace_link(id)).collect(),
        }
    }

    fn console_link(&self, what: &str, id: &str, notice: &Notice) -> String {
        if self.console.is_empty() || id.is_empty() {
            return String::new();
        }
        format!(
            "{}/{what}/{}?project={}",
            self.console,
            encoded(id),
            encoded(&notice.project)
        )
    }

    /// A runbook that is a URL is one already; a path lies below the documentation.
    fn runbook(&self, runbook: &str) -> String {
        if is_link(runbook) {
            runbook.to_owned()
        } else if self.docs.is_empty() || runbook.is_empty() || runbook.chars().any(|found| !is_of_url(found)) {
            String::new()
        } else {
            format!("{}/{}", self.docs, runbook.trim_start_matches('/'))
        }
    }

    fn trace_link(&self, id: &str) -> Option<String> {
        (!self.trace.is_empty()).then(|| self.trace.replace(TRACE_ID, id))
    }
}

/// The id of a trace, from itself or from a `traceparent`.
fn trace_id(text: &str) -> Option<&str> {
    let id = text.split('-').find(|part| part.len() == 32)?;
    id.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(id)
}

fn is_link(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && rest.chars().all(is_of_url))
}

/// What may stand in a link without ending it, wherever it is shown.
fn is_of_url(character: char) -> bool {
    character.is_ascii_graphic() && !"<>\"'|\\`".contains(character)
}

fn encoded(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes()
        .map(|byte| {
            if keep(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}
