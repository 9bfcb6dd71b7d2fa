//! The windows of a project: those it has, those that count, and how they stand.

use std::sync::Arc;

use sqlx::PgConnection;
use weir_model::Clock;
use weir_store::Store;

use crate::desk::{project_of, word};
use crate::error::Error;
use crate::plan::{Closed, Hours, Opening, Weekdays, Window, opening, zone_of};
use crate::settings::FileWindow;
use crate::store::{self, FILE, LEARNED, OPERATOR, WindowRow};
use crate::terms::{CurrentTerms, DEFAULT, Terms};

/// Windows that people can make for a project.
const WINDOWS_MAX: usize = 50;

/// A window as somebody wants it.
#[derive(Debug, Clone)]
pub(crate) struct WantedWindow {
    pub(crate) project: String,
    pub(crate) name: String,
    pub(crate) weekdays: Weekdays,
    pub(crate) start: String,
    pub(crate) end: String,
    pub(crate) time_zone: String,
    pub(crate) enabled: bool,
}

/// A window, and whether runs are held to it.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) row: WindowRow,
    pub(crate) in_force: bool,
}

/// All windows of a project, and how they stand at a moment.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    pub(crate) windows: Vec<Shown>,
    pub(crate) opening: Opening,
    pub(crate) now_unix_ms: i64,
}

/// Answers requests about windows. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct WindowDesk {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) terms: CurrentTerms,
}

impl WindowDesk {
    /// The windows of a project.
    pub(crate) async fn list(&self, project: &str) -> Result<Standing, Error> {
        let project = project_of(project)?;
        let terms = self.terms();
        let rows = store::list_windows(&mut *self.store.pool().acquire().await?, project.as_str()).await?;
        let windows = with_default(rows, project.as_str(), &terms);
        let now_unix_ms = self.clock.unix_ms();
        Ok(Standing {
            opening: opening(&in_force(&windows)?, now_unix_ms),
            windows,
            now_unix_ms,
        })
    }

    /// Makes or changes a window. True if it is new.
    pub(crate) async fn put(&self, wanted: WantedWindow) -> Result<(Shown, bool), Error> {
        let row = checked(wanted, OPERATOR)?;
        let mut transaction = self.store.pool().begin().await?;
        if let Some(there) = store::find_window(&mut transaction, &row.project, &row.name).await? {
            refuse_foreign(&there)?;
        }
        let created = store::put_window(&mut transaction, &row).await?;
        let rows = store::list_windows(&mut transaction, &row.project).await?;
        if created && made_by_people(&rows) > WINDOWS_MAX {
            return Err(Error::WindowsFull(WINDOWS_MAX));
        }
        transaction.commit().await?;
        let in_force = row.enabled;
        Ok((Shown { row, in_force }, created))
    }

    /// Removes a window that an operator put.
    pub(crate) async fn delete(&self, project: &str, name: &str) -> Result<(), Error> {
        let project = project_of(project)?;
        let mut connection = self.store.pool().acquire().await?;
        if store::delete_window(&mut connection, project.as_str(), name).await? {
            return Ok(());
        }
        match store::find_window(&mut connection, project.as_str(), name).await? {
            Some(there) => refuse_foreign(&there),
            None => Err(Error::NotFound {
                kind: "window",
                id: format!("{name:?}"),
            }),
        }
    }

    fn terms(&self) -> Arc<Terms> {
        self.terms.borrow().clone()
    }
}

/// How the windows of a project stand now, for a request that is made in the same transaction.
pub(crate) async fn opening_of(
    connection: &mut PgConnection,
    project: &str,
    terms: &Terms,
    now_unix_ms: i64,
) -> Result<Opening, Error> {
    let rows = store::list_windows(connection, project).await?;
    let windows = in_force(&with_default(rows, project, terms))?;
    Ok(opening(&windows, now_unix_ms))
}

/// The refusal of work that needs a window.
pub(crate) fn refusal(operation: &str, closed: &Closed) -> Error {
    let next = match &closed.next {
        None => "none is ever open".to_owned(),
        Some((at, name)) => {
            let moment = chrono::DateTime::<chrono::Utc>::from_timestamp_millis(*at).unwrap_or_default();
            format!("the next, {name:?}, opens at {}", moment.format("%Y-%m-%d %H:%M:%SZ"))
        }
    };
    Error::OutsideWindow {
        operation: operation.to_owned(),
        next,
    }
}

/// A window of the settings file as a row.
pub(crate) fn from_file(window: &FileWindow) -> Result<WindowRow, Error> {
    let wanted = WantedWindow {
        project: window.project.clone(),
        name: window.name.clone(),
        weekdays: Weekdays::parse(&window.weekdays).map_err(|reason| Error::Field {
            field: "weekdays",
            reason,
        })?,
        start: window.start.clone(),
        end: window.end.clone(),
        time_zone: window.time_zone.clone(),
        enabled: window.enabled,
    };
    checked(wanted, FILE)
}

fn checked(wanted: WantedWindow, source: &str) -> Result<WindowRow, Error> {
    let project = project_of(&wanted.project)?;
    let name = word("name", wanted.name)?;
    if name == DEFAULT || name.starts_with(LEARNED) {
        let reason = format!("{name:?} is kept for windows that nobody made");
        return Err(Error::Field { field: "name", reason });
    }
    let hours = Hours::parse(&wanted.start, &wanted.end).map_err(|error| Error::Field {
        field: error.field,
        reason: error.reason,
    })?;
    let window = Window {
        name,
        weekdays: wanted.weekdays,
        hours,
        zone: zone_of(&wanted.time_zone)?,
    };
    Ok(WindowRow::new(project.as_str(), &window, wanted.enabled, source))
}

fn refuse_foreign(row: &WindowRow) -> Result<(), Error> {
    let owner = match row.source.as_str() {
        FILE => "of the settings file: change it there (scheduler.windows)",
        LEARNED => "learned: put one of your own, and it does not count",
        _ => return Ok(()),
    };
    let name = row.name.clone();
    Err(Error::OwnedWindow { name, owner })
}

fn made_by_people(rows: &[WindowRow]) -> usize {
    rows.iter().filter(|row| row.source != LEARNED).count()
}

/// The windows with the default one, and which of them count: those that people made, if there are any, even if all are
/// switched off; else learned ones, if they are wanted; else the default.
fn with_default(rows: Vec<WindowRow>, project: &str, terms: &Terms) -> Vec<Shown> {
    let by_people = made_by_people(&rows) > 0;
    let learned = !by_people && terms.settings.learn_windows && rows.iter().any(|row| row.enabled);
    let counts = |row: &WindowRow| row.enabled && if row.source == LEARNED { learned } else { by_people };
    let mut windows: Vec<Shown> = rows
        .into_iter()
        .map(|row| Shown {
            in_force: counts(&row),
            row,
        })
        .collect();
    windows.push(Shown {
        row: WindowRow::new(project, &terms.default_window, true, DEFAULT),
        in_force: !by_people && !learned,
    });
    windows
}

fn in_force(windows: &[Shown]) -> Result<Vec<Window>, Error> {
    let counting = windows.iter().filter(|shown| shown.in_force);
    Ok(counting.map(|shown| shown.row.window()).collect::<Result<_, _>>()?)
}
