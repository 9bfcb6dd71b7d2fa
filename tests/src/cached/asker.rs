//! One session of the PostgreSQL protocol that asks in every way there is and keeps whole answers.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::{Instant, timeout};
use weir_pgwire::Format;
use weir_pgwire::frontend::{self, Bind, BindValue, Subject};

use super::Answer;
use crate::wire::{Address, Connection, Fault};

/// Longer than any answer may take, stalls of the server included.
const HUNG_AFTER: Duration = Duration::from_secs(30);

/// How a statement is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// In the simple protocol.
    Simple,
    /// In the extended protocol, parsed anew each time.
    Extended,
    /// In the extended protocol, parsed once under a name.
    Prepared,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Simple, Self::Extended, Self::Prepared];
}

/// A session.
pub struct Asker {
    connection: Connection,
    names: HashMap<String, String>,
    answered_at: Instant,
    /// Whether values come back in binary.
    pub binary: bool,
}

impl Asker {
    /// Logs in.
    pub async fn open(address: &Address) -> Result<Self, Fault> {
        Self::open_with(address, &[]).await
    }

    /// The same with further start-up parameters.
    pub async fn open_with(address: &Address, parameters: &[(&str, &str)]) -> Result<Self, Fault> {
        let opened = timeout(HUNG_AFTER, Connection::open(address, parameters)).await;
        Ok(Self {
            connection: opened.map_err(|_| hung())??,
            names: HashMap::new(),
            answered_at: Instant::now(),
            binary: false,
        })
    }

    /// Asks in some way. In the simple protocol values are written into the text, so they have to be plain numbers or
    /// quoted texts that mean the same there.
    pub async fn ask(&mut self, way: Way, sql: &str, values: &[&str]) -> Result<Answer, Fault> {
        match way {
            Way::Simple => self.simple(&with_literals(sql, values)).await,
            Way::Extended => self.extended(sql, values).await,
            Way::Prepared => self.prepared(sql, values).await,
        }
    }

    /// A text, of one statement or several.
    pub async fn simple(&mut self, sql: &str) -> Result<Answer, Fault> {
        let mut out = BytesMut::new();
        frontend::query(&mut out, sql)?;
        self.exchange(&out).await
    }

    /// A text that has to succeed; an error is a fault.
    pub async fn run(&mut self, sql: &str) -> Result<Answer, Fault> {
        let answer = self.simple(sql).await?;
        match answer.error() {
            Some(error) => Err(Fault::Refused(error.clone())),
            None => Ok(answer),
        }
    }

    async fn extended(&mut self, sql: &str, values: &[&str]) -> Result<Answer, Fault> {
        let mut out = BytesMut::new();
        frontend::parse(&mut out, "", sql, std::iter::empty())?;
        self.put_run(&mut out, "", values)?;
        self.exchange(&out).await
    }

    async fn prepared(&mut self, sql: &str, values: &[&str]) -> Result<Answer, Fault> {
        let name = match self.names.get(sql) {
            Some(name) => name.clone(),
            None => match self.prepare(sql).await? {
                Ok(name) => name,
                Err(refused) => return Ok(refused),
            },
        };
        let mut out = BytesMut::new();
        self.put_run(&mut out, &name, values)?;
        self.exchange(&out).await
    }

    /// Parses a statement under a name of its own; or the answer that says why not.
    async fn prepare(&mut self, sql: &str) -> Result<Result<String, Answer>, Fault> {
        let name = format!("s{}", self.names.len());
        let mut out = BytesMut::new();
        frontend::parse(&mut out, &name, sql, std::iter::empty())?;
        frontend::sync(&mut out);
        let answer = self.exchange(&out).await?;
        if answer.error().is_some() {
            return Ok(Err(answer));
        }
        self.names.insert(sql.to_owned(), name.clone());
        Ok(Ok(name))
    }

    fn put_run(&self, out: &mut BytesMut, statement: &str, values: &[&str]) -> Result<(), Fault> {
        let formats: &[Format] = if self.binary { &[Format::Binary] } else { &[] };
        let what = Bind {
            portal: "",
            statement,
            result_formats: formats,
        };
        let values = values.iter().map(|value| BindValue {
            format: Format::Text,
            bytes: Some(value.as_bytes()),
        });
        frontend::bind(out, &what, values)?;
        frontend::describe(out, Subject::Portal(""))?;
        frontend::execute(out, "", 0)?;
        frontend::sync(out);
        Ok(())
    }

    /// A COPY FROM STDIN with its data.
    pub async fn copy_in(&mut self, sql: &str, data: &str) -> Result<Answer, Fault> {
        let mut out = BytesMut::new();
        frontend::query(&mut out, sql)?;
        frontend::copy_data(&mut out, data.as_bytes())?;
        frontend::copy_done(&mut out);
        self.exchange(&out).await
    }

    /// Sends frames and reads up to the end of their answer.
    pub async fn exchange(&mut self, frames: &[u8]) -> Result<Answer, Fault> {
        let exchange = async {
            self.connection.send(frames).await?;
            let mut answer = Answer::default();
            while !answer.add(self.connection.receive().await?) {}
            self.answered_at = Instant::now();
            Ok(answer)
        };
        timeout(HUNG_AFTER, exchange).await.unwrap_or_else(|_| Err(hung()))
    }

    /// When it had its last answer: up to then its connection was not broken.
    pub const fn answered_at(&self) -> Instant {
        self.answered_at
    }

    /// Leaves in good order.
    pub async fn close(self) -> Result<(), Fault> {
        self.connection.close().await
    }
}

/// The message tells a run apart whose system hung from one whose connections broke.
fn hung() -> Fault {
    io::Error::new(io::ErrorKind::TimedOut, "no answer within 30 s").into()
}

/// The last first, so that `$1` is not found in `$10`.
fn with_literals(sql: &str, values: &[&str]) -> String {
    let numbered = values.iter().enumerate().rev();
    numbered.fold(sql.to_owned(), |sql, (index, value)| {
        let literal = match value.parse::<i64>() {
            Ok(_) => (*value).to_owned(),
            Err(_) => format!("'{}'", value.replace('\'', "''")),
        };
        sql.replace(&format!("${}", index + 1), &literal)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_where_their_numbers_stood() {
        assert_eq!(with_literals("select $1, $2", &["7", "it's"]), "select 7, 'it''s'");
        let ten = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"];
        assert_eq!(with_literals("$10 $1", &ten), "10 1");
    }
}
