//! pgBackRest, as its guide recommends it for such a cluster.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use tokio::time::Instant;
use weir_testkit::Postgres;

use crate::Failure;
use crate::figures::{Figures, cpu_of_children, size_mb};

/// Its name for the cluster.
const STANZA: &str = "main";

/// pgBackRest with its repository.
pub(crate) struct Peer {
    program: PathBuf,
    dir: TempDir,
}

impl Peer {
    /// Makes its repository for a cluster.
    pub(crate) fn set(program: &Path, postgres: &Postgres) -> Result<Self, Failure> {
        let peer = Self {
            program: program.to_owned(),
            dir: tempfile::tempdir()?,
        };
        let at = peer.dir.path();
        for name in ["repository", "log", "lock", "spool"] {
            fs::create_dir(at.join(name))?;
        }
        let of = |name: &str| at.join(name).display().to_string();
        let text = format!(
            "[global]\nrepo1-path={}\nlog-path={}\nlock-path={}\nspool-path={}\nlog-level-console=warn\n\
             log-level-file=off\ncompress-type=zst\ncompress-level=3\nprocess-max=2\nrepo1-bundle=y\n{}\
             repo1-cipher-type=aes-256-cbc\nrepo1-cipher-pass=a-benchmark-only\nstart-fast=y\narchive-check=n\n\
             {}[{STANZA}]\npg1-path={}\npg1-port={}\npg1-socket-path={}\npg1-user=postgres\n",
            of("repository"),
            of("log"),
            of("lock"),
            of("spool"),
            match (has(program, "--repo-block"), said(program, &["version"])?.as_str()) {
                // There they are on trial.
                (true, "pgBackRest 2.44" | "pgBackRest 2.45") => "repo1-block=y\nbeta=y\n",
                (true, _) => "repo1-block=y\n",
                (false, _) => "",
            },
            if has(program, "--allow-root") {
                "allow-root=y\n"
            } else {
                ""
            },
            postgres.data_dir().display(),
            postgres.port(),
            postgres.socket_dir().display(),
        );
        fs::write(at.join("pgbackrest.conf"), text)?;
        peer.run(&["stanza-create"])?;
        Ok(peer)
    }

    /// Its version, as it says it.
    pub(crate) fn version(&self) -> Result<String, Failure> {
        said(&self.program, &["version"])
    }

    /// Runs one of its commands.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<Figures, Failure> {
        let (before, cpu, begun) = (self.size()?, cpu_of_children()?, Instant::now());
        let said = Command::new(&self.program)
            .arg(format!(
                "--config={}",
                self.dir.path().join("pgbackrest.conf").display()
            ))
            .arg(format!("--stanza={STANZA}"))
            .args(arguments)
            .output()?;
        let wall_s = begun.elapsed().as_secs_f64();
        if !said.status.success() {
            let text = String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
            return Err(format!("pgBackRest {arguments:?}: {text}").into());
        }
        Ok(Figures {
            wall_s,
            cpu_s: cpu_of_children()? - cpu,
            stored_mb: self.size()? - before,
        })
    }

    fn size(&self) -> Result<f64, Failure> {
        size_mb(&self.dir.path().join("repository"))
    }
}

/// Whether its version has an option: block increments came with 2.44, and later ones ask whether root is meant.
fn has(program: &Path, option: &str) -> bool {
    said(program, &["help", "backup"]).is_ok_and(|help| help.contains(option))
}

fn said(program: &Path, arguments: &[&str]) -> Result<String, Failure> {
    let said = Command::new(program).args(arguments).output()?;
    Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned())
}
