//! Tables of the gateway's console, read by the names of their columns. Pure.

use weir_proto::gateway::v1 as api;

/// One table. A column that a gateway does not have reads as nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Shown {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl From<api::ShowResponse> for Shown {
    fn from(shown: api::ShowResponse) -> Self {
        Self {
            columns: shown.columns,
            rows: shown.rows.into_iter().map(|row| row.values).collect(),
        }
    }
}

impl Shown {
    pub(super) fn rows(&self) -> impl Iterator<Item = Line<'_>> {
        self.rows.iter().map(|row| Line {
            columns: &self.columns,
            values: row,
        })
    }
}

/// One row of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    columns: &'a [String],
    values: &'a [String],
}

impl<'a> Line<'a> {
    pub(super) fn text(&self, column: &str) -> &'a str {
        let index = self.columns.iter().position(|name| name == column);
        index
            .and_then(|index| self.values.get(index))
            .map_or("", String::as_str)
    }

    pub(super) fn number<T: std::str::FromStr>(&self, column: &str) -> Option<T> {
        self.text(column).parse().ok()
    }
}

/// What the view reads.
#[derive(Debug, Clone, Default)]
pub(super) struct Console {
    pub(super) pools: Shown,
    pub(super) upstreams: Shown,
    pub(super) clients: Shown,
    pub(super) servers: Shown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_name_and_missing_ones_are_nothing() {
        let text = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let shown = Shown::from(api::ShowResponse {
            columns: text(&["id", "user"]),
            rows: vec![
                api::ShownRow {
                    values: text(&["7", "ann"]),
                },
                api::ShownRow { values: text(&["x"]) },
            ],
        });
        let lines: Vec<Line<'_>> = shown.rows().collect();
        assert_eq!(
            (lines[0].number::<i32>("id"), lines[0].text("user"), lines[0].text("no")),
            (Some(7), "ann", "")
        );
        assert_eq!((lines[1].number::<i32>("id"), lines[1].text("user")), (None, ""));
    }
}
