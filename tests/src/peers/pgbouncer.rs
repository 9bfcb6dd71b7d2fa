//! PgBouncer as the distribution ships it, with its defaults but for pool, door and log-in.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use weir_testkit::{Process, free_port};

use super::{Ground, Kind, Peer};

/// Debian installs it where a user's PATH does not lead.
const PLACES: [&str; 4] = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"];
/// From this version on it keeps named prepared statements apart in transaction mode.
const PREPARED_SINCE: (u32, u32) = (1, 21);

pub(super) async fn start(ground: &Ground) -> Result<Peer, String> {
    let program = find().ok_or("pgbouncer is not installed (apt-get install pgbouncer)")?;
    let version = version(&program)?;
    let files = tempfile::tempdir().map_err(|error| error.to_string())?;
    let port = free_port();
    let has_prepared = version >= PREPARED_SINCE;
    let config = configure(ground, &files, port, has_prepared).map_err(|error| error.to_string())?;
    let (command, arguments) = command(&program, &config, &ground.postgres.data_dir());
    let peer = Peer {
        kind: Kind::PgBouncer,
        address: ground.address.at_port(port),
        grpc: None,
        has_prepared,
        pooler: Some(Process::start(command, &arguments, &[])),
        nats: None,
        _files: Some(files),
    };
    peer.until_ready().await
}

fn find() -> Option<PathBuf> {
    PLACES
        .iter()
        .map(|place| Path::new(place).join("pgbouncer"))
        .find(|path| path.is_file())
}

fn version(program: &Path) -> Result<(u32, u32), String> {
    let output = Command::new(program)
        .arg("--version")
        .output()
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    parse_version(&text).ok_or_else(|| format!("pgbouncer does not tell its version: {text}"))
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split_whitespace().nth(1)?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn configure(ground: &Ground, files: &TempDir, port: u16, has_prepared: bool) -> std::io::Result<PathBuf> {
    let users = files.path().join("users.txt");
    // The server's own verifier: it lets PgBouncer log in with what the client proved, and costs no hashing.
    fs::write(&users, format!("\"{}\" \"{}\"\n", ground.address.user, ground.verifier))?;
    let config = files.path().join("pgbouncer.ini");
    let method = if ground.setup.trust { "trust" } else { "scram-sha-256" };
    let prepared = if has_prepared {
        "max_prepared_statements = 1000\n"
    } else {
        ""
    };
    let text = format!(
        "[databases]
* = host=127.0.0.1 port={server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = {method}
auth_file = {users}
pool_mode = transaction
default_pool_size = {pool}
max_client_conn = 15000
log_connections = 0
log_disconnections = 0
{prepared}",
        server = ground.address.port,
        users = users.display(),
        pool = ground.setup.pool,
    );
    fs::write(&config, text)?;
    fs::set_permissions(files.path(), fs::Permissions::from_mode(0o755))?;
    Ok(config)
}

/// It refuses to run as root, as PostgreSQL does; then it runs as whom the data directory belongs to.
fn command(program: &Path, config: &Path, data_dir: &Path) -> (PathBuf, Vec<String>) {
    let own = fs::metadata("/proc/self").map_or(0, |facts| facts.uid());
    let config = config.display().to_string();
    if own != 0 {
        return (program.to_owned(), vec![config]);
    }
    let server = fs::metadata(data_dir).expect("a running server has a data directory");
    let arguments = vec![
        format!("--reuid={}", server.uid()),
        format!("--regid={}", server.gid()),
        "--clear-groups".to_owned(),
        program.display().to_string(),
        config,
    ];
    (PathBuf::from("setpriv"), arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(parse_version("PgBouncer 1.18.0\nlibevent 2.1\n"), Some((1, 18)));
        assert_eq!(parse_version("something else"), None);
        assert!((1, 18) < PREPARED_SINCE && (2, 0) > PREPARED_SINCE);
    }
}
