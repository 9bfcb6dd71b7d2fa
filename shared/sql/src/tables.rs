//! The tables that a statement names.

use pg_query::NodeRef;

use crate::tree::parsed;

/// Whether a statement names this table, to read or to change it. A name without a schema is taken for it, whatever the
/// search path would find. False where the text does not parse or is too long for that, and where only a view or a
/// function leads to the table.
#[must_use]
pub fn names_table(sql: &str, schema: &str, table: &str) -> bool {
    let Some(tree) = parsed(sql) else { return false };
    let own = |name: &str| {
        tree.nodes()
            .iter()
            .any(|(node, ..)| matches!(node, NodeRef::CommonTableExpr(own) if own.ctename == name))
    };
    tree.nodes().iter().any(|(node, ..)| match node {
        NodeRef::RangeVar(named) if named.relname == table => {
            named.schemaname == schema || (named.schemaname.is_empty() && !own(table))
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_named_where_it_is_read_or_changed() {
        for sql in [
            "select * from orders where id = $1",
            "select * from shop.orders o join customers c on c.id = o.customer",
            "with late as (select id from orders where due < $1) select count(*) from late",
            "update \"orders\" set state = $1",
            "delete from Shop.Orders using old where old.id = orders.id",
            "insert into orders select * from staging",
            "select (select max(id) from orders)",
            "select $1 union all select id from orders",
            "truncate orders",
            "copy orders from stdin",
        ] {
            assert!(names_table(sql, "shop", "orders"), "{sql}");
        }
    }

    #[test]
    fn what_only_looks_like_its_name_does_not_count() {
        for sql in [
            "select orders from customers",
            "select * from archive.orders",
            "select * from orders_old",
            "select * from \"Orders\"",
            "with orders as (select $1) select * from orders",
            "select $1 as orders",
            "select * from orders where",
            "",
        ] {
            assert!(!names_table(sql, "shop", "orders"), "{sql}");
        }
    }
}
