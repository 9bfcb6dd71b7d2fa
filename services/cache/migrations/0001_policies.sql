-- Rules about what is cached, as people put them by calls. Those of the settings file are not here. A rule is kept in the
-- form in which the file would have it, so that new fields need no change of the table.
create table policies (
    id uuid primary key,
    project text not null,
    -- What it is about: `shape/<fingerprint>`, `table/<schema.name>` or `project`.
    subject text not null,
    rule jsonb not null,
    updated_unix_ms bigint not null,
    unique (project, subject)
);

-- One row: a number that grows with every change of a rule, here or in the file, and the rules of the file that it
-- stands for, as a digest.
create table policy_generation (
    only_one boolean primary key default true check (only_one),
    generation bigint not null,
    file_digest text not null
);

insert into policy_generation (generation, file_digest) values (1, '');

create trigger policy_news after update on policy_generation
    for each statement execute function weir_tell();
