//! Callers: what they ask, what they get, and what is told of it.

mod decode;
mod encode;
mod grpc;
mod recording;
mod replies;
mod session;
mod types;

pub(crate) use recording::shape;
pub(crate) use session::Sessions;
