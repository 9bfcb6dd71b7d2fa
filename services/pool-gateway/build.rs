//! Rebuilds the crate when a migration is added: `sqlx::migrate!` reads a directory that Cargo does not watch by itself.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
