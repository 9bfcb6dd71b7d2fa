//! The prepared cluster that every test's cluster is copied from, since `initdb` takes longer than a copy.
//!
//! Test processes run side by side: one builds it under an exclusive lock and puts it in place by renaming, and those
//! who copy hold a shared lock, so nobody sees it half made or half removed.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use weir_model::Clock;

use super::install::Install;
use crate::place::shared_dir;

/// Change it when `initdb` below gets other arguments.
const RECIPE: u32 = 1;
/// Systems empty their temp directory piece by piece after days; a template must never get that old.
const AGE_MAX: Duration = Duration::from_secs(24 * 3600);

/// A complete template. While this value lives nobody replaces it.
pub(super) struct Template {
    pub(super) dir: PathBuf,
    _lock: File,
}

/// The template of this PostgreSQL version, built where there is none yet.
pub(super) fn template(install: &Install, segment_megabytes: Option<u32>) -> Template {
    template_in(&shared_dir(), install, segment_megabytes)
}

fn template_in(folder: &Path, install: &Install, segment_megabytes: Option<u32>) -> Template {
    fs::create_dir_all(folder).expect("create the directory of test templates");
    // The server's user must pass, whatever the umask of the one who runs the tests.
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("open the directory of test templates");
    let dir = folder.join(format!(
        "template-{RECIPE}-{}-{}{}",
        install.version(),
        install.account.uid,
        segment_megabytes.map(|size| format!("-{size}")).unwrap_or_default()
    ));
    let lock = File::create(dir.with_added_extension("lock")).expect("open the template's lock file");
    loop {
        lock.lock_shared().expect("lock the template");
        if is_fresh(&dir) {
            return Template { dir, _lock: lock };
        }
        lock.unlock().expect("unlock the template");
        lock.lock().expect("lock the template alone");
        if !is_fresh(&dir) {
            build(&dir, install, segment_megabytes);
        }
        lock.unlock().expect("unlock the template");
    }
}

fn is_fresh(dir: &Path) -> bool {
    let built = fs::metadata(dir).and_then(|facts| facts.modified());
    built.is_ok_and(|time| Clock::system().now().duration_since(time).unwrap_or_default() < AGE_MAX)
}

fn build(dir: &Path, install: &Install, segment_megabytes: Option<u32>) {
    let unfinished = dir.with_added_extension("unfinished");
    for old in [dir, &unfinished] {
        if old.exists() {
            fs::remove_dir_all(old).expect("remove an old template");
        }
    }
    fs::create_dir(&unfinished).expect("create the template's directory");
    install.account.own(&unfinished);
    initdb(&unfinished, install, segment_megabytes);
    fs::rename(&unfinished, dir).expect("put the template in place");
}

fn initdb(dir: &Path, install: &Install, segment_megabytes: Option<u32>) {
    let line = install.command("initdb", &[Path::new("-D"), dir]);
    let (program, args) = line.split_first().expect("a command line has a program");
    let output = Command::new(program)
        .args(args)
        .args([
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ])
        .args(segment_megabytes.map(|size| format!("--wal-segsize={size}")))
        .output()
        .expect("run initdb");
    assert!(
        output.status.success(),
        "initdb failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// The programs of this machine, with an `initdb` that notes each of its runs in the file `runs`.
    fn counting_install(folder: &Path) -> Install {
        let mut install = Install::find();
        let bin = folder.join("bin");
        fs::create_dir_all(&bin).unwrap();
        install.account.own(&bin);
        let script = format!(
            "#!/bin/sh\necho run >>{0:?}/runs\nexec {1:?}/initdb \"$@\"\n",
            bin, install.bin
        );
        fs::write(bin.join("initdb"), script).unwrap();
        fs::set_permissions(bin.join("initdb"), fs::Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink(install.bin.join("postgres"), bin.join("postgres")).unwrap();
        install.bin = bin;
        install
    }

    #[test]
    fn side_by_side_it_is_built_once_and_again_only_when_old() {
        let folder = std::env::temp_dir().join(format!("weir-template-{}", crate::place::unique()));
        let install = counting_install(&folder);
        let runs = || fs::read_to_string(install.bin.join("runs")).unwrap().lines().count();
        let complete = || {
            assert!(
                template_in(&folder, &install, None)
                    .dir
                    .join("global/pg_control")
                    .exists()
            );
        };
        thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(complete))));
        let runs_at_first = runs();
        let dir = template_in(&folder, &install, None).dir;
        File::open(dir)
            .unwrap()
            .set_modified(Clock::system().now() - AGE_MAX)
            .unwrap();
        complete();
        let runs_when_old = runs();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!((runs_at_first, runs_when_old), (1, 2));
    }
}
