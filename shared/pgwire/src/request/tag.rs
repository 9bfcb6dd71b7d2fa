//! The first byte of every frame that a client sends, once the session has started.

/// Binds values to a parsed statement.
pub const BIND: u8 = b'B';
/// Forgets a statement or portal.
pub const CLOSE: u8 = b'C';
/// A piece of a COPY.
pub const COPY_DATA: u8 = b'd';
/// The end of a COPY.
pub const COPY_DONE: u8 = b'c';
/// The end of a COPY that failed.
pub const COPY_FAIL: u8 = b'f';
/// Asks for the columns of a statement or portal.
pub const DESCRIBE: u8 = b'D';
/// Runs a portal.
pub const EXECUTE: u8 = b'E';
/// Asks for the answers so far.
pub const FLUSH: u8 = b'H';
/// Calls a function by its number, as large objects do.
pub const FUNCTION_CALL: u8 = b'F';
/// Parses a statement.
pub const PARSE: u8 = b'P';
/// Every step of the log-in: a password or a SASL message.
pub const PASSWORD: u8 = b'p';
/// A statement, or several, in the simple protocol.
pub const QUERY: u8 = b'Q';
/// The end of a series of extended frames.
pub const SYNC: u8 = b'S';
/// Goodbye.
pub const TERMINATE: u8 = b'X';
