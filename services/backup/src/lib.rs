//! Base backups, the write-ahead log, restore, and the proof that a restore works.
#![allow(dead_code, reason = "scaffold")]

mod repo;
