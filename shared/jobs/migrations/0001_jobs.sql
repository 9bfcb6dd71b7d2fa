-- Jobs that this service has taken on. The id is the requester's, so that a repeated request changes nothing.
create table jobs (
    id               uuid primary key,
    project          text not null,
    operation        text not null,
    parameters       jsonb not null,
    requested_by     text not null,
    dry_run          boolean not null,
    -- Of the jobs of one project and operation with the same key, one runs at a time.
    exclusive_key    text,
    traceparent      text,

    state            text not null default 'queued'
                     check (state in ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    attempt          integer not null default 0,
    attempt_max      integer not null,
    run_after        timestamptz not null default now(),
    -- No attempt begins after this moment.
    begin_before     timestamptz,
    cancel_requested boolean not null default false,

    -- Who runs it and has lately said so. Together with the attempt this is the lease: only its holder may write.
    worker           text,
    heartbeat_at     timestamptz,
    check ((state = 'running') = (worker is not null and heartbeat_at is not null)),

    progress_done    bigint,
    progress_total   bigint,
    progress_note    text,

    effect           jsonb,
    error            text,
    slug             text,

    requested_at     timestamptz not null,
    created_at       timestamptz not null default now(),
    started_at       timestamptz,
    ended_at         timestamptz,
    check ((ended_at is null) = (state in ('queued', 'running')))
);

create index jobs_queued on jobs (run_after, id) where state = 'queued';
create index jobs_expiring on jobs (begin_before) where state = 'queued' and begin_before is not null;
create index jobs_running on jobs (heartbeat_at) where state = 'running';
create index jobs_ended on jobs (ended_at) where ended_at is not null;
create index jobs_of_project on jobs (project, id);
create unique index jobs_exclusive on jobs (project, operation, exclusive_key)
    where state = 'running' and exclusive_key is not null;

create trigger jobs_tell_of_new after insert on jobs for each statement execute function weir_tell();
-- One that was put back can be claimed, and one that ended may have kept another from running.
create trigger jobs_tell_of_freed after update of state on jobs
    for each row when (new.state <> 'running') execute function weir_tell();
