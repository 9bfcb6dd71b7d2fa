//! Rules for databases, users, applications and projects, and what they come to for one caller. Pure.
//!
//! A rule says whom it is about and what holds for them. For every setting the first rule that is about the caller and
//! names it decides; where none does, the general setting holds.

mod pattern;
mod reading;

use std::sync::Arc;
use std::time::Duration;

use weir_config::{Setting, Texts};
use weir_model::Project;

use crate::budget::Rates;
use crate::firewall::Terms as Firewall;
use crate::settings::{Bounds, FirewallMode, GatewaySettings, PoolMode, Strictness};
use pattern::Pattern;

/// One who asks, as rules know it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller<'c> {
    pub(crate) database: &'c str,
    pub(crate) user: &'c str,
    /// As the calling program names itself.
    pub(crate) application: &'c str,
    /// Not known while it is being decided.
    pub(crate) project: Option<&'c Project>,
}

/// The rules of the settings, in their order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules(Vec<Rule>);

/// One rule.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rule {
    text: String,
    scope: Scope,
    says: Says,
}

/// Whom a rule is about; all, where it names nobody.
#[derive(Debug, Clone, Default, PartialEq)]
struct Scope {
    /// As it was written, without the settings.
    text: Arc<str>,
    database: Pattern,
    user: Pattern,
    application: Pattern,
    project: Pattern,
}

/// What a rule decides.
#[derive(Debug, Clone, Default, PartialEq)]
struct Says {
    pool_mode: Option<PoolMode>,
    pool_max: Option<u32>,
    pool_min: Option<u32>,
    clients_max: Option<usize>,
    weight: Option<f64>,
    statement_timeout: Option<Duration>,
    idle_in_transaction_timeout: Option<Duration>,
    project: Option<Project>,
    choose_project: Option<bool>,
    queries_per_second: Option<f64>,
    rows_per_second: Option<f64>,
    bytes_per_second: Option<f64>,
    server_seconds_per_second: Option<f64>,
    firewall: Option<FirewallMode>,
    firewall_threshold: Option<u16>,
    firewall_strictness: Option<Strictness>,
    firewall_forbidden: Option<bool>,
}

impl Scope {
    fn covers(&self, caller: &Caller<'_>) -> bool {
        let project = caller.project.map_or("", Project::as_str);
        self.database.covers(caller.database)
            && self.user.covers(caller.user)
            && self.application.covers(caller.application)
            && self.project.covers(project)
    }
}

/// How many clients of a rule may be in at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Crowd {
    /// Whom the rule is about.
    pub(crate) scope: Arc<str>,
    pub(crate) max: usize,
}

/// What holds for one caller.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    /// The settings that it follows from.
    pub(crate) settings: Arc<GatewaySettings>,
    pub(crate) mode: PoolMode,
    /// The share of its project in the line.
    pub(crate) weight: f64,
    pub(crate) statement_timeout: Duration,
    /// Zero: never.
    pub(crate) idle_in_transaction_timeout: Duration,
    pub(crate) crowd: Option<Crowd>,
    pub(crate) rates: Option<Rates>,
    pub(crate) firewall: Firewall,
}

/// A caller asks for another project than its own.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotItsProject {
    pub(crate) own: Project,
    pub(crate) asked: Project,
}

impl Rules {
    /// The texts of the rules, with whom each is about.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|rule| (rule.text.as_str(), &*rule.scope.text))
    }

    fn first<T>(&self, caller: &Caller<'_>, what: impl Fn(&Says) -> Option<T>) -> Option<T> {
        self.decided(caller, what).map(|(_, value)| value)
    }

    /// The value that holds, and the rule that says so.
    fn decided<T>(&self, caller: &Caller<'_>, what: impl Fn(&Says) -> Option<T>) -> Option<(&Rule, T)> {
        let mut about = self.0.iter().filter(|rule| rule.scope.covers(caller));
        about.find_map(|rule| Some((rule, what(&rule.says)?)))
    }

    /// The project of a caller who asks for this one, or for none.
    fn project(&self, caller: Caller<'_>, asked: Option<Project>, default: &Project) -> Result<Project, NotItsProject> {
        let caller = Caller {
            project: None,
            ..caller
        };
        let ruled = self.first(&caller, |says| says.project.clone());
        let may_choose = self
            .first(&caller, |says| says.choose_project)
            .unwrap_or(ruled.is_none());
        let own = ruled.unwrap_or_else(|| default.clone());
        match asked {
            Some(asked) if asked != own && !may_choose => Err(NotItsProject { own, asked }),
            asked => Ok(asked.unwrap_or(own)),
        }
    }

    fn rates(&self, caller: &Caller<'_>) -> Option<Rates> {
        let rates = Rates {
            queries: self.first(caller, |says| says.queries_per_second),
            rows: self.first(caller, |says| says.rows_per_second),
            bytes: self.first(caller, |says| says.bytes_per_second),
            server_seconds: self.first(caller, |says| says.server_seconds_per_second),
        };
        (rates != Rates::default()).then_some(rates)
    }
}

impl GatewaySettings {
    /// The project of a caller who asks for this one, or for none.
    pub(crate) fn project_of(&self, caller: Caller<'_>, asked: Option<Project>) -> Result<Project, NotItsProject> {
        self.rules.project(caller, asked, &self.default_project)
    }

    /// What holds for a caller.
    pub(crate) fn policy(self: &Arc<Self>, caller: &Caller<'_>) -> Policy {
        let rules = &self.rules;
        let crowd = rules.decided(caller, |says| says.clients_max);
        let statement = rules.first(caller, |says| says.statement_timeout);
        let idle = rules.first(caller, |says| says.idle_in_transaction_timeout);
        Policy {
            mode: rules.first(caller, |says| says.pool_mode).unwrap_or(self.pool_mode),
            weight: rules.first(caller, |says| says.weight).unwrap_or(1.0),
            statement_timeout: statement.unwrap_or(self.statement_timeout),
            idle_in_transaction_timeout: idle.unwrap_or(self.idle_in_transaction_timeout),
            crowd: crowd.map(|(rule, max)| Crowd {
                scope: rule.scope.text.clone(),
                max,
            }),
            rates: rules.rates(caller),
            firewall: self.firewall(caller),
            settings: self.clone(),
        }
    }

    /// What the firewall does with the statements of a caller.
    pub(crate) fn firewall(&self, caller: &Caller<'_>) -> Firewall {
        let rules = &self.rules;
        let mode = rules.first(caller, |says| says.firewall);
        let threshold = rules.first(caller, |says| says.firewall_threshold);
        let strictness = rules.first(caller, |says| says.firewall_strictness);
        let forbidden = rules.first(caller, |says| says.firewall_forbidden);
        Firewall {
            mode: mode.unwrap_or(self.firewall),
            threshold: threshold.unwrap_or(self.firewall_threshold),
            strictness: strictness.unwrap_or(self.firewall_strictness),
            forbidden: forbidden.unwrap_or(self.firewall_forbidden),
        }
    }

    /// How clients of a database and user keep connections, unless their application says otherwise.
    pub(crate) fn mode_of(&self, database: &str, user: &str) -> PoolMode {
        let mode = self.rules.first(&pool(database, user), |says| says.pool_mode);
        mode.unwrap_or(self.pool_mode)
    }

    /// The bounds of the pool of a database and user.
    pub(crate) fn bounds_of(&self, database: &str, user: &str) -> Bounds {
        let pool = pool(database, user);
        let general = self.bounds();
        let max = self.rules.first(&pool, |says| says.pool_max).map(crate::settings::size);
        let min = self.rules.first(&pool, |says| says.pool_min).map(crate::settings::size);
        let steady = max.unwrap_or(general.steady);
        // Without a word on it, the minimum is a quarter of what the rule gives, as it is of what the settings give.
        let usual = if max.is_some() {
            general.min.min(steady / 4)
        } else {
            general.min
        };
        Bounds {
            min: min.unwrap_or(usual).min(steady),
            steady,
            max: max.unwrap_or(general.max),
        }
    }
}

/// A pool, as rules know it.
const fn pool<'p>(database: &'p str, user: &'p str) -> Caller<'p> {
    Caller {
        database,
        user,
        application: "",
        project: None,
    }
}

impl Setting for Rules {
    fn kind() -> String {
        "a list of rules".to_owned()
    }

    fn read(text: &str) -> Result<Self, String> {
        Texts::read(text).and_then(Self::of)
    }

    fn read_toml(value: &weir_config::toml::Value) -> Result<Self, String> {
        Texts::read_toml(value).and_then(Self::of)
    }

    fn show(&self) -> String {
        Texts(self.0.iter().map(|rule| rule.text.clone()).collect()).show()
    }
}

impl Rules {
    fn of(texts: Texts) -> Result<Self, String> {
        let rules = texts.0.into_iter().enumerate().map(|(index, text)| {
            let rule = reading::rule(&text);
            rule.map_err(|reason| format!("rule {}, {text:?}: {reason}", index + 1))
        });
        rules.collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests;
