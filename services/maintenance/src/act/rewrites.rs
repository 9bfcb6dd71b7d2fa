//! Rewrites, and what they leave behind, on a real PostgreSQL.

mod bed;
mod campaign;
mod gates;
mod reindex;
mod repack;
mod sweep;
mod verify;
