//! Restores of directories that look like a cluster's, and of real clusters.

mod accidents;
mod clusters;
mod directories;
mod servers;
