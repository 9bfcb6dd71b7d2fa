//! What kind of failure an error is, so that every border can translate it the same way.

/// The few classes that a caller can act upon. Each border (gRPC, HTTP, wire) maps a class, never a single error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The caller sent something that cannot be right; sending it again will not help.
    InvalidInput,
    /// The caller did not prove who it is.
    Unauthenticated,
    /// The caller may not do this.
    PermissionDenied,
    /// The thing asked for does not exist.
    NotFound,
    /// The request contradicts the present state (exists already, is running, was changed meanwhile).
    Conflict,
    /// A limit was reached (pool, queue, size); later or smaller may succeed.
    Exhausted,
    /// Something Weir depends on is away; the same request may succeed later.
    Unavailable,
    /// The time allowed ran out.
    Deadline,
    /// The caller or an operator cancelled it.
    Cancelled,
    /// A defect on this side.
    Internal,
}

/// An error with a class for machines and a slug that has a paragraph in `docs/reference/errors.md`.
pub trait Coded: std::error::Error {
    /// The class, which decides the status code at every border.
    fn class(&self) -> ErrorClass;
    /// A short, stable name such as `pool-timeout`.
    fn slug(&self) -> &'static str;
}
