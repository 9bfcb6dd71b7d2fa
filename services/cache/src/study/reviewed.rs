//! Pure. What somebody has looked at and found to depend on nothing but its arguments, the data, and what every key
//! of a kept result contains: role, schemas searched, formatting and custom settings.

/// Kinds of nodes that a tree may have. Names differ between versions: 15 and older, 16 and newer.
pub(super) const NODES: &[&str] = &[
    "AGGREF",
    "ALIAS",
    "ARRAY",
    "ARRAYCOERCEEXPR",
    "ARRAYEXPR",
    "BOOLEANTEST",
    "BOOLEXPR",
    "CASE",
    "CASEEXPR",
    "CASETESTEXPR",
    "CASEWHEN",
    "COALESCE",
    "COALESCEEXPR",
    "COERCETODOMAIN",
    "COERCETODOMAINVALUE",
    "COERCEVIAIO",
    "COLLATE",
    "COLLATEEXPR",
    "COMMONTABLEEXPR",
    "CONST",
    "CONVERTROWTYPEEXPR",
    "CTECYCLECLAUSE",
    "CTESEARCHCLAUSE",
    "DISTINCTEXPR",
    "FIELDSELECT",
    "FROMEXPR",
    "FUNCEXPR",
    "GROUPINGFUNC",
    "GROUPINGSET",
    "JOINEXPR",
    "JSONCONSTRUCTOREXPR",
    "JSONFORMAT",
    "JSONISPREDICATE",
    "JSONRETURNING",
    "JSONVALUEEXPR",
    "MINMAX",
    "MINMAXEXPR",
    "NAMEDARGEXPR",
    "NULLIFEXPR",
    "NULLTEST",
    "OPEXPR",
    "PARAM",
    "QUERY",
    "RANGETBLENTRY",
    "RANGETBLFUNCTION",
    "RANGETBLREF",
    "RELABELTYPE",
    "ROW",
    "ROWCOMPARE",
    "ROWCOMPAREEXPR",
    "ROWEXPR",
    "ROWMARKCLAUSE",
    "RTE",
    "RTEPERMISSIONINFO",
    "SCALARARRAYOPEXPR",
    "SETOPERATIONSTMT",
    "SORTGROUPCLAUSE",
    "SQLVALUEFUNCTION",
    "SUBLINK",
    "SUBSCRIPTINGREF",
    "TABLESAMPLECLAUSE",
    "TARGETENTRY",
    "VAR",
    "WHEN",
    "WINDOWCLAUSE",
    "WINDOWFUNC",
    "XMLEXPR",
];

/// Fields that name the type of a value.
pub(super) const TYPE_FIELDS: &[&str] = &[
    "aggtype",
    "array_typeid",
    "casetype",
    "coalescetype",
    "consttype",
    "element_typeid",
    "funcresulttype",
    "minmaxtype",
    "opresulttype",
    "paramtype",
    "refcontainertype",
    "refelemtype",
    "refrestype",
    "resulttype",
    "row_typeid",
    "type",
    "typeId",
    "typid",
    "vartype",
    "wintype",
];

/// Functions of PostgreSQL's own that are declared STABLE and may be used all the same. They depend on how values are
/// written (`DateStyle`, `TimeZone`, `lc_numeric`, …), on the definitions of types, or on names that are in the key.
const STABLE: &[&str] = &[
    "anytextcat",
    "array_to_json",
    "array_to_string",
    "concat",
    "concat_ws",
    "convert_from",
    "convert_to",
    "current_database",
    "current_schema",
    "current_user",
    "date",
    "date_add",
    "date_cmp_timestamptz",
    "date_eq_timestamptz",
    "date_ge_timestamptz",
    "date_gt_timestamptz",
    "date_le_timestamptz",
    "date_lt_timestamptz",
    "date_ne_timestamptz",
    "date_part",
    "date_subtract",
    "date_trunc",
    "enum_first",
    "enum_last",
    "enum_range",
    "extract",
    "format",
    "generate_series",
    "get_current_ts_config",
    "getdatabaseencoding",
    "in_range",
    "interval_pl_timestamptz",
    "json_agg",
    "json_agg_strict",
    "json_build_array",
    "json_build_object",
    "json_object_agg",
    "json_object_agg_strict",
    "json_object_agg_unique",
    "json_object_agg_unique_strict",
    "json_to_tsvector",
    "jsonb_agg",
    "jsonb_agg_strict",
    "jsonb_build_array",
    "jsonb_build_object",
    "jsonb_object_agg",
    "jsonb_object_agg_strict",
    "jsonb_object_agg_unique",
    "jsonb_object_agg_unique_strict",
    "jsonb_path_exists_tz",
    "jsonb_path_match_tz",
    "jsonb_path_query_array_tz",
    "jsonb_path_query_first_tz",
    "jsonb_path_query_tz",
    "jsonb_to_tsvector",
    "make_timestamptz",
    "money",
    "numeric",
    "overlaps",
    "phraseto_tsquery",
    "plainto_tsquery",
    "quote_literal",
    "quote_nullable",
    "row_to_json",
    "session_user",
    "textanycat",
    "time",
    "timestamp",
    "timestamp_cmp_timestamptz",
    "timestamp_eq_timestamptz",
    "timestamp_ge_timestamptz",
    "timestamp_gt_timestamptz",
    "timestamp_le_timestamptz",
    "timestamp_lt_timestamptz",
    "timestamp_ne_timestamptz",
    "timestamptz",
    "timestamptz_cmp_date",
    "timestamptz_cmp_timestamp",
    "timestamptz_eq_date",
    "timestamptz_eq_timestamp",
    "timestamptz_ge_date",
    "timestamptz_ge_timestamp",
    "timestamptz_gt_date",
    "timestamptz_gt_timestamp",
    "timestamptz_le_date",
    "timestamptz_le_timestamp",
    "timestamptz_lt_date",
    "timestamptz_lt_timestamp",
    "timestamptz_mi_interval",
    "timestamptz_ne_date",
    "timestamptz_ne_timestamp",
    "timestamptz_pl_interval",
    "to_char",
    "to_date",
    "to_json",
    "to_jsonb",
    "to_number",
    "to_timestamp",
    "to_tsquery",
    "to_tsvector",
    "ts_headline",
    "ts_match_tq",
    "ts_match_tt",
    "websearch_to_tsquery",
    "xml",
    "xml_is_well_formed",
];

/// Settings that are part of every key.
const SETTINGS: &[&str] = &[
    "array_nulls",
    "bytea_output",
    "client_encoding",
    "datestyle",
    "default_text_search_config",
    "extra_float_digits",
    "intervalstyle",
    "lc_messages",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "row_security",
    "search_path",
    "standard_conforming_strings",
    "timezone",
    "xmlbinary",
    "xmloption",
];

/// Types whose values say something of names in the catalogue or of roles: `regclass` and its like, `aclitem`.
const NAMING: &[u32] = &[24, 1033, 2202, 2203, 2204, 2205, 2206, 4089, 4096, 4191];

/// `date`, `time`, `timestamp`, `timestamptz`, `timetz`: read from text, `now` is one of their values.
const DATED: &[u32] = &[1082, 1083, 1114, 1184, 1266];

/// `timetz`: even `12:00` is read by what day it is.
pub(super) const TIMETZ: u32 = 1266;

/// Whether a function of PostgreSQL's own may be used although it is STABLE.
pub(super) fn is_stable_enough(name: &str) -> bool {
    STABLE.binary_search(&name).is_ok()
}

/// Whether a STABLE function of PostgreSQL's own reads the clock.
pub(super) fn is_clock(name: &str) -> bool {
    matches!(name, "age" | "now" | "statement_timestamp" | "transaction_timestamp")
}

/// Whether a setting (in lower case) is part of every key; custom ones all are.
pub(super) fn is_known_setting(name: &str) -> bool {
    name.contains('.') || SETTINGS.binary_search(&name).is_ok()
}

pub(super) fn is_naming(type_oid: u32) -> bool {
    NAMING.contains(&type_oid)
}

pub(super) fn is_dated(type_oid: u32) -> bool {
    DATED.contains(&type_oid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_that_are_searched_are_in_order() {
        assert!(STABLE.is_sorted() && SETTINGS.is_sorted() && NODES.is_sorted());
        assert!(is_stable_enough("to_char") && !is_stable_enough("now") && !is_stable_enough("age"));
        assert!(is_known_setting("app.tenant") && is_known_setting("timezone") && !is_known_setting("is_superuser"));
    }
}
