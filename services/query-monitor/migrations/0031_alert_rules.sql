-- What operators say by gRPC of rules and silences. Whoever judges looks at the revision to know that something changed.
create table alert_rules (
    name text not null,
    -- Empty: for every project.
    project text not null,
    patch jsonb not null,
    updated_unix_ms bigint not null,
    primary key (name, project)
);

create table silences (
    id uuid primary key,
    matchers jsonb not null,
    starts_unix_ms bigint not null,
    ends_unix_ms bigint not null,
    author text not null,
    comment text not null
);

create table alert_revision (
    one boolean primary key default true check (one),
    revision bigint not null
);
insert into alert_revision (revision) values (1);
