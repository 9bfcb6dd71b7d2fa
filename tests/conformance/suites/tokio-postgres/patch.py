"""Lets the crate's tests ask any address: theirs is a fixed port and a superuser without password."""

import re
import sys
from pathlib import Path

HERE = r'''
/// The words of a connection string of the tests, with the address and superuser of this run.
pub fn here(words: &str) -> String {
    let get = |name: &str| std::env::var(name).unwrap();
    let user = format!("user={} password={} dbname={}", get("PGUSER"), get("PGPASSWORD"), get("PGDATABASE"));
    let words = words.replace("host=localhost", "host=127.0.0.1").replace("user=postgres", &user);
    words.replace("dbname=postgres", &format!("dbname={}", get("PGDATABASE"))).replace("5433", &get("PGPORT"))
}
'''


def change(path, *pairs):
    text = path.read_text()
    for pattern, replacement in pairs:
        text, count = re.subn(pattern, replacement, text, flags=re.DOTALL)
        if not count:
            sys.exit(f"{path}: nothing matches {pattern}: the tests of this version look different")
    path.write_text(text)


crate = Path(sys.argv[1])
change(
    crate / "tests/test/main.rs",
    (r"\Z", lambda _: HERE),
    (r'TcpStream::connect\("127\.0\.0\.1:5433"\)', 'TcpStream::connect(here("127.0.0.1:5433"))'),
    (r"s\.parse::<Config>\(\)", "here(s).parse::<Config>()"),
)
change(
    crate / "tests/test/runtime.rs",
    (r'tokio_postgres::connect\(\s*("[^"]*"|s),', r"tokio_postgres::connect(&crate::here(\1),"),
)
# Benchmarks are not asked for, and the crate is no part of the workspace around the cache.
change(
    crate / "Cargo.toml",
    (r"\[\[bench\]\].*?\n\n", ""),
    (r"\[dev-dependencies\.criterion\].*?\n\n", ""),
    (r"\Z", "\n[workspace]\n"),
)
