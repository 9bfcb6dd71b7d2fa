//! What came of one piece of work.

use serde_json::{Value as Json, json};

/// One piece of work that ended by itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Deed {
    /// Why nothing was done after all. None: it was done.
    pub left: Option<String>,
    /// What was measured before.
    pub before: Json,
    /// What was measured after.
    pub after: Json,
    /// Bytes of the relation before and after, where both were measured.
    pub bytes: Option<(u64, u64)>,
    /// What people should know of it: one line. Empty: nothing.
    pub remark: String,
}

impl Deed {
    /// Nothing was done, for this reason.
    pub(crate) fn left(reason: impl std::fmt::Display) -> Self {
        Self {
            left: Some(reason.to_string()),
            ..Self::default()
        }
    }

    /// It was done; this was measured before and after.
    pub(crate) fn done(before: Json, after: Json) -> Self {
        Self {
            before,
            after,
            ..Self::default()
        }
    }

    /// Adds what people should know besides.
    pub(crate) fn remark_also(&mut self, remarks: Vec<String>) {
        let own = std::mem::take(&mut self.remark);
        let all = remarks.into_iter().chain([own]).filter(|remark| !remark.is_empty());
        self.remark = all.collect::<Vec<_>>().join("; ");
    }

    /// It was done; the relation had so many bytes before and has so many now.
    pub(crate) fn rewritten(before: u64, after: u64) -> Self {
        Self {
            bytes: Some((before, after)),
            ..Self::done(json!({ "size_bytes": before }), json!({ "size_bytes": after }))
        }
    }

    /// Its part in the effect of a job.
    pub(crate) fn effect(&self) -> Json {
        let mut effect = json!({ "before": self.before, "after": self.after });
        if let (Json::Object(fields), false) = (&mut effect, self.remark.is_empty()) {
            fields.insert("remark".to_owned(), Json::from(self.remark.as_str()));
        }
        effect
    }
}
