//! The parse tree, asked only where tokens leave a doubt: it costs several times what they cost, in time and memory.

use pg_query::NodeEnum;
use pg_query::protobuf::{ExplainStmt, Node, ParseResult, SelectStmt, WithClause};

/// A longer text is not turned into a tree: one can take eight hundred times its text's size.
pub(crate) const TREE_BYTES_MAX: usize = 32 * 1024;

pub(crate) fn parsed(sql: &str) -> Option<ParseResult> {
    if sql.len() > TREE_BYTES_MAX {
        None
    } else {
        Some(pg_query::parse(sql, 0).ok()?.protobuf)
    }
}

/// Whether the tree is shallow and small enough to be looked at.
pub(crate) fn decodes(sql: &str) -> bool {
    parsed(sql).is_some()
}

/// Whether a text that only reads at first sight has a data-modifying part; true where that cannot be told.
pub(crate) fn writes(sql: &str) -> bool {
    parsed(sql).is_none_or(|tree| tree.stmts.iter().any(|statement| node(statement.stmt.as_deref())))
}

fn node(found: Option<&Node>) -> bool {
    match found.and_then(|found| found.node.as_ref()) {
        Some(NodeEnum::SelectStmt(found)) => select(found),
        Some(NodeEnum::ExplainStmt(found)) => analyzes(found) && node(found.query.as_deref()),
        Some(NodeEnum::CopyStmt(found)) => node(found.query.as_deref()),
        Some(NodeEnum::PrepareStmt(found)) => node(found.query.as_deref()),
        Some(NodeEnum::DeclareCursorStmt(found)) => node(found.query.as_deref()),
        Some(NodeEnum::CommonTableExpr(found)) => node(found.ctequery.as_deref()),
        Some(NodeEnum::InsertStmt(_) | NodeEnum::UpdateStmt(_) | NodeEnum::DeleteStmt(_) | NodeEnum::MergeStmt(_)) => {
            true
        }
        _ => false,
    }
}

fn select(found: &SelectStmt) -> bool {
    let side = |side: &Option<Box<SelectStmt>>| side.as_deref().is_some_and(select);
    found.into_clause.is_some() || with(found.with_clause.as_ref()) || side(&found.larg) || side(&found.rarg)
}

fn with(found: Option<&WithClause>) -> bool {
    found.is_some_and(|clause| clause.ctes.iter().any(|table| node(Some(table))))
}

/// `EXPLAIN ANALYZE` in any spelling; with `ANALYZE false` too, which does no harm.
fn analyzes(found: &ExplainStmt) -> bool {
    found.options.iter().any(|option| {
        matches!(&option.node, Some(NodeEnum::DefElem(option)) if ["analyze", "analyse"].contains(&option.defname.as_str()))
    })
}
