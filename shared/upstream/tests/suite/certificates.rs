//! Certificates for one test, made by the `openssl` command.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A key of the kind that most servers have.
pub(crate) const EC: &[&str] = &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-sha256"];

/// A directory with certificates and their keys.
pub(crate) struct Certificates {
    dir: TempDir,
}

/// A certificate with its key, both in PEM.
pub(crate) struct Certificate {
    pub(crate) path: PathBuf,
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Certificates {
    pub(crate) fn new() -> Self {
        Self {
            dir: TempDir::new().unwrap(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// One that vouches for itself. `openssl` makes it an authority.
    pub(crate) fn self_signed(&self, name: &str, key: &[&str]) -> Certificate {
        let names = format!("subjectAltName=DNS:{name}");
        self.make(name, &[key, &["-subj", "/CN=test", "-addext", &names]].concat())
    }

    /// One with this subject.
    pub(crate) fn named(&self, subject: &str) -> Certificate {
        self.make("named", &[EC, &["-utf8", "-subj", subject]].concat())
    }

    /// An authority.
    pub(crate) fn authority(&self, name: &str) -> Certificate {
        self.make(name, &[EC, &["-subj", &format!("/CN={name}")]].concat())
    }

    /// One for a host that an authority vouches for.
    pub(crate) fn issued(&self, host: &str, authority: &Certificate) -> Certificate {
        let names = format!("subjectAltName=DNS:{host}");
        let authority_key = authority.path.with_extension("key");
        let by = [
            "-CA",
            text(&authority.path),
            "-CAkey",
            text(&authority_key),
            "-subj",
            "/CN=test",
        ];
        self.make(
            host,
            &[
                EC,
                &by,
                &["-addext", "basicConstraints=critical,CA:FALSE", "-addext", &names],
            ]
            .concat(),
        )
    }

    fn make(&self, name: &str, more: &[&str]) -> Certificate {
        let (path, key) = (self.path(&format!("{name}.pem")), self.path(&format!("{name}.key")));
        let common = [
            "req",
            "-x509",
            "-nodes",
            "-days",
            "2",
            "-out",
            text(&path),
            "-keyout",
            text(&key),
        ];
        openssl(&[&common, more].concat());
        read(path, &key)
    }

    /// The same certificate with the same key, but of the year 2001.
    pub(crate) fn expired(&self, certificate: &Certificate) -> Certificate {
        let (config, request, path) = (self.path("ca.cnf"), self.path("request"), self.path("expired.pem"));
        let key = certificate.path.with_extension("key");
        let dir = self.dir.path().display();
        let settings = format!(
            "[ca]\ndefault_ca=a\n[a]\ndatabase={dir}/index\nserial={dir}/serial\nnew_certs_dir={dir}\ndefault_md=sha256\npolicy=p\n\
             x509_extensions=e\n[p]\ncommonName=supplied\n[e]\nbasicConstraints=critical,CA:TRUE\nsubjectAltName=DNS:localhost\n"
        );
        std::fs::write(&config, settings).unwrap();
        std::fs::write(self.path("index"), "").unwrap();
        std::fs::write(self.path("serial"), "01\n").unwrap();
        openssl(&[
            "req",
            "-new",
            "-key",
            text(&key),
            "-subj",
            "/CN=test",
            "-out",
            text(&request),
        ]);
        let dates = ["-startdate", "20010101000000Z", "-enddate", "20011231000000Z"];
        let files = [
            "-config",
            text(&config),
            "-in",
            text(&request),
            "-keyfile",
            text(&key),
            "-out",
            text(&path),
        ];
        openssl(&[&["ca", "-batch", "-selfsign", "-notext"], &dates[..], &files].concat());
        read(path, &key)
    }
}

fn read(path: PathBuf, key: &Path) -> Certificate {
    let certificate = std::fs::read_to_string(&path).unwrap();
    Certificate {
        certificate,
        key: std::fs::read_to_string(key).unwrap(),
        path,
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn openssl(arguments: &[&str]) {
    let output = Command::new("openssl")
        .args(arguments)
        .output()
        .expect("openssl must be installed");
    assert!(
        output.status.success(),
        "openssl {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
