//! Wrong answers of those that have a cache, on the same battery.

use weir_tests::cached::battery::{self, Doors, Outcome};

use crate::Failure;
use crate::board::{Board, Figures};
use crate::sides::{Side, Sides};

/// Counts them.
pub(crate) async fn run(sides: &Sides, board: &mut Board) -> Result<(), Failure> {
    for side in [Side::On, Side::Pgpool] {
        let Some(door) = sides.door(side).filter(|_| sides.chosen().contains(&side)) else {
            continue;
        };
        clean(sides).await;
        let doors = Doors {
            door,
            direct: sides.stage.ground.address.clone(),
            ops: (side == Side::On).then(|| sides.stage.ops()),
        };
        let outcomes = battery::run(&sides.stage.ground, &doors, &battery::cases()).await;
        let wrong: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.wrong.is_some()).collect();
        let cases: std::collections::BTreeSet<&str> = wrong.iter().map(|outcome| outcome.name).collect();
        let all = outcomes.len();
        board.add(
            "wrong-answers",
            side,
            Ok(Figures::from([("wrong", wrong.len() as f64), ("asked", all as f64)])),
        )?;
        board.note(format!(
            "{}: {} of {all} answers wrong, in these cases: {}",
            side.name(),
            wrong.len(),
            cases.into_iter().collect::<Vec<_>>().join(", ")
        ));
        for outcome in wrong {
            let what = outcome.wrong.as_deref().unwrap_or_default();
            println!("  {} ({:?}): {what}", outcome.name, outcome.way);
        }
    }
    Ok(())
}

/// What an earlier side left: the cases make their schemas and roles anew.
async fn clean(sides: &Sides) {
    let left = "do $$ declare left_over record; begin
        for left_over in select nspname from pg_namespace where nspname ~ '_[sp](_[a-z]+)?$' and nspname !~ '^pg_' loop
            execute format('drop schema %I cascade', left_over.nspname);
        end loop;
        for left_over in select rolname from pg_roles where rolname ~ '_[sp](_[a-z]+)?$' and rolname !~ '^pg_' loop
            execute format('drop owned by %I', left_over.rolname);
            execute format('drop role %I', left_over.rolname);
        end loop;
    end $$";
    sides.stage.ground.psql(left).await;
}
