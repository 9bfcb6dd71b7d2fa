//! The first byte of every frame that a server sends.

/// Every step of the log-in.
pub const AUTHENTICATION: u8 = b'R';
/// Process number and key for a cancel request.
pub const BACKEND_KEY_DATA: u8 = b'K';
/// A Bind succeeded.
pub const BIND_COMPLETE: u8 = b'2';
/// A Close succeeded.
pub const CLOSE_COMPLETE: u8 = b'3';
/// A statement ended well.
pub const COMMAND_COMPLETE: u8 = b'C';
/// A piece of a COPY.
pub const COPY_DATA: u8 = b'd';
/// The end of a COPY.
pub const COPY_DONE: u8 = b'c';
/// The server awaits the data of a COPY.
pub const COPY_IN_RESPONSE: u8 = b'G';
/// The server will send the data of a COPY.
pub const COPY_OUT_RESPONSE: u8 = b'H';
/// Both directions at once.
pub const COPY_BOTH_RESPONSE: u8 = b'W';
/// One row.
pub const DATA_ROW: u8 = b'D';
/// The statement had no text.
pub const EMPTY_QUERY_RESPONSE: u8 = b'I';
/// A statement failed.
pub const ERROR_RESPONSE: u8 = b'E';
/// The server knows less of the protocol than was asked for.
pub const NEGOTIATE_PROTOCOL_VERSION: u8 = b'v';
/// The statement returns no rows.
pub const NO_DATA: u8 = b'n';
/// A notice or warning.
pub const NOTICE_RESPONSE: u8 = b'N';
/// A NOTIFY that this session listens for.
pub const NOTIFICATION_RESPONSE: u8 = b'A';
/// The types of a statement's parameters.
pub const PARAMETER_DESCRIPTION: u8 = b't';
/// A setting and its value.
pub const PARAMETER_STATUS: u8 = b'S';
/// A Parse succeeded.
pub const PARSE_COMPLETE: u8 = b'1';
/// The row limit of an Execute was reached.
pub const PORTAL_SUSPENDED: u8 = b's';
/// The server awaits the next statement.
pub const READY_FOR_QUERY: u8 = b'Z';
/// The columns of the rows that follow.
pub const ROW_DESCRIPTION: u8 = b'T';
