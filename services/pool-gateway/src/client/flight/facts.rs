//! What drivers ask of a server before they ask it anything else: its abilities and its types.

use arrow_flight::sql::metadata::{
    SqlInfoData, SqlInfoDataBuilder, XdbcTypeInfo, XdbcTypeInfoData, XdbcTypeInfoDataBuilder,
};
use arrow_flight::sql::{
    Nullable, Searchable, SqlInfo, SqlSupportedCaseSensitivity, SqlSupportedTransaction, XdbcDataType,
};
use arrow_schema::ArrowError;

/// What is true of every gateway.
pub(crate) struct Facts {
    pub(crate) sql: SqlInfoData,
    pub(crate) types: XdbcTypeInfoData,
}

impl Facts {
    /// Puts them together.
    pub(crate) fn new() -> Result<Self, ArrowError> {
        Ok(Self {
            sql: abilities()?,
            types: types()?,
        })
    }
}

fn abilities() -> Result<SqlInfoData, ArrowError> {
    let mut info = SqlInfoDataBuilder::new();
    info.append(SqlInfo::FlightSqlServerName, "Weir, before PostgreSQL");
    info.append(SqlInfo::FlightSqlServerVersion, env!("CARGO_PKG_VERSION"));
    info.append(SqlInfo::FlightSqlServerArrowVersion, "1.5");
    info.append(SqlInfo::FlightSqlServerReadOnly, false);
    info.append(SqlInfo::FlightSqlServerSql, true);
    info.append(SqlInfo::FlightSqlServerSubstrait, false);
    info.append(
        SqlInfo::FlightSqlServerTransaction,
        SqlSupportedTransaction::Transaction as i32,
    );
    info.append(SqlInfo::FlightSqlServerCancel, false);
    info.append(SqlInfo::FlightSqlServerBulkIngestion, false);
    info.append(SqlInfo::FlightSqlServerStatementTimeout, 0);
    info.append(SqlInfo::FlightSqlServerTransactionTimeout, 0);
    info.append(SqlInfo::SqlDdlCatalog, false);
    info.append(SqlInfo::SqlDdlSchema, true);
    info.append(SqlInfo::SqlDdlTable, true);
    info.append(
        SqlInfo::SqlIdentifierCase,
        SqlSupportedCaseSensitivity::SqlCaseSensitivityLowercase as i32,
    );
    info.append(
        SqlInfo::SqlQuotedIdentifierCase,
        SqlSupportedCaseSensitivity::SqlCaseSensitivityCaseInsensitive as i32,
    );
    info.append(SqlInfo::SqlIdentifierQuoteChar, "\"");
    info.append(SqlInfo::SqlAllTablesAreSelectable, false);
    info.append(SqlInfo::SqlTransactionsSupported, true);
    info.append(SqlInfo::SqlSavepointsSupported, true);
    info.build().map_err(as_arrow)
}

fn types() -> Result<XdbcTypeInfoData, ArrowError> {
    let mut info = XdbcTypeInfoDataBuilder::new();
    for (name, data_type, column_size, radix) in [
        ("bool", XdbcDataType::XdbcBit, 1, None),
        ("int2", XdbcDataType::XdbcSmallint, 16, Some(2)),
        ("int4", XdbcDataType::XdbcInteger, 32, Some(2)),
        ("int8", XdbcDataType::XdbcBigint, 64, Some(2)),
        ("float4", XdbcDataType::XdbcReal, 24, Some(2)),
        ("float8", XdbcDataType::XdbcDouble, 53, Some(2)),
        ("numeric", XdbcDataType::XdbcNumeric, 1_000, Some(10)),
        ("text", XdbcDataType::XdbcVarchar, 1 << 30, None),
        ("varchar", XdbcDataType::XdbcVarchar, 10_485_760, None),
        ("bpchar", XdbcDataType::XdbcChar, 10_485_760, None),
        ("bytea", XdbcDataType::XdbcVarbinary, 1 << 30, None),
        ("date", XdbcDataType::XdbcDate, 10, None),
        ("time", XdbcDataType::XdbcTime, 15, None),
        ("timestamp", XdbcDataType::XdbcTimestamp, 26, None),
        ("timestamptz", XdbcDataType::XdbcTimestamp, 32, None),
        ("interval", XdbcDataType::XdbcInterval, 49, None),
    ] {
        let is_text = matches!(data_type, XdbcDataType::XdbcVarchar | XdbcDataType::XdbcChar);
        let is_quoted = radix.is_none() && data_type != XdbcDataType::XdbcBit;
        let quote = is_quoted.then(|| "'".to_owned());
        info.append(XdbcTypeInfo {
            type_name: name.to_owned(),
            data_type,
            column_size: Some(column_size),
            literal_prefix: quote.clone(),
            literal_suffix: quote,
            nullable: Nullable::NullabilityNullable,
            case_sensitive: is_text,
            searchable: Searchable::Full,
            unsigned_attribute: radix.map(|_| false),
            local_type_name: Some(name.to_owned()),
            sql_data_type: data_type,
            num_prec_radix: radix,
            ..XdbcTypeInfo::default()
        });
    }
    info.build().map_err(as_arrow)
}

fn as_arrow(error: arrow_flight::error::FlightError) -> ArrowError {
    ArrowError::ExternalError(Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_can_be_put_together() {
        let facts = Facts::new().unwrap();
        assert!(facts.sql.record_batch([]).unwrap().num_rows() > 10);
        assert!(facts.types.record_batch(None).unwrap().num_rows() > 10);
    }
}
