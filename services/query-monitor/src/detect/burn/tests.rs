//! What burning budgets say, window by window. Pure.

use super::*;

/// Outcomes in which a share of the statements fails, in so many incidents a window.
fn outcomes(windows: [(u64, u64, u64); WINDOWS.len()]) -> ProjectOutcomes {
    ProjectOutcomes {
        project: Project::default(),
        windows: windows.map(|(requests, errors, error_incidents)| Outcomes {
            requests,
            errors,
            error_incidents,
            ..Outcomes::default()
        }),
    }
}

fn values(objectives: &Objectives, outcomes: ProjectOutcomes) -> Vec<(&'static str, f64)> {
    let readings = objectives.readings(&[outcomes]);
    readings
        .iter()
        .map(|reading| (reading.metric.0, reading.value))
        .collect()
}

#[test]
fn a_single_error_of_a_quiet_project_says_nothing() {
    let quiet = outcomes([
        (5, 1, 1),
        (30, 1, 1),
        (60, 1, 1),
        (120, 1, 1),
        (360, 1, 1),
        (1440, 1, 1),
        (4320, 1, 1),
    ]);
    assert_eq!(values(&Objectives::new(Vec::new()), quiet), []);
}

#[test]
fn retries_are_no_evidence_and_four_troubles_within_an_hour_are() {
    let windows = |errors, incidents| {
        outcomes([
            (5, errors, incidents),
            (30, errors, incidents),
            (60, errors, incidents),
            (120, errors, incidents),
            (360, errors, incidents),
            (1440, errors, incidents),
            (4320, errors, incidents),
        ])
    };
    let objectives = Objectives::new(Vec::new());
    assert_eq!(values(&objectives, windows(5, 1)), []);
    let fast = values(&objectives, windows(4, 4));
    assert!(
        fast.iter()
            .any(|(name, value)| *name == "objective.fast_burn" && *value > 1.0),
        "{fast:?}"
    );
}

#[test]
fn what_is_over_in_the_short_window_is_over() {
    let over = outcomes([
        (100, 0, 0),
        (600, 0, 0),
        (1_200, 200, 20),
        (2_400, 200, 20),
        (7_200, 200, 20),
        (28_800, 200, 20),
        (86_400, 200, 20),
    ]);
    let said = values(&Objectives::new(Vec::new()), over);
    assert!(said.iter().all(|(name, _)| *name == "objective.slow_burn"), "{said:?}");
}

#[test]
fn the_pace_that_is_exceeded_most_is_the_one_told() {
    // Nothing before, and all statements fail for five minutes.
    let all = outcomes([
        (100, 50, 9),
        (600, 50, 9),
        (1_200, 50, 9),
        (2_400, 50, 9),
        (7_200, 50, 9),
        (28_800, 50, 9),
        (86_400, 50, 9),
    ]);
    let readings = Objectives::new(Vec::new()).readings(&[all]);
    assert_eq!(readings[0].metric, metric::BUDGET_FAST_BURN);
    assert!((readings[0].value - 5.0).abs() < 1e-9, "{:?}", readings[0]);
    assert_eq!(
        readings[0].note,
        "50 of 100 statements within 5 min fail, 500.0 times the budget"
    );
}

#[test]
fn a_wide_latency_budget_can_be_exceeded_too() {
    let objective = Objective {
        project: "shop".to_owned(),
        latency: "100ms".to_owned(),
        latency_share: 90.0,
        ..Objective::default()
    };
    let objectives = Objectives::new(vec![objective]);
    let late = Outcomes {
        requests: 1_000,
        late: 950,
        late_incidents: 10,
        ..Outcomes::default()
    };
    let shop = Project::parse("shop").unwrap();
    assert_eq!(objectives.latency_target(&shop), Some(Duration::from_millis(100)));
    assert_eq!(objectives.latency_target(&Project::default()), None);
    let of = |project| ProjectOutcomes {
        project,
        windows: [late; WINDOWS.len()],
    };
    let said = values(&objectives, of(shop));
    assert!(
        said.iter()
            .any(|(name, value)| *name == "objective.fast_burn" && *value > 1.0),
        "{said:?}"
    );
    assert_eq!(
        values(&objectives, of(Project::default())),
        [],
        "nobody promised that project a time"
    );
}

#[test]
fn objectives_that_cannot_be_are_named() {
    let objective = |project: &str, availability, latency: &str| Objective {
        project: project.to_owned(),
        availability,
        latency: latency.to_owned(),
        ..Objective::default()
    };
    for (objectives, word) in [
        (vec![objective("*", 100.0, "")], "availability"),
        (vec![objective("*", 0.999, "")], "availability"),
        (vec![objective("Shop", 99.0, "")], "project"),
        (vec![objective("shop", 99.0, "soon")], "latency"),
        (vec![objective("shop", 99.0, "0s")], "latency"),
        (
            vec![objective("shop", 99.0, ""), objective("shop", 98.0, "")],
            "another",
        ),
    ] {
        let error = Objectives::check(&objectives).unwrap_err();
        assert!(error.contains(word), "{error}");
    }
}
