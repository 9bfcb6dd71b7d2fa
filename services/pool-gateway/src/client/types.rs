//! PostgreSQL's built-in types: numbers, names, and which kind of value each becomes. Pure.

/// Which kind of value a type becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// `boolean`.
    Bool,
    /// Whole numbers that fit 64 bits.
    Integer,
    /// Floating-point numbers.
    Float,
    /// Decimal numbers of any length.
    Numeric,
    /// Text.
    Text,
    /// `bytea`.
    Bytes,
    /// `json` and `jsonb`.
    Json,
    /// Everything else, as PostgreSQL writes it.
    Typed,
}

/// One built-in type.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Type {
    pub(crate) oid: u32,
    pub(crate) name: &'static str,
    /// The number of the type of its arrays.
    pub(crate) array_oid: u32,
    pub(crate) family: Family,
}

const fn built_in(oid: u32, name: &'static str, array_oid: u32, family: Family) -> Type {
    Type {
        oid,
        name,
        array_oid,
        family,
    }
}

/// The common built-in types. Numbers are part of PostgreSQL's catalogue and never change.
const TYPES: &[Type] = &[
    built_in(16, "bool", 1000, Family::Bool),
    built_in(17, "bytea", 1001, Family::Bytes),
    built_in(18, "char", 1002, Family::Text),
    built_in(19, "name", 1003, Family::Text),
    built_in(20, "int8", 1016, Family::Integer),
    built_in(21, "int2", 1005, Family::Integer),
    built_in(23, "int4", 1007, Family::Integer),
    built_in(25, "text", 1009, Family::Text),
    built_in(26, "oid", 1028, Family::Integer),
    built_in(114, "json", 199, Family::Json),
    built_in(142, "xml", 143, Family::Typed),
    built_in(600, "point", 1017, Family::Typed),
    built_in(650, "cidr", 651, Family::Typed),
    built_in(700, "float4", 1021, Family::Float),
    built_in(701, "float8", 1022, Family::Float),
    built_in(774, "macaddr8", 775, Family::Typed),
    built_in(790, "money", 791, Family::Typed),
    built_in(829, "macaddr", 1040, Family::Typed),
    built_in(869, "inet", 1041, Family::Typed),
    built_in(1042, "bpchar", 1014, Family::Text),
    built_in(1043, "varchar", 1015, Family::Text),
    built_in(1082, "date", 1182, Family::Typed),
    built_in(1083, "time", 1183, Family::Typed),
    built_in(1114, "timestamp", 1115, Family::Typed),
    built_in(1184, "timestamptz", 1185, Family::Typed),
    built_in(1186, "interval", 1187, Family::Typed),
    built_in(1266, "timetz", 1270, Family::Typed),
    built_in(1560, "bit", 1561, Family::Typed),
    built_in(1562, "varbit", 1563, Family::Typed),
    built_in(1700, "numeric", 1231, Family::Numeric),
    built_in(2205, "regclass", 2210, Family::Typed),
    built_in(2278, "void", 0, Family::Typed),
    built_in(2950, "uuid", 2951, Family::Typed),
    built_in(3614, "tsvector", 3643, Family::Typed),
    built_in(3802, "jsonb", 3807, Family::Json),
    built_in(3904, "int4range", 3905, Family::Typed),
    built_in(3906, "numrange", 3907, Family::Typed),
    built_in(3908, "tsrange", 3909, Family::Typed),
    built_in(3910, "tstzrange", 3911, Family::Typed),
    built_in(3912, "daterange", 3913, Family::Typed),
    built_in(3926, "int8range", 3927, Family::Typed),
];

/// Names that SQL also knows a type by.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("boolean", "bool"),
    ("bigint", "int8"),
    ("smallint", "int2"),
    ("integer", "int4"),
    ("int", "int4"),
    ("real", "float4"),
    ("double precision", "float8"),
    ("decimal", "numeric"),
    ("character varying", "varchar"),
    ("character", "bpchar"),
    ("timestamp with time zone", "timestamptz"),
    ("timestamp without time zone", "timestamp"),
];

/// The type with this number, if it is a built-in one that is no array.
pub(crate) fn by_oid(oid: u32) -> Option<&'static Type> {
    TYPES.iter().find(|kind| kind.oid == oid)
}

/// The type of the elements of an array type.
pub(crate) fn element_of(array_oid: u32) -> Option<&'static Type> {
    TYPES.iter().find(|kind| kind.array_oid == array_oid && array_oid != 0)
}

/// The name of a type as PostgreSQL's catalogue has it, or its number.
pub(crate) fn name_of(oid: u32) -> String {
    match (by_oid(oid), element_of(oid)) {
        (Some(kind), _) => kind.name.to_owned(),
        (None, Some(element)) => format!("_{}", element.name),
        (None, None) => oid.to_string(),
    }
}

/// The number of a named type, arrays written as `int4[]` or `_int4`.
pub(crate) fn oid_of(name: &str) -> Option<u32> {
    let name = name.trim().to_ascii_lowercase();
    let (element, is_array) = match (name.strip_suffix("[]"), name.strip_prefix('_')) {
        (Some(element), _) | (None, Some(element)) => (element, true),
        (None, None) => (name.as_str(), false),
    };
    let element = OTHER_NAMES
        .iter()
        .find(|(other, _)| *other == element)
        .map_or(element, |(_, own)| own);
    let kind = TYPES.iter().find(|kind| kind.name == element)?;
    if is_array {
        (kind.array_oid != 0).then_some(kind.array_oid)
    } else {
        Some(kind.oid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_find_each_other() {
        for kind in TYPES {
            assert_eq!(oid_of(kind.name), Some(kind.oid), "{}", kind.name);
            assert_eq!(name_of(kind.oid), kind.name);
        }
        assert_eq!(oid_of("timestamptz[]"), Some(1185));
        assert_eq!(oid_of("_int4"), Some(1007));
        assert_eq!(oid_of("double precision"), Some(701));
        assert_eq!(oid_of("public.mood"), None);
        assert_eq!(name_of(1007), "_int4");
        assert_eq!(name_of(99_999), "99999");
    }
}
