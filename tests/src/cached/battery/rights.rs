//! Who may see what: privileges, roles, policies.

use super::case::{Case, Check, ROW, SEVEN, Step};
use Step::{Both, Direct};

const GRANTED: &str = "create table {s}.t (k int primary key, v int not null);
    insert into {s}.t select g, g from generate_series(1, 100) g; grant select on {s}.t to app;";

const SHIELDED: &str = "create table {s}.t (k int primary key, v int not null, tenant int not null);
    insert into {s}.t select g, g, g % 2 from generate_series(1, 100) g; grant select on {s}.t to app;
    alter table {s}.t enable row level security;
    create policy own on {s}.t using (tenant = current_setting('app.tenant')::int);";

/// The role of the case has the schema's name.
const BY_ROLE: &str = "create table {s}.t (k int primary key, v int not null);
    insert into {s}.t select g, g from generate_series(1, 100) g;
    create role {s}; grant usage on schema {s} to {s}; grant select on {s}.t to {s}; grant {s} to app;";

pub(super) const CASES: &[Case] = &[
    Case::new("revoked", GRANTED, ROW, SEVEN, &[Direct("revoke select on {s}.t from app")]).by_app(),
    Case::new("column_revoked", "create table {s}.t (k int primary key, v int not null); insert into {s}.t values (7, 7);
        grant select (k, v) on {s}.t to app;", ROW, SEVEN, &[Direct("revoke select (v) on {s}.t from app")]).by_app(),
    Case::new("schema_revoked", GRANTED, ROW, SEVEN, &[Direct("revoke usage on schema {s} from app")]).by_app(),
    Case::new("membership_revoked", BY_ROLE, ROW, SEVEN, &[Direct("revoke {s} from app")]).by_app(),
    Case::new("inheriting_revoked", BY_ROLE, ROW, SEVEN, &[
        Direct("create role {s}_between; revoke {s} from app; grant {s} to {s}_between; grant {s}_between to app"),
        Step::Ask,
        Step::Ask,
        Direct("alter role app noinherit"),
        Step::Ask,
        Direct("alter role app inherit; revoke {s} from {s}_between"),
    ])
    .by_app(),
    Case::new(
        "other_role",
        "create table {s}.t (k int primary key, v int not null); insert into {s}.t select g, g from generate_series(1, 100) g;
         create role {s}; grant usage on schema {s} to {s}; grant {s} to app; grant select on {s}.t to app, {s};
         alter table {s}.t enable row level security; create policy theirs on {s}.t to {s} using (k > 50);
         create policy ours on {s}.t using (current_user = 'app');",
        ROW,
        SEVEN,
        &[Both("set role {s}")],
    )
    .by_app(),
    Case::new(
        "role_without_the_right",
        "create table {s}.t (k int primary key, v int not null); insert into {s}.t values (7, 7);
         create role {s}; grant usage on schema {s} to {s}; grant {s} to app; grant select on {s}.t to app;",
        ROW,
        SEVEN,
        &[Both("set role {s}")],
    )
    .by_app(),
    Case::new("rows_shielded", GRANTED, ROW, SEVEN, &[Direct("alter table {s}.t enable row level security")]).by_app(),
    Case::new("policy_changed", SHIELDED, ROW, SEVEN, &[Direct("alter policy own on {s}.t using (tenant = 5)")])
        .by_app()
        .beginning("set app.tenant = '1'"),
    Case::new("policy_dropped", SHIELDED, ROW, SEVEN, &[Direct("drop policy own on {s}.t")])
        .by_app()
        .beginning("set app.tenant = '1'"),
    Case::new("policy_by_a_setting", SHIELDED, ROW, SEVEN, &[Both("set app.tenant = '0'")])
        .by_app()
        .beginning("set app.tenant = '1'"),
    Case::new("policy_by_a_local_setting", SHIELDED, ROW, SEVEN, &[Both("begin"), Both("set local app.tenant = '0'")])
        .by_app()
        .beginning("set app.tenant = '1'"),
    Case::new("policy_by_set_config", SHIELDED, ROW, SEVEN, &[Both("select set_config('app.tenant', '0', false)")])
        .by_app()
        .beginning("set app.tenant = '1'"),
    Case::new("shield_turned_off", SHIELDED, ROW, SEVEN, &[Both("set row_security = off")])
        .by_app()
        .beginning("set app.tenant = '1'"),
    Case::new(
        "policy_reads_another_table",
        "create table {s}.t (k int primary key, v int not null); insert into {s}.t values (7, 7);
         create table {s}.members (name name primary key); insert into {s}.members values ('app');
         grant select on {s}.t, {s}.members to app; alter table {s}.t enable row level security;
         create policy members on {s}.t using (exists (select from {s}.members where name = current_user));",
        ROW,
        SEVEN,
        &[Direct("delete from {s}.members")],
    )
    .by_app(),
    Case::new(
        "policy_for_a_role",
        "create table {s}.t (k int primary key, v int not null); insert into {s}.t values (7, 7);
         create role {s}; grant {s} to app; grant select on {s}.t to app; alter table {s}.t enable row level security;
         create policy theirs on {s}.t to {s} using (true);",
        ROW,
        SEVEN,
        &[Direct("revoke {s} from app")],
    )
    .by_app()
    .checked(Check::LikeDirectOrReplanned),
    Case::new("shield_passed_by", SHIELDED, ROW, SEVEN, &[Direct("alter role app bypassrls"), Step::Ask, Direct("alter role app nobypassrls")])
        .by_app()
        .checked(Check::LikeDirectOrReplanned)
        .beginning("set app.tenant = '0'"),
    Case::new(
        "view_with_the_rights_of_its_owner",
        "create table {s}.t (k int primary key, v int not null); insert into {s}.t values (7, 7);
         create role {s}; grant usage on schema {s} to {s}; grant select on {s}.t to {s};
         create view {s}.w as select k, v from {s}.t; alter view {s}.w owner to {s}; grant select on {s}.w to app;",
        "select k, v from {s}.w where k = $1",
        SEVEN,
        &[Direct("revoke select on {s}.t from {s}")],
    )
    .by_app(),
];
