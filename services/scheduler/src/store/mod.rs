//! SQL on the scheduler's own tables, and nothing else.

mod runs;
mod schedules;
mod windows;

pub(crate) use runs::{NewRun, Report, RunRow, find_run, forget_runs, insert_run, list_runs, record};
pub(crate) use schedules::{
    DueRow, NewSchedule, ScheduleRow, delete_schedule, due_schedules, find_schedule, keep_only_from_file,
    list_schedules, plan_next, put_schedule, set_paused, unpaused_schedules,
};
pub(crate) use windows::{
    FILE, LEARNED, OPERATOR, WindowRow, delete_window, find_window, forget_learned, forget_learned_of,
    keep_only_windows_from_file, list_windows, projects, put_window,
};
