//! pgpool-II as the distribution ships it, with its cache in shared memory, and nothing else of what it can do.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::{Instant, sleep};
use weir_testkit::{Process, free_port};
use weir_tests::peers::Ground;
use weir_tests::wire::{Address, Connection};

const PLACES: [&str; 3] = ["/usr/sbin/pgpool", "/usr/bin/pgpool", "/usr/local/bin/pgpool"];
const READY_WITHIN: Duration = Duration::from_secs(20);

/// It ends when it is dropped.
pub(crate) struct Pgpool {
    process: Process,
    port: u16,
    _files: TempDir,
}

impl Pgpool {
    /// Starts it, or tells why it cannot be had.
    pub(crate) async fn start(ground: &Ground) -> Result<Self, String> {
        let program = PLACES.iter().map(Path::new).find(|path| path.is_file());
        let program = program.ok_or("pgpool-II is not installed (apt-get install pgpool2)")?;
        let files = tempfile::tempdir().map_err(|error| error.to_string())?;
        let port = free_port();
        let owner = fs::metadata(ground.postgres.data_dir()).map_err(|error| error.to_string())?;
        let config = configure(ground, &files, port).map_err(|error| error.to_string())?;
        own(&files, owner.uid(), owner.gid()).map_err(|error| error.to_string())?;
        let process = run(program, &config, files.path(), owner.uid(), owner.gid());
        let pgpool = Self {
            process,
            port,
            _files: files,
        };
        pgpool.until_ready(ground).await?;
        Ok(pgpool)
    }

    /// Where it listens.
    pub(crate) fn address(&self, ground: &Ground) -> Address {
        ground.address.at_port(self.port)
    }

    /// Its first process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    async fn until_ready(&self, ground: &Ground) -> Result<(), String> {
        let end = Instant::now() + READY_WITHIN;
        loop {
            let error = match Connection::open(&self.address(ground), &[]).await {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            if self.process.exit_status().is_some() || Instant::now() > end {
                return Err(format!("nobody can log in: {error}\n{}", self.process.output()));
            }
            sleep(Duration::from_millis(50)).await;
        }
    }
}

fn configure(ground: &Ground, files: &TempDir, port: u16) -> std::io::Result<PathBuf> {
    let directory = files.path().display();
    fs::create_dir(files.path().join("oid"))?;
    let text = format!(
        "backend_clustering_mode = 'streaming_replication'
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{directory}'
pcp_listen_addresses = ''
pcp_socket_dir = '{directory}'
pcp_port = {pcp}
pid_file_name = '{directory}/pgpool.pid'
logdir = '{directory}'
work_dir = '{directory}'
backend_hostname0 = '127.0.0.1'
backend_port0 = {server}
backend_data_directory0 = '{data}'
backend_flag0 = 'DISALLOW_TO_FAILOVER'
enable_pool_hba = off
num_init_children = 40
max_pool = 1
connection_cache = on
load_balance_mode = off
sr_check_period = 0
health_check_period = 0
memory_cache_enabled = on
memqcache_method = 'shmem'
memqcache_total_size = 64MB
memqcache_max_num_cache = 100000
memqcache_expire = 0
memqcache_auto_cache_invalidation = on
memqcache_maxcache = 400kB
memqcache_cache_block_size = 1MB
memqcache_oiddir = '{directory}/oid'
",
        pcp = free_port(),
        server = ground.address.port,
        data = ground.postgres.data_dir().display(),
    );
    let config = files.path().join("pgpool.conf");
    fs::write(&config, text)?;
    for name in ["pcp.conf", "pool_hba.conf", "pool_passwd"] {
        fs::write(files.path().join(name), "")?;
    }
    Ok(config)
}

/// It runs as whom the server's data belongs to, and writes into its directory.
fn own(files: &TempDir, uid: u32, gid: u32) -> std::io::Result<()> {
    fs::set_permissions(files.path(), fs::Permissions::from_mode(0o755))?;
    let (uid, gid) = (Some(uid), Some(gid));
    std::os::unix::fs::chown(files.path(), uid, gid)?;
    for entry in fs::read_dir(files.path())? {
        std::os::unix::fs::chown(entry?.path(), uid, gid)?;
    }
    Ok(())
}

fn run(program: &Path, config: &Path, directory: &Path, uid: u32, gid: u32) -> Process {
    let hba = directory.join("pool_hba.conf").display().to_string();
    let pcp = directory.join("pcp.conf").display().to_string();
    let arguments = [
        format!("--reuid={uid}"),
        format!("--regid={gid}"),
        "--clear-groups".to_owned(),
        program.display().to_string(),
        "-n".to_owned(),
        "-f".to_owned(),
        config.display().to_string(),
        "-a".to_owned(),
        hba,
        "-F".to_owned(),
        pcp,
    ];
    Process::start("setpriv", &arguments, &[])
}
