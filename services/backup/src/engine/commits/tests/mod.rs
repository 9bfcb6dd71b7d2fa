//! The log of real servers, and logs that were forged.

mod forge;
mod hostile;
mod real;
mod scenes;
mod server;
