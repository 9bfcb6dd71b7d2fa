//! Pure. The words that divide a statement into clauses and arms.

use crate::scan::{Class, Token};

/// A keyword that the walk goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Select,
    From,
    Where,
    Having,
    On,
    And,
    Or,
    Case,
    When,
    Then,
    Else,
    End,
    /// `GROUP`, `ORDER`, which `BY` follows.
    Group,
    Order,
    /// `LIMIT`, `OFFSET`, `FETCH`.
    Limit,
    /// `UNION`, `EXCEPT`, `INTERSECT`.
    Union,
    Values,
    Set,
    Returning,
    As,
    Into,
    Join,
    Using,
    With,
    Between,
    Like,
    /// `IS`, `IN`, which compare.
    Compares,
    Null,
    /// `TRUE`, `FALSE`.
    Truth,
    /// `CURRENT_USER` and its like.
    Session,
    /// `CURRENT_DATE` and its like.
    Present,
    Cast,
    Distinct,
    Exists,
    /// `WINDOW`, `FOR`: nothing behind them is a condition.
    Rest,
    /// Part of an operator or of a type's name, never a column.
    Grammar,
    /// May be a name.
    Other,
}

/// The word that a keyword is.
pub(super) fn of(token: &Token<'_>) -> Word {
    let mut lower = [0_u8; 18];
    let bytes = token.text.as_bytes();
    let Some(place) = lower.get_mut(..bytes.len()) else {
        return Word::Other;
    };
    place.copy_from_slice(bytes);
    place.make_ascii_lowercase();
    match &*place {
        b"select" => Word::Select,
        b"from" => Word::From,
        b"where" => Word::Where,
        b"having" => Word::Having,
        b"on" => Word::On,
        b"and" => Word::And,
        b"or" => Word::Or,
        b"case" => Word::Case,
        b"when" => Word::When,
        b"then" => Word::Then,
        b"else" => Word::Else,
        b"end" => Word::End,
        b"group" => Word::Group,
        b"order" => Word::Order,
        b"limit" | b"offset" | b"fetch" => Word::Limit,
        b"union" | b"except" | b"intersect" => Word::Union,
        b"values" => Word::Values,
        b"set" => Word::Set,
        b"returning" => Word::Returning,
        b"as" => Word::As,
        b"into" => Word::Into,
        b"join" => Word::Join,
        b"using" => Word::Using,
        b"with" => Word::With,
        b"between" => Word::Between,
        b"like" | b"ilike" => Word::Like,
        b"is" | b"in" | b"similar" | b"isnull" | b"notnull" => Word::Compares,
        b"null" => Word::Null,
        b"true" | b"false" => Word::Truth,
        b"current_user" | b"session_user" | b"user" | b"current_role" | b"current_catalog" | b"current_schema"
        | b"system_user" => Word::Session,
        b"current_date" | b"current_time" | b"current_timestamp" | b"localtime" | b"localtimestamp" => Word::Present,
        b"cast" => Word::Cast,
        b"distinct" => Word::Distinct,
        b"exists" => Word::Exists,
        b"window" | b"for" => Word::Rest,
        b"not" | b"any" | b"all" | b"some" | b"array" | b"asc" | b"desc" | b"by" | b"at" | b"time" | b"zone"
        | b"escape" | b"nulls" | b"first" | b"last" | b"over" | b"filter" | b"within" | b"rows" | b"row" | b"only"
        | b"interval" | b"double" | b"precision" | b"varying" | b"character" | b"without" | b"timestamp"
        | b"bigint" | b"int" | b"integer" | b"smallint" | b"boolean" | b"numeric" | b"real" | b"float" | b"decimal"
        | b"bit" | b"char" | b"varchar" | b"nchar" | b"national" | b"dec" | b"lateral" | b"collate" | b"symmetric"
        | b"left" | b"right" | b"inner" | b"full" | b"outer" | b"cross" | b"natural" | b"default" | b"ordinality"
        | b"recursive" | b"materialized" | b"insert" | b"update" | b"delete" | b"merge" | b"do" | b"conflict"
        | b"nothing" => Word::Grammar,
        _ => Word::Other,
    }
}

/// Whether an operand may end with this token, so that a name behind it is a label.
pub(super) fn ends_operand(token: &Token<'_>) -> bool {
    match token.class {
        Class::Literal | Class::Parameter | Class::Name => true,
        Class::Symbol => matches!(token.text, ")" | "]"),
        Class::Keyword => matches!(
            of(token),
            Word::Null | Word::Truth | Word::End | Word::Session | Word::Present
        ),
        Class::Rest => false,
    }
}

/// Whether letters change between small and capital as nobody writes them: `sElEcT`, `uNIon`; not `Select`.
pub(super) fn is_shaken(text: &str) -> bool {
    let mut turns = 0_usize;
    let mut before: Option<bool> = None;
    for byte in text.bytes().filter(u8::is_ascii_alphabetic) {
        let capital = byte.is_ascii_uppercase();
        turns += usize::from(before.is_some_and(|before| before != capital));
        before = Some(capital);
    }
    turns >= 2
}
