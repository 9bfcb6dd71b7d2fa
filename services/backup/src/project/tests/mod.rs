//! Exports and imports beside a real PostgreSQL.

mod faults;
mod keys;
mod round;
mod rows;
mod world;
