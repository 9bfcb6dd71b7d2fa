-- A thousand users with sessions for deploy/auth/schema.sql, the same on every machine but for the times.
-- The token of session N is demo-token-N. Every tenth user is an editor, user 1 an administrator; user 13 is shut out,
-- session 14 is revoked, session 15 has ended.

insert into auth.roles (name) values ('member'), ('editor'), ('administrator');

insert into auth.role_permissions (role_id, permission)
select roles.id, permission
from auth.roles
join (values
    ('member', 'article.read'), ('member', 'comment.write'), ('member', 'profile.write'),
    ('editor', 'article.write'), ('editor', 'article.publish'), ('editor', 'comment.hide'),
    ('administrator', 'user.write'), ('administrator', 'user.disable'), ('administrator', 'role.write')
) as granted (role, permission) on granted.role = roles.name;

insert into auth.users (name, email, disabled_at)
select 'User ' || n, 'user' || n || '@auth.example', case when n = 13 then now() end
from generate_series(1, 1000) as n;

insert into auth.user_roles (user_id, role_id)
select users.id, roles.id
from auth.users
join auth.roles
    on roles.name = 'member'
    or roles.name = 'editor' and users.id % 10 = 0
    or roles.name = 'administrator' and users.id = 1;

insert into auth.sessions (token_digest, user_id, expires_at, revoked_at)
select
    sha256(convert_to('demo-token-' || n, 'UTF8')),
    n,
    case when n = 15 then now() - interval '1 minute' else now() + interval '30 days' end,
    case when n = 14 then now() end
from generate_series(1, 1000) as n;
