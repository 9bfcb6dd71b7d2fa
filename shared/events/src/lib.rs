//! What Weir tells: the subject grammar, the catalogue of events, one file for each publisher.
//!
//! Floor 0: an [`Event`] is made here and published elsewhere. Events say what happened, in the past tense; a payload
//! that was ever published can be read for ever.

pub mod cache;
pub mod catalogue;
mod event;
pub mod gateway;
pub mod jobs;
pub mod monitor;
mod subject;
mod waits;

pub use event::{DecodeError, Event, decode, project_of};
pub use subject::{InvalidPattern, InvalidSubject, Subject, SubjectPattern};
pub use waits::{Wait, Waits};

#[cfg(test)]
mod snapshots;
