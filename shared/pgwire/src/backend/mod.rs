//! Frames that a server sends, as views that borrow from the buffer they arrived in.
//!
//! A view is made only of a body that follows its form from the first byte to the last, so that what reads it later
//! needs no second look. Texts are bytes: their encoding is the session's business.

mod authentication;
mod complete;
mod copy;
mod description;
mod fields;
mod row;
mod session;
pub mod tag;

pub use authentication::{Authentication, Mechanisms};
pub use complete::{CommandComplete, command_tag_rows};
pub use copy::CopyResponse;
pub use description::{Field, Fields, ParameterDescription, RowDescription};
pub use fields::{ErrorFields, field};
pub use row::DataRow;
pub use session::{BackendKeyData, NegotiateProtocolVersion, NotificationResponse, ParameterStatus, TransactionStatus};

use crate::reader::Reader;
pub use crate::values::Values;
use crate::{Frame, WireError};

/// Any frame that a server sends.
#[derive(Debug, Clone, Copy)]
pub enum Message<'a> {
    /// A step of the log-in.
    Authentication(Authentication<'a>),
    /// What a cancel request must show.
    BackendKeyData(BackendKeyData<'a>),
    /// A Bind succeeded.
    BindComplete,
    /// A Close succeeded.
    CloseComplete,
    /// A statement ended well.
    CommandComplete(CommandComplete<'a>),
    /// A piece of a COPY.
    CopyData(&'a [u8]),
    /// The last piece of a COPY was sent.
    CopyDone,
    /// The server awaits the data of a COPY.
    CopyInResponse(CopyResponse<'a>),
    /// The server will send the data of a COPY.
    CopyOutResponse(CopyResponse<'a>),
    /// Both directions at once, as replication does.
    CopyBothResponse(CopyResponse<'a>),
    /// One row.
    DataRow(DataRow<'a>),
    /// The statement had no text.
    EmptyQueryResponse,
    /// A statement failed.
    ErrorResponse(ErrorFields<'a>),
    /// The server knows less of the protocol than was asked for.
    NegotiateProtocolVersion(NegotiateProtocolVersion<'a>),
    /// The statement returns no rows.
    NoData,
    /// A notice or warning.
    NoticeResponse(ErrorFields<'a>),
    /// A NOTIFY that this session listens for.
    NotificationResponse(NotificationResponse<'a>),
    /// The types of a statement's parameters.
    ParameterDescription(ParameterDescription<'a>),
    /// A setting and its value.
    ParameterStatus(ParameterStatus<'a>),
    /// A Parse succeeded.
    ParseComplete,
    /// The row limit of an Execute was reached.
    PortalSuspended,
    /// The server awaits the next statement.
    ReadyForQuery(TransactionStatus),
    /// The columns of the rows that follow.
    RowDescription(RowDescription<'a>),
}

impl<'a> Message<'a> {
    /// Reads a frame. The whole body must follow its form.
    pub fn parse(frame: Frame<'a>) -> Result<Self, WireError> {
        let body = frame.body;
        Ok(match frame.tag {
            tag::DATA_ROW => Self::DataRow(DataRow::parse(body)?),
            tag::COMMAND_COMPLETE => Self::CommandComplete(CommandComplete::parse(body)?),
            tag::READY_FOR_QUERY => Self::ReadyForQuery(TransactionStatus::parse(body)?),
            tag::ROW_DESCRIPTION => Self::RowDescription(RowDescription::parse(body)?),
            tag::PARAMETER_DESCRIPTION => Self::ParameterDescription(ParameterDescription::parse(body)?),
            tag::ERROR_RESPONSE => Self::ErrorResponse(ErrorFields::parse("ErrorResponse", body)?),
            tag::NOTICE_RESPONSE => Self::NoticeResponse(ErrorFields::parse("NoticeResponse", body)?),
            tag::NOTIFICATION_RESPONSE => Self::NotificationResponse(NotificationResponse::parse(body)?),
            tag::PARAMETER_STATUS => Self::ParameterStatus(ParameterStatus::parse(body)?),
            tag::BACKEND_KEY_DATA => Self::BackendKeyData(BackendKeyData::parse(body)?),
            tag::AUTHENTICATION => Self::Authentication(Authentication::parse(body)?),
            tag::NEGOTIATE_PROTOCOL_VERSION => Self::NegotiateProtocolVersion(NegotiateProtocolVersion::parse(body)?),
            tag::COPY_DATA => Self::CopyData(body),
            tag::COPY_IN_RESPONSE => Self::CopyInResponse(CopyResponse::parse("CopyInResponse", body)?),
            tag::COPY_OUT_RESPONSE => Self::CopyOutResponse(CopyResponse::parse("CopyOutResponse", body)?),
            tag::COPY_BOTH_RESPONSE => Self::CopyBothResponse(CopyResponse::parse("CopyBothResponse", body)?),
            _ => Self::without_body(frame)?,
        })
    }

    fn without_body(frame: Frame<'a>) -> Result<Self, WireError> {
        let (message, name) = match frame.tag {
            tag::PARSE_COMPLETE => (Self::ParseComplete, "ParseComplete"),
            tag::BIND_COMPLETE => (Self::BindComplete, "BindComplete"),
            tag::CLOSE_COMPLETE => (Self::CloseComplete, "CloseComplete"),
            tag::COPY_DONE => (Self::CopyDone, "CopyDone"),
            tag::EMPTY_QUERY_RESPONSE => (Self::EmptyQueryResponse, "EmptyQueryResponse"),
            tag::NO_DATA => (Self::NoData, "NoData"),
            tag::PORTAL_SUSPENDED => (Self::PortalSuspended, "PortalSuspended"),
            tag => return Err(WireError::UnknownTag { tag }),
        };
        Reader::new(name, frame.body).end().map(|()| message)
    }
}
