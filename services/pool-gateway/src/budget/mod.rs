//! What projects may spend, and who waits because too much was spent.
//!
//! A budget belongs to a project and the rates that hold for the caller, and all who have the same share it. Each of
//! them has a [`Purse`]: it pays before something is run, and settles afterwards.

mod buckets;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use weir_model::Project;

use buckets::{Buckets, TooLittle};
pub(crate) use buckets::{Cost, Rates};

use crate::error::Error;
use crate::metrics::Metrics;

/// Budgets that are remembered before those that are full are forgotten.
const SWEEP_AT: usize = 1_000;

/// Every budget that somebody spends from.
#[derive(Debug)]
pub(crate) struct Budgets {
    known: Mutex<HashMap<Project, Vec<Arc<Budget>>>>,
    metrics: Arc<Metrics>,
}

/// What one project may spend at these rates.
#[derive(Debug)]
struct Budget {
    project: Project,
    rates: Rates,
    buckets: Mutex<Buckets>,
    metrics: Arc<Metrics>,
}

/// Where somebody stands who has a budget.
#[derive(Debug, Clone, Copy)]
enum Paid {
    /// What is run next has not been paid for.
    Nothing,
    /// It has been, as of this moment.
    From(Instant, Cost),
}

/// One who spends from a budget.
#[derive(Debug)]
pub(crate) struct Purse {
    budget: Arc<Budget>,
    paid: Mutex<Paid>,
}

impl Budgets {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            known: Mutex::default(),
            metrics,
        }
    }

    /// A purse for one of this project, where there are rates for it.
    pub(crate) fn purse(&self, project: &Project, rates: Option<Rates>) -> Option<Purse> {
        Some(Purse {
            budget: self.budget(project, rates?),
            paid: Mutex::new(Paid::Nothing),
        })
    }

    fn budget(&self, project: &Project, rates: Rates) -> Arc<Budget> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= SWEEP_AT && !known.contains_key(project) {
            forget_full(&mut known);
        }
        let own = known.entry(project.clone()).or_default();
        if let Some(budget) = own.iter().find(|budget| budget.rates == rates) {
            return budget.clone();
        }
        // Those of rates that hold no more.
        own.retain(|budget| budget.is_needed());
        let budget = Arc::new(Budget {
            project: project.clone(),
            rates,
            buckets: Mutex::new(Buckets::new(rates, Instant::now())),
            metrics: self.metrics.clone(),
        });
        own.push(budget.clone());
        budget
    }

    /// Sets the gauges that mirror the budgets: of several of one project, that which is nearest to its end.
    pub(crate) fn show(&self) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for (project, budgets) in known.iter() {
            let mut least: HashMap<&str, f64> = HashMap::new();
            for (name, share) in budgets.iter().flat_map(|budget| budget.shares()) {
                let known = least.entry(name).or_insert(share);
                *known = known.min(share);
            }
            for (name, share) in least {
                let gauge = self.metrics.budget_left_ratio.with([project.as_str(), name]);
                gauge.set(share);
            }
        }
    }

    /// What is left of each budget.
    pub(crate) fn all(&self) -> Vec<(Project, Vec<(&'static str, f64)>)> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = known
            .values()
            .flatten()
            .map(|budget| (budget.project.clone(), budget.shares()))
            .collect();
        all.sort_by(|a, b| a.0.as_str().cmp(b.0.as_str()));
        all
    }
}

fn forget_full(known: &mut HashMap<Project, Vec<Arc<Budget>>>) {
    known.retain(|_, budgets| {
        budgets.retain(|budget| budget.is_needed());
        !budgets.is_empty()
    });
}

impl Budget {
    fn with<T>(&self, act: impl FnOnce(&mut Buckets) -> T) -> T {
        act(&mut self.buckets.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether somebody spends from it, or did so lately.
    fn is_needed(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) > 1 || !self.with(|buckets| buckets.is_full(Instant::now()))
    }

    fn shares(&self) -> Vec<(&'static str, f64)> {
        self.with(|buckets| buckets.shares(Instant::now()))
    }

    fn reserve(&self, patience: Duration) -> Result<(Duration, Cost), Error> {
        let reserved = self.with(|buckets| buckets.reserve(Instant::now(), patience));
        let project = self.project.as_str();
        match reserved {
            Ok((wait, cost)) => {
                if !wait.is_zero() {
                    let waits = self.metrics.budget_wait_seconds.with([project]);
                    waits.observe(wait.as_secs_f64());
                }
                Ok((wait, cost))
            }
            Err(TooLittle { of, after }) => {
                self.metrics.budget_refusals.with([project, of]).inc();
                Err(Error::BudgetSpent {
                    project: self.project.clone(),
                    what: of,
                    retry_after: after,
                })
            }
        }
    }
}

impl Purse {
    /// Pays for what is run next, if that has not been done. Returns the moment from which on it may run; none: now.
    pub(crate) fn pay(&self, patience: Duration) -> Result<Option<Instant>, Error> {
        let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        let from = match *paid {
            Paid::From(from, _) => from,
            Paid::Nothing => {
                let (wait, cost) = self.budget.reserve(patience)?;
                let from = Instant::now() + wait;
                *paid = Paid::From(from, cost);
                from
            }
        };
        Ok((from > Instant::now()).then_some(from))
    }

    /// Pays, and waits until it may run. Whoever stops waiting gets back what was paid when the purse is dropped.
    pub(crate) async fn wait(&self, patience: Duration) -> Result<(), Error> {
        if let Some(from) = self.pay(patience)? {
            tokio::time::sleep_until(from).await;
        }
        Ok(())
    }

    /// Something has been run, and has cost this.
    pub(crate) fn settle(&self, cost: Cost) {
        let reserved = self.take();
        self.budget
            .with(|buckets| buckets.settle(Instant::now(), reserved, cost));
    }

    /// Nothing is run after all.
    pub(crate) fn give_back(&self) {
        let reserved = self.take();
        self.budget.with(|buckets| buckets.give_back(reserved));
    }

    fn take(&self) -> Cost {
        let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *paid, Paid::Nothing) {
            Paid::From(_, cost) => cost,
            Paid::Nothing => Cost::default(),
        }
    }
}

impl Drop for Purse {
    fn drop(&mut self) {
        self.give_back();
    }
}

#[cfg(test)]
mod tests {
    use weir_telemetry::Registry;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(1);

    fn budgets() -> (Budgets, Registry) {
        let registry = Registry::default();
        let metrics = Arc::new(Metrics::register(&registry));
        (Budgets::new(metrics), registry)
    }

    fn project(name: &str) -> Project {
        Project::parse(name).unwrap()
    }

    fn rates(queries: f64) -> Option<Rates> {
        Some(Rates {
            queries: Some(queries),
            ..Rates::default()
        })
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_paid_and_not_used_comes_back_and_is_not_paid_twice() {
        let (budgets, _) = budgets();
        let purse = || budgets.purse(&project("a"), rates(0.5)).unwrap();
        let first = purse();
        assert_eq!(first.pay(PATIENCE).unwrap(), None);
        assert_eq!(first.pay(PATIENCE).unwrap(), None, "it is paid already");
        assert!(purse().pay(PATIENCE).is_err(), "they share one budget");
        drop(first);
        let second = purse();
        assert_eq!(second.pay(PATIENCE).unwrap(), None);
        second.settle(Cost::of(0, 0, 0));
        assert!(second.pay(PATIENCE).is_err(), "it was used");
    }

    #[test]
    fn what_is_full_and_nobodys_is_forgotten_and_what_is_owed_is_not() {
        let (budgets, _) = budgets();
        let owing = budgets.purse(&project("owing"), rates(0.001)).unwrap();
        owing.pay(PATIENCE).unwrap();
        owing.settle(Cost::of(0, 0, 0));
        drop(owing);
        let used = budgets.purse(&project("used"), rates(1.0));
        for number in 0..SWEEP_AT {
            budgets.purse(&project(&format!("p{number}")), rates(1.0));
        }
        let left: Vec<_> = budgets.all().into_iter().map(|(project, _)| project).collect();
        assert!(left.len() < SWEEP_AT / 2, "{} are left", left.len());
        assert!(left.contains(&project("owing")) && left.contains(&project("used")));
        drop(used);
    }

    #[test]
    fn of_several_budgets_of_a_project_the_scarcest_is_shown() {
        let (budgets, registry) = budgets();
        let poor = budgets.purse(&project("a"), rates(0.001)).unwrap();
        let _rich = budgets.purse(&project("a"), rates(1.0)).unwrap();
        poor.pay(PATIENCE).unwrap();
        budgets.show();
        let shown = registry.encode();
        let line = shown.lines().find(|line| line.starts_with("weir_budget_left_ratio{"));
        let left: f64 = line.and_then(|line| line.rsplit(' ').next()).unwrap().parse().unwrap();
        assert!(left < 0.1, "{shown}");
    }
}
