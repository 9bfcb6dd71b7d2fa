//! What statements depend on, with a real PostgreSQL to say what they mean.

mod battery;
mod cases;
mod hostile;
mod sound;
mod words;
mod world;
