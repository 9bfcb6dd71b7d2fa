//! Writes that are done once, however often they are sent.
//!
//! The outcome is a row beside the data, written in the transaction of the write itself: both stand, or neither. A
//! second call with the same key waits at that row until the first one's fate is known.

use blake3::Hasher;
use weir_model::Project;
use weir_upstream::{Command, Connection, Format, Parameter, Piece};

use super::batch::server;
use super::reading::{read_to_sync, read_value};
use crate::error::Error;
use crate::settings::GatewaySettings;

/// As long as a key may be.
pub(crate) const KEY_BYTES_MAX: usize = 200;
/// As large as an answer may be that is kept.
const ANSWER_BYTES_MAX: usize = 1 << 20;

const BYTEA: u32 = 17;
const TEXT: u32 = 25;

/// The table, as an operator may also make it.
const TABLE: &str = "\
create table if not exists public.weir_idempotency (
    project text not null,
    key text not null,
    request bytea not null,
    answer bytea,
    created_at timestamptz not null default pg_catalog.now(),
    primary key (project, key)
);
create index if not exists weir_idempotency_created_at on public.weir_idempotency (created_at)";
const TAKE: &str = "insert into public.weir_idempotency (project, key, request) values ($1, $2, $3) \
                    on conflict (project, key) do nothing returning '1'::text";
/// The request of a row, a byte, and its answer.
const LOOK: &str = "select case when request = $3 then '=' else '!' end::bytea || coalesce(answer, '')
                    from public.weir_idempotency where project = $1 and key = $2";
/// Puts the answer into the row.
pub(super) const KEEP: &str = "update public.weir_idempotency set answer = $3 where project = $1 and key = $2";
/// Takes out some of what was kept long enough.
pub(super) const SWEEP: &str = "delete from public.weir_idempotency where ctid = any (array(
                         select ctid from public.weir_idempotency
                         where created_at < pg_catalog.now() - pg_catalog.make_interval(secs => $1::float8)
                         limit 20 for update skip locked))";

/// A key with the request that it stands for.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    project: Project,
    key: String,
    request: [u8; 32],
}

/// What is known of a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// Nothing: it is ours, in the transaction that is open now.
    Ours,
    /// It was used for the same request, with this answer.
    Known(Vec<u8>),
}

impl Key {
    /// The key of a request, of which `request` is all that matters.
    pub(crate) fn new(project: Project, key: String, request: &[u8]) -> Result<Self, Error> {
        if key.len() > KEY_BYTES_MAX || key.contains('\0') {
            let reason = format!("idempotency_key has at most {KEY_BYTES_MAX} bytes, and no zero byte");
            return Err(Error::Request(reason));
        }
        let request = *Hasher::new().update(request).finalize().as_bytes();
        Ok(Self { project, key, request })
    }

    fn parameters<'k>(&'k self, third: &'k [u8]) -> [Parameter<'k>; 3] {
        [
            Parameter::text(self.project.as_str()).of_type(TEXT),
            Parameter::text(&self.key).of_type(TEXT),
            Parameter::binary(third, BYTEA),
        ]
    }

    /// The parameters of [`KEEP`].
    pub(super) fn keep_parameters<'k>(&'k self, answer: &'k [u8]) -> [Parameter<'k>; 3] {
        self.parameters(answer)
    }

    /// The answer, if it may be kept.
    pub(super) fn kept(&self, answer: Vec<u8>) -> Result<Vec<u8>, Error> {
        if answer.len() > ANSWER_BYTES_MAX {
            let reason = format!(
                "the answer has {} bytes, and {ANSWER_BYTES_MAX} are kept at most; return less",
                answer.len()
            );
            return Err(Error::IdempotencyUnavailable(reason));
        }
        Ok(answer)
    }
}

/// Begins a transaction with the claim of a key. Where it is known, the transaction is over again.
pub(super) async fn claim(connection: &mut Connection, key: &Key, settings: &GatewaySettings) -> Result<Claim, Error> {
    match take(connection, key).await? {
        Taken::Ours => return Ok(Claim::Ours),
        Taken::Others => {}
        Taken::NoTable if settings.idempotency_create => {
            create(connection).await?;
            if take(connection, key).await? == Taken::Ours {
                return Ok(Claim::Ours);
            }
        }
        Taken::NoTable => {
            let reason = "the table public.weir_idempotency is missing; make it as docs/guides/idempotency.md says, or \
                          set gateway.idempotency_create";
            return Err(Error::IdempotencyUnavailable(reason.to_owned()));
        }
    }
    connection.simple_query("rollback").await?;
    look(connection, key).await
}

#[derive(Debug, PartialEq, Eq)]
enum Taken {
    Ours,
    Others,
    NoTable,
}

async fn take(connection: &mut Connection, key: &Key) -> Result<Taken, Error> {
    let mut pipeline = connection.pipeline()?;
    pipeline.control("begin")?;
    pipeline.push(&Command::text(TAKE, &key.parameters(&key.request)))?;
    pipeline.sync();
    let mut taken = Taken::Others;
    let synced = loop {
        match pipeline.next().await? {
            Some(Piece::Rows(_)) => taken = Taken::Ours,
            Some(Piece::Failed(error)) => break Some(error),
            Some(Piece::Ready(_)) | None => break None,
            Some(_) => {}
        }
    };
    let Some(error) = synced else {
        return Ok(taken);
    };
    read_to_sync(&mut pipeline).await?;
    drop(pipeline);
    connection.simple_query("rollback").await?;
    match error.sqlstate.as_str() {
        "42P01" => Ok(Taken::NoTable),
        // Rights, a session that may only read, a table of that name that is none of ours.
        "42501" | "25006" | "42703" | "42P10" => Err(Error::IdempotencyUnavailable(error.to_string())),
        _ => Err(server(error)),
    }
}

async fn create(connection: &mut Connection) -> Result<(), Error> {
    match connection.simple_query(TABLE).await {
        Ok(_) => Ok(()),
        Err(weir_upstream::Error::Server(error)) => match error.sqlstate.as_str() {
            // Somebody else made it in the same moment: the table, its row type, or a row of the catalogue that both wanted.
            "42P07" | "42710" | "23505" => Ok(()),
            _ => Err(Error::IdempotencyUnavailable(error.to_string())),
        },
        Err(error) => Err(error.into()),
    }
}

async fn look(connection: &mut Connection, key: &Key) -> Result<Claim, Error> {
    let parameters = key.parameters(&key.request);
    let command = Command {
        formats: &[Format::Binary],
        ..Command::text(LOOK, &parameters)
    };
    let mut pipeline = connection.pipeline()?;
    pipeline.push(&command)?;
    pipeline.sync();
    let found = read_value(&mut pipeline).await?.map_err(server)?;
    match found.as_deref().and_then(<[u8]>::split_first) {
        Some((b'=', answer)) => Ok(Claim::Known(answer.to_vec())),
        Some(_) => Err(Error::IdempotencyMismatch),
        None => Err(Error::IdempotencyUnavailable(
            "its row was taken away in the same moment; send the call again".to_owned(),
        )),
    }
}
