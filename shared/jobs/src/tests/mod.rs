//! Jobs on a real PostgreSQL.

mod ending;
mod leasing;
mod queueing;
mod stopping;
mod taking_in;
mod world;
