//! One PostgreSQL connection as a client of the protocol: TLS, SCRAM, queries, cancel.
//!
//! Rows are handed over where the socket put them: nothing is copied for a row, nothing is allocated for a row, and
//! nothing is read before the caller asks. A connection whose reply was not read to its end says so
//! ([`Connection::is_broken`]) and refuses further work, because the next reply on it would be an old one.
//! Nothing here starts a task, retries, or keeps a pool, and no message ever holds a password.

mod authentication;
mod base_backup;
mod bulk;
mod cancel;
mod certificate;
mod channel;
mod connection;
mod credentials;
mod dial;
mod error;
mod forward;
mod inbox;
mod libpq;
mod physical;
mod pipeline;
mod prepared;
mod query;
mod replication;
mod resolve;
mod row;
mod scram;
mod server_error;
mod session;
mod simple;
mod sqlstate;
mod startup;
mod stream;
mod target;
mod tls;
mod url;

pub use base_backup::{BackupEnd, BackupPart, BackupTablespace, BaseBackup, LogPlace};
pub use bulk::{CopyIn, CopyOut};
pub use cancel::CancelToken;
pub use certificate::{common_name, end_point, valid_until};
pub use connection::Connection;
pub use credentials::{Credentials, ScramKeys, md5_answer};
pub use error::Error;
pub use physical::{Identity, PhysicalSlot, Started, TimelineEnd};
pub use pipeline::{Command, Piece, Pipeline, Source};
pub use prepared::{Column, Prepared};
pub use query::{Batch, Completion, Limits, Parameter, RowStream};
pub use replication::Replication;
pub use resolve::{LookUp, Resolve};
pub use row::Row;
pub use server_error::ServerError;
pub use startup::ConnectOptions;
pub use target::{ChannelBinding, SslMode, Target, TargetError};
pub use weir_pgwire::Format;
pub use weir_pgwire::backend::{DataRow, Field, RowDescription, TransactionStatus};
pub use weir_pgwire::replication::{FromServer, Lsn, StandbyStatus};
