//! The tables of the loads.

use weir_tests::pgbench;

use crate::options::Options;
use crate::sides::Sides;
use crate::{Failure, cells};

/// A statement that is answered from memory as soon as any is.
pub(crate) const WARM: &str = "select k, v from bench_one where k = 1";

/// Users, sessions, roles and permissions, as an application has them: each user has three roles, each role 25
/// permissions.
const AUTH: &str = "create table users (id int primary key, name text not null, last_login timestamptz);
create table sessions (token text primary key, user_id int not null, expires_at timestamptz not null);
create table roles (id int primary key, name text not null);
create table user_roles (user_id int not null, role_id int not null, primary key (user_id, role_id));
create table role_permissions (role_id int not null, permission text not null, primary key (role_id, permission));
insert into users select g, 'user ' || g, now() from generate_series(1, :users) g;
insert into sessions select g::text, g, now() + '1 day' from generate_series(1, :users) g;
insert into roles select g, 'role ' || g from generate_series(1, 40) g;
insert into user_roles select u, 1 + (u * 7 + r * 13) % 40 from generate_series(1, :users) u, generate_series(0, 2) r
    on conflict do nothing;
insert into role_permissions select r, 'may ' || (r * 11 + p) % 400 from generate_series(1, 40) r, generate_series(1, 25) p;
create table bench_one (k int primary key, v bigint not null);
insert into bench_one select g, 0 from generate_series(1, 1000) g;
analyze;";

/// Makes them.
pub(crate) async fn fill(sides: &Sides, options: &Options) -> Result<(), Failure> {
    println!("filling tables at scale {}", options.scale);
    let ground = &sides.stage.ground;
    pgbench::initialise(ground, options.scale).await?;
    // psql runs as another user than pgbench does, and the cache follows whoever owns them.
    ground.psql(&AUTH.replace(":users", &cells::USERS.to_string())).await;
    Ok(())
}
