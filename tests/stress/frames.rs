//! What a client sends, built frame by frame. The texts are the test's own, so writing them cannot fail.

use bytes::BytesMut;
use weir_pgwire::Format;
use weir_pgwire::frontend::{self, Bind, BindValue, Subject};

const FITS: &str = "the test's own texts fit into frames";

/// Frames in a row.
#[derive(Default)]
pub(crate) struct Frames(BytesMut);

impl Frames {
    /// A statement in the simple protocol.
    pub(crate) fn query(sql: &str) -> Self {
        let mut frames = Self::default();
        frontend::query(&mut frames.0, sql).expect(FITS);
        frames
    }

    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Parse.
    pub(crate) fn parse(mut self, name: &str, sql: &str) -> Self {
        frontend::parse(&mut self.0, name, sql, std::iter::empty()).expect(FITS);
        self
    }

    /// Bind, with text values.
    pub(crate) fn bind(mut self, portal: &str, statement: &str, values: &[&str]) -> Self {
        let what = Bind {
            portal,
            statement,
            ..Bind::default()
        };
        let values = values.iter().map(|value| BindValue {
            format: Format::Text,
            bytes: Some(value.as_bytes()),
        });
        frontend::bind(&mut self.0, &what, values).expect(FITS);
        self
    }

    /// Describe the unnamed portal.
    pub(crate) fn describe(mut self) -> Self {
        frontend::describe(&mut self.0, Subject::Portal("")).expect(FITS);
        self
    }

    /// Execute.
    pub(crate) fn execute(mut self, portal: &str, rows_max: u32) -> Self {
        frontend::execute(&mut self.0, portal, rows_max).expect(FITS);
        self
    }

    /// Parse, Bind and Execute of the unnamed statement.
    pub(crate) fn run(self, sql: &str, values: &[&str]) -> Self {
        self.parse("", sql).bind("", "", values).execute("", 0)
    }

    /// Close of a statement.
    pub(crate) fn close(mut self, statement: &str) -> Self {
        frontend::close(&mut self.0, Subject::Statement(statement)).expect(FITS);
        self
    }

    /// Sync.
    pub(crate) fn sync(mut self) -> Self {
        frontend::sync(&mut self.0);
        self
    }

    /// Flush.
    pub(crate) fn flush(mut self) -> Self {
        frontend::flush(&mut self.0);
        self
    }

    /// A piece of a COPY.
    pub(crate) fn copy_data(mut self, data: &str) -> Self {
        frontend::copy_data(&mut self.0, data.as_bytes()).expect(FITS);
        self
    }

    /// The end of a COPY.
    pub(crate) fn copy_done(mut self) -> Self {
        frontend::copy_done(&mut self.0);
        self
    }

    /// The failure of a COPY.
    pub(crate) fn copy_fail(mut self, reason: &str) -> Self {
        frontend::copy_fail(&mut self.0, reason).expect(FITS);
        self
    }

    /// Goodbye.
    pub(crate) fn terminate(mut self) -> Self {
        frontend::terminate(&mut self.0);
        self
    }
}
