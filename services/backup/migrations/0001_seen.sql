-- How far each repository was seen to be: one that is found behind was rolled back.
create table seen_repositories (
    repository_id uuid primary key,
    name text not null,
    generation bigint not null,
    hash bytea not null,
    seen_unix_ms bigint not null
);
