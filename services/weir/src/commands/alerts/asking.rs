//! What the monitor is asked and told.

use std::time::Duration;

use clap::Args;
use tonic::transport::Channel;
use weir_model::Clock;
use weir_proto::common::v1::PageRequest;
use weir_proto::monitor::v1 as api;
use weir_proto::monitor::v1::monitor_service_client::MonitorServiceClient;

use super::showing;
use crate::commands::times::parse_span;
use crate::connect::refusal;
use crate::terminal::{Failure, say_done};

/// The server gives no more at once.
const PAGE_MAX: u32 = 1_000;

#[derive(Debug, Args)]
pub(super) struct SilenceArguments {
    /// What fits, all of it: `rule=`, `severity=`, `fingerprint=` or a label, with a pattern in which `*` stands for any part
    /// and `|` separates alternatives, such as rule=slow-* or database=shop.
    #[arg(required = true, value_name = "NAME=PATTERN", value_parser = matcher)]
    matchers: Vec<(String, String)>,
    /// For how long from now on, such as 30m, 2h or 7d.
    #[arg(long = "for", value_name = "SPAN", default_value = "2h", value_parser = parse_span)]
    span: Duration,
    /// Why it is silenced, for those who look.
    #[arg(long, default_value = "", hide_default_value = true)]
    comment: String,
    /// Alerts of all projects, not only of --project.
    #[arg(long)]
    all_projects: bool,
    /// Who wants it. Without it: the user of this machine.
    #[arg(long)]
    by: Option<String>,
}

fn matcher(text: &str) -> Result<(String, String), String> {
    let (name, pattern) = text
        .split_once('=')
        .ok_or("NAME=PATTERN is expected, such as rule=slow-query")?;
    if name.is_empty() || pattern.is_empty() {
        return Err("neither the name nor the pattern may be empty".to_owned());
    }
    Ok((name.to_owned(), pattern.to_owned()))
}

#[derive(Debug, Args)]
pub(super) struct RuleArguments {
    /// The rule: 1 to 63 of a-z, 0-9 and -.
    name: String,
    /// The figure that it looks at, such as query.p95_ms; needed for a rule that is new.
    #[arg(long)]
    metric: Option<String>,
    /// Things are bad below the bounds instead of above them.
    #[arg(long)]
    below: bool,
    /// From where on it is worth knowing, in the unit of the figure.
    #[arg(long, allow_negative_numbers = true)]
    info: Option<f64>,
    /// From where on somebody should look during the day.
    #[arg(long, allow_negative_numbers = true)]
    warning: Option<f64>,
    /// From where on somebody should look now.
    #[arg(long, allow_negative_numbers = true)]
    critical: Option<f64>,
    /// How long the condition has to hold, such as 5m.
    #[arg(long = "for", value_name = "SPAN", value_parser = parse_span)]
    span: Option<Duration>,
    /// Whether it is judged at all.
    #[arg(long, value_name = "true|false")]
    enabled: Option<bool>,
    /// For all projects, not only for --project.
    #[arg(long)]
    all_projects: bool,
}

/// Who asks, and how it is shown.
pub(super) struct Desk {
    pub(super) monitor: MonitorServiceClient<Channel>,
    pub(super) project: String,
    pub(super) json: bool,
}

impl Desk {
    async fn alerts(&mut self, states: Vec<i32>, limit: u32) -> Result<Vec<api::Alert>, Failure> {
        let (mut all, mut token, mut left) = (Vec::new(), String::new(), limit);
        loop {
            let request = api::ListAlertsRequest {
                project: self.project.clone(),
                states: states.clone(),
                page: Some(PageRequest {
                    size: left.min(PAGE_MAX),
                    token,
                }),
                ..api::ListAlertsRequest::default()
            };
            let part = self.monitor.list_alerts(request).await.map_err(refusal)?.into_inner();
            left = left.saturating_sub(u32::try_from(part.alerts.len())?);
            let is_empty = part.alerts.is_empty();
            all.extend(part.alerts);
            token = part.page.unwrap_or_default().next_token;
            if token.is_empty() || left == 0 || is_empty {
                return Ok(all);
            }
        }
    }

    pub(super) async fn list(&mut self, all: bool, limit: u32) -> Result<(), Failure> {
        use api::AlertState::{Firing, Pending, Resolved};
        let states = if all {
            vec![Firing, Pending, Resolved]
        } else {
            vec![Firing]
        };
        let alerts = self.alerts(states.into_iter().map(i32::from).collect(), limit).await?;
        showing::alerts(&alerts, self.json)
    }

    pub(super) async fn acknowledge(&mut self, id: &str, by: Option<String>, note: String) -> Result<(), Failure> {
        let by = by.ok_or("nobody knows who you are; say --by NAME")?;
        let id = self.whole_id(id).await?;
        let request = api::AcknowledgeAlertRequest {
            id,
            by,
            note,
            ..api::AcknowledgeAlertRequest::default()
        };
        let noted = self
            .monitor
            .acknowledge_alert(request)
            .await
            .map_err(refusal)?
            .into_inner();
        showing::alerts(noted.alert.as_slice(), self.json)
    }

    /// The id of the one alert that fires and begins like this; what no alert begins with is left for the monitor to refuse.
    async fn whole_id(&mut self, begin: &str) -> Result<String, Failure> {
        let alerts = self.alerts(vec![api::AlertState::Firing.into()], PAGE_MAX).await?;
        let mut fit = alerts
            .iter()
            .map(|alert| alert.id.as_str())
            .filter(|id| id.starts_with(begin));
        match (fit.next(), fit.next()) {
            (Some(one), None) => Ok(one.to_owned()),
            (None, _) => Ok(begin.to_owned()),
            (Some(_), Some(_)) => {
                Err(format!("several alerts have ids that begin with {begin:?}; write more of it").into())
            }
        }
    }

    pub(super) async fn silences(&mut self) -> Result<(), Failure> {
        let told = self.monitor.list_silences(api::ListSilencesRequest::default()).await;
        showing::silences(&told.map_err(refusal)?.into_inner().silences, self.json)
    }

    pub(super) async fn silence(&mut self, wanted: SilenceArguments, user: Option<String>) -> Result<(), Failure> {
        let author = wanted.by.or(user).ok_or("nobody knows who you are; say --by NAME")?;
        let mut matchers: std::collections::HashMap<String, String> = wanted.matchers.into_iter().collect();
        if !wanted.all_projects && !matchers.contains_key("project") {
            let project = if self.project.is_empty() {
                "default"
            } else {
                &self.project
            };
            matchers.insert("project".to_owned(), project.to_owned());
        }
        let silence = api::Silence {
            matchers: matchers.into_iter().collect(),
            ends_unix_ms: Clock::system()
                .unix_ms()
                .saturating_add(i64::try_from(wanted.span.as_millis())?),
            author,
            comment: wanted.comment,
            ..api::Silence::default()
        };
        let request = api::PutSilenceRequest { silence: Some(silence) };
        let put = self.monitor.put_silence(request).await.map_err(refusal)?.into_inner();
        showing::silences(put.silence.as_slice(), self.json)
    }

    pub(super) async fn unsilence(&mut self, id: String) -> Result<(), Failure> {
        let request = api::ExpireSilenceRequest {
            id: id.clone(),
            ..api::ExpireSilenceRequest::default()
        };
        self.monitor.expire_silence(request).await.map_err(refusal)?;
        say_done(&id, "is ended", self.json)
    }

    pub(super) async fn rules(&mut self, name: Option<String>) -> Result<(), Failure> {
        let told = self
            .monitor
            .list_rules(api::ListRulesRequest {})
            .await
            .map_err(refusal)?;
        let mut rules = told.into_inner().rules;
        if let Some(name) = name {
            let known: Vec<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
            if !known.contains(&name.as_str()) {
                return Err(unknown("rule", &name, &known, "weir alerts rules").into());
            }
            rules.retain(|rule| rule.name == name);
        }
        showing::rules(&rules, self.json)
    }

    pub(super) async fn set_rule(&mut self, wanted: RuleArguments) -> Result<(), Failure> {
        let direction = if wanted.below {
            api::RuleDirection::Below
        } else {
            api::RuleDirection::Unspecified
        };
        let rule = api::AlertRule {
            name: wanted.name,
            project: if wanted.all_projects {
                String::new()
            } else {
                self.project.clone()
            },
            enabled: wanted.enabled,
            metric: wanted.metric,
            direction: direction.into(),
            info: wanted.info,
            warning: wanted.warning,
            critical: wanted.critical,
            for_ms: wanted.span.map(|span| u64::try_from(span.as_millis())).transpose()?,
            ..api::AlertRule::default()
        };
        let put = self.monitor.put_rule(api::PutRuleRequest { rule: Some(rule) }).await;
        showing::rules(put.map_err(refusal)?.into_inner().rule.as_slice(), self.json)
    }

    pub(super) async fn reset_rule(&mut self, name: String) -> Result<(), Failure> {
        let request = api::ResetRuleRequest {
            name: name.clone(),
            project: self.project.clone(),
        };
        self.monitor.reset_rule(request).await.map_err(refusal)?;
        say_done(&name, "is reset", self.json)
    }

    pub(super) async fn channels(&mut self) -> Result<(), Failure> {
        let channels = self.listed().await?;
        showing::channels(&channels, self.json)
    }

    async fn listed(&mut self) -> Result<Vec<api::AlertChannel>, Failure> {
        let told = self.monitor.list_channels(api::ListChannelsRequest {}).await;
        Ok(told.map_err(refusal)?.into_inner().channels)
    }

    pub(super) async fn test(&mut self, name: String) -> Result<(), Failure> {
        let channels = self.listed().await?;
        let known: Vec<&str> = channels.iter().map(|channel| channel.name.as_str()).collect();
        if !known.contains(&name.as_str()) {
            return Err(unknown("channel", &name, &known, "weir alerts channels").into());
        }
        let request = api::TestChannelRequest { name: name.clone() };
        let told = self.monitor.test_channel(request).await.map_err(refusal)?.into_inner();
        showing::test(&name, &told, self.json)?;
        if told.accepted {
            Ok(())
        } else {
            Err(format!("{name} did not accept it").into())
        }
    }
}

/// That there is no such thing, with the nearest there is and where all are listed.
fn unknown(what: &str, name: &str, known: &[&str], list: &str) -> String {
    let near = weir_config::nearest(name, known).map(|near| format!("; did you mean {near}?"));
    format!("there is no {what} {name}{} ({list})", near.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matchers_have_a_name_and_a_pattern() {
        assert_eq!(matcher("rule=slow-*"), Ok(("rule".to_owned(), "slow-*".to_owned())));
        assert_eq!(matcher("label=a=b"), Ok(("label".to_owned(), "a=b".to_owned())));
        assert!(matcher("rule").is_err() && matcher("=x").is_err() && matcher("rule=").is_err());
    }

    #[test]
    fn a_wrong_name_comes_with_the_nearest() {
        let line = unknown("rule", "slow-qery", &["slow-query", "latency-p95"], "weir alerts rules");
        assert_eq!(
            line,
            "there is no rule slow-qery; did you mean slow-query? (weir alerts rules)"
        );
        assert_eq!(unknown("rule", "x", &["slow-query"], "l"), "there is no rule x (l)");
    }
}
