-- The last run of a schedule, and the end of its references when it is removed, without a look at every run.
create index runs_by_schedule on runs (schedule_id, requested_unix_ms desc, id desc);
