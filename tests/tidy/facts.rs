//! What the rules are about: the crates of the workspace and the files of the tree, read once for each test.

use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, MetadataCommand, Package, TargetKind};

/// A crate of the workspace.
#[derive(Debug, Clone, Default)]
pub(crate) struct Crate {
    pub(crate) name: String,
    /// Where it lies, from the root: `shared/model`.
    pub(crate) directory: String,
    /// Names of its binaries.
    pub(crate) binaries: Vec<String>,
    /// Whether it has a `src/main.rs`.
    pub(crate) has_main: bool,
    /// The crates of the house that it depends on.
    pub(crate) dependencies: Vec<Dependency>,
    /// The features of `weir-proto` that it ships with.
    pub(crate) proto_features: Vec<String>,
}

/// One crate of the house that another depends on.
#[derive(Debug, Clone)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// Whether only tests, examples and benchmarks need it.
    pub(crate) dev: bool,
}

/// A text file of the tree.
#[derive(Debug, Clone)]
pub(crate) struct File {
    /// From the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    pub(crate) fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            text: text.into(),
        }
    }
}

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests lie in the workspace")
        .to_owned()
}

/// A file of the tree by its path from the root; none if it does not exist.
pub(crate) fn text(path: &str) -> Option<String> {
    fs::read_to_string(root().join(path)).ok()
}

/// The crates, as Cargo sees them.
pub(crate) fn crates() -> Vec<Crate> {
    let root = root();
    let mut command = MetadataCommand::new();
    command.manifest_path(root.join("Cargo.toml")).no_deps();
    let metadata = command.exec().expect("cargo metadata answers");
    let mut crates: Vec<Crate> = metadata
        .workspace_packages()
        .into_iter()
        .map(|package| read(&root, package))
        .collect();
    crates.sort_by(|one, other| one.directory.cmp(&other.directory));
    crates
}

fn read(root: &Path, package: &Package) -> Crate {
    let path = package.manifest_path.parent().expect("a manifest lies in a directory");
    let directory = path
        .as_std_path()
        .strip_prefix(root)
        .expect("a member lies in the workspace");
    let binaries = package
        .targets
        .iter()
        .filter(|target| target.kind.contains(&TargetKind::Bin));
    let house = package
        .dependencies
        .iter()
        .filter(|dependency| dependency.path.is_some());
    Crate {
        name: package.name.to_string(),
        directory: directory.to_string_lossy().replace('\\', "/"),
        binaries: binaries.map(|target| target.name.clone()).collect(),
        has_main: path.join("src/main.rs").exists(),
        dependencies: house
            .map(|dependency| Dependency {
                name: dependency.name.clone(),
                dev: dependency.kind == DependencyKind::Development,
            })
            .collect(),
        proto_features: proto_features(package),
    }
}

/// The features asked for beside the dependency, and those that features of the crate itself switch on.
fn proto_features(package: &Package) -> Vec<String> {
    let shipped = package
        .dependencies
        .iter()
        .filter(|found| found.kind != DependencyKind::Development);
    let direct = shipped
        .filter(|found| found.name == "weir-proto")
        .flat_map(|found| found.features.clone());
    let switched = package
        .features
        .values()
        .flatten()
        .filter_map(|feature| feature.strip_prefix("weir-proto/"));
    let mut features: Vec<String> = direct.chain(switched.map(str::to_owned)).collect();
    features.sort();
    features.dedup();
    features
}

/// Directories that hold nothing written by hand.
const SKIPPED: [&str; 4] = [".git", ".weir", "node_modules", "target"];

/// Every text file of the tree that belongs to the project, in the order of their paths.
pub(crate) fn files() -> Vec<File> {
    let root = root();
    let mut files = Vec::new();
    collect(&root, &root, &mut files);
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files
}

fn collect(root: &Path, directory: &Path, files: &mut Vec<File>) {
    for entry in fs::read_dir(directory).expect("the tree can be read") {
        let entry = entry.expect("the tree can be read");
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type().expect("the tree can be read");
        if kind.is_dir() {
            if !SKIPPED.contains(&name.as_str()) {
                collect(root, &entry.path(), files);
            }
        } else if kind.is_file() && !name.ends_with(".log") {
            files.extend(read_text(root, &entry.path()));
        }
    }
}

/// The file, unless it is not text.
fn read_text(root: &Path, path: &Path) -> Option<File> {
    let text = fs::read_to_string(path).ok()?;
    let from_root = path.strip_prefix(root).ok()?;
    Some(File::new(from_root.to_string_lossy().replace('\\', "/"), text))
}

/// The Rust files of the tree.
pub(crate) fn rust_files() -> Vec<File> {
    files().into_iter().filter(|file| file.path.ends_with(".rs")).collect()
}

#[test]
fn the_real_tree_is_seen() {
    let crates = crates();
    let gateway = crates
        .iter()
        .find(|found| found.name == "weir-pool-gateway")
        .expect("the gateway is a member");
    assert!(gateway.has_main && gateway.binaries == ["pool-gateway"]);
    assert!(
        gateway
            .dependencies
            .iter()
            .any(|found| found.name == "weir-testkit" && found.dev)
    );
    assert!(
        gateway
            .dependencies
            .iter()
            .any(|found| found.name == "weir-model" && !found.dev)
    );
    assert!(gateway.proto_features.iter().any(|feature| feature == "gateway-server"));
    let files = rust_files();
    assert!(
        files
            .iter()
            .any(|file| file.path == "tests/tidy/facts.rs" && file.text.starts_with("//!"))
    );
    assert!(files.iter().all(|file| !file.path.starts_with("target/")));
}
