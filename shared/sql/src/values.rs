//! Pure. The literals of a text with their values, so that what is known of one text can be used for others that differ
//! in the values of literals only.
//!
//! Two texts have literals of the same [`literal_classes`] and the same [`skeleton`](crate::skeleton) if and only if a statement
//! with parameters in place of the literals would be the same for both. Whether it means the same as the text is for
//! PostgreSQL to say: `ORDER BY 1` does not.

use std::borrow::Cow;
use std::ops::Range;

use crate::skeleton::{Place, place, places};

/// What PostgreSQL takes a literal for before it knows what it is needed as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LiteralClass {
    /// `integer`.
    Integer,
    /// `bigint`.
    Bigint,
    /// `numeric`.
    Numeric,
    /// A string: of the type that is needed where it stands.
    Text,
}

/// One literal of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Literal<'a> {
    /// What it is taken for.
    pub class: LiteralClass,
    /// Its value: of a number with its sign, of a string without quotes.
    pub value: Cow<'a, str>,
    /// Where it stands.
    at: Range<usize>,
    /// The type before it, in the notation `date '…'`, which takes no parameter.
    cast: Option<&'a str>,
}

/// The literals of a text in order. None where it has one that is no plain number or string (`B'…'`, `E'\…'`, a string
/// in two parts), or does not lex.
pub fn literals(sql: &str) -> Option<Vec<Literal<'_>>> {
    let places = places(sql)?;
    let mut found: Vec<Literal<'_>> = Vec::new();
    // Where the last string ended, and no token has followed yet.
    let mut open: Option<usize> = None;
    for (place, from, to) in places {
        let continued = open.is_some_and(|end| is_blank(sql, end..from));
        match place {
            place::LINE | place::BLOCK => open = continued.then_some(to),
            place::INTEGER | place::NUMBER => {
                open = None;
                found.push(number(sql, from..to)?);
            }
            _ if continued => return None,
            _ => {
                open = Some(to);
                found.push(string(sql, (place, from, to))?);
            }
        }
    }
    Some(found)
}

/// Appends a byte for the class of each literal.
pub fn literal_classes(literals: &[Literal<'_>], out: &mut Vec<u8>) {
    out.extend(literals.iter().map(|literal| match literal.class {
        LiteralClass::Integer => b'i',
        LiteralClass::Bigint => b'b',
        LiteralClass::Numeric => b'n',
        LiteralClass::Text => b't',
    }));
}

/// The text with `$1`, `$2`, … for its literals, counted in order.
pub fn parameterised(sql: &str, literals: &[Literal<'_>]) -> Option<String> {
    let mut text = String::with_capacity(sql.len() + literals.len() * 8);
    let mut kept = 0;
    for (number, literal) in (1..).zip(literals) {
        text.push_str(sql.get(kept..literal.at.start)?);
        text.push_str(&match literal.cast {
            Some(to) => format!(" cast(${number} as {to}) "),
            None => format!(" ${number} "),
        });
        kept = literal.at.end;
    }
    text.push_str(sql.get(kept..)?);
    Some(text)
}

fn is_blank(sql: &str, range: Range<usize>) -> bool {
    sql.get(range).is_some_and(|between| between.trim_ascii().is_empty())
}

fn number(sql: &str, at: Range<usize>) -> Option<Literal<'_>> {
    let digits = sql.get(at.clone())?;
    let minus = minus(sql, at.start);
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    if !plain
        && !digits
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'))
    {
        return None;
    }
    let value: Cow<'_, str> = match minus {
        Some(_) => Cow::Owned(format!("-{digits}")),
        None => Cow::Borrowed(digits),
    };
    Some(Literal {
        class: if plain { size(&value) } else { LiteralClass::Numeric },
        at: minus.unwrap_or(at.start)..at.end,
        value,
        cast: None,
    })
}

fn size(value: &str) -> LiteralClass {
    match value.parse::<i64>() {
        Ok(number) if i32::try_from(number).is_ok() => LiteralClass::Integer,
        Ok(_) => LiteralClass::Bigint,
        Err(_) => LiteralClass::Numeric,
    }
}

/// Where the sign of a number stands, which the grammar makes a part of it: a minus with nothing before it that it could
/// subtract from. Where that is not sure there is none.
fn minus(sql: &str, number: usize) -> Option<usize> {
    const BEFORE: [&str; 12] = [
        "and", "or", "not", "then", "else", "when", "select", "where", "limit", "offset", "between", "like",
    ];
    let before = sql.get(..number)?.trim_ascii_end().strip_suffix('-')?;
    let at = before.len();
    let before = before.trim_ascii_end();
    if before.ends_with(['(', ',', '[', '=', '<', '>']) {
        return Some(at);
    }
    let word = word_at_end(before);
    let known = BEFORE.iter().any(|known| known.eq_ignore_ascii_case(word));
    known.then_some(at)
}

/// The word with which a text ends.
fn word_at_end(text: &str) -> &str {
    let in_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'.' | b'"' | 0x80..);
    let length = text.as_bytes().iter().rev().take_while(|byte| in_word(byte)).count();
    text.get(text.len() - length..).unwrap_or_default()
}

fn string(sql: &str, (place, from, to): Place) -> Option<Literal<'_>> {
    let whole = sql.get(from..to)?;
    let value = match place {
        place::STRING => undoubled(whole.get(1..whole.len().checked_sub(1)?)?),
        place::ESCAPED if !whole.contains('\\') => undoubled(whole.get(2..whole.len().checked_sub(1)?)?),
        place::DOLLAR => {
            let tag = whole.get(1..)?.find('$')? + 2;
            Cow::Borrowed(whole.get(tag..whole.len().checked_sub(tag)?)?)
        }
        _ => return None,
    };
    let cast = type_before(sql, from);
    Some(Literal {
        class: LiteralClass::Text,
        value,
        at: cast.map_or(from, |(at, _)| at)..to,
        cast: cast.map(|(_, to)| to),
    })
}

fn undoubled(inner: &str) -> Cow<'_, str> {
    if inner.contains("''") {
        Cow::Owned(inner.replace("''", "'"))
    } else {
        Cow::Borrowed(inner)
    }
}

/// The type of `date '…'`, and where it stands.
fn type_before(sql: &str, string: usize) -> Option<(usize, &str)> {
    const TYPES: [&str; 5] = ["date", "time", "timestamp", "timestamptz", "interval"];
    let before = sql.get(..string)?.trim_ascii_end();
    let word = word_at_end(before);
    let known = TYPES.iter().any(|known| known.eq_ignore_ascii_case(word));
    known.then(|| (before.len() - word.len(), word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(sql: &str) -> Option<Vec<(LiteralClass, String)>> {
        let found = literals(sql)?;
        Some(
            found
                .into_iter()
                .map(|literal| (literal.class, literal.value.into_owned()))
                .collect(),
        )
    }

    fn written(sql: &str) -> String {
        parameterised(sql, &literals(sql).unwrap()).unwrap()
    }

    #[test]
    fn literals_have_the_class_that_postgresql_gives_them() {
        let one = |sql: &str| of(&format!("select {sql}")).map(|mut found| found.remove(0));
        for (sql, class, value) in [
            ("5", LiteralClass::Integer, "5"),
            ("2147483647", LiteralClass::Integer, "2147483647"),
            ("2147483648", LiteralClass::Bigint, "2147483648"),
            ("-2147483648", LiteralClass::Integer, "-2147483648"),
            ("- 5", LiteralClass::Integer, "-5"),
            ("(-9223372036854775808)", LiteralClass::Bigint, "-9223372036854775808"),
            ("9223372036854775808", LiteralClass::Numeric, "9223372036854775808"),
            ("1.5", LiteralClass::Numeric, "1.5"),
            (".5e-3", LiteralClass::Numeric, ".5e-3"),
            ("'a''b'", LiteralClass::Text, "a'b"),
            ("''", LiteralClass::Text, ""),
            ("E'a''b'", LiteralClass::Text, "a'b"),
            ("$$it's$$", LiteralClass::Text, "it's"),
            ("$a$b$$c$a$", LiteralClass::Text, "b$$c"),
            ("'Ä'", LiteralClass::Text, "Ä"),
        ] {
            assert_eq!(one(sql), Some((class, value.to_owned())), "{sql}");
        }
    }

    #[test]
    fn literals_are_counted_in_order_and_comments_are_not() {
        let sql = "select 'a' /* 'no' 1 */, 2 -- 3\n, x-4, y = -5, $1, \"6\" from t7 limit -8";
        let found = of(sql).unwrap();
        let values: Vec<&str> = found.iter().map(|(_, value)| &**value).collect();
        assert_eq!(values, ["a", "2", "4", "-5", "-8"]);
        assert_eq!(of("select x from t"), Some(vec![]));
    }

    #[test]
    fn what_is_not_plain_is_no_list() {
        for sql in [
            "select E'a\\nb'",
            "select E'\\x41'",
            "select U&'a'",
            "select B'1'",
            "select X'1f'",
            "select 0x1f",
            "select 1_000",
            "select 'a'\n'b'",
            "select 'a' -- c\n 'b'",
            "select 'a",
            "select 1 \0",
        ] {
            assert_eq!(of(sql), None, "{sql}");
        }
        assert_eq!(of("select 'a', 'b'").unwrap().len(), 2);
    }

    #[test]
    fn parameters_stand_where_literals_stood() {
        assert_eq!(written("select 'a'||1 from t"), "select  $1 || $2  from t");
        assert_eq!(written("select * from t limit-5"), "select * from t limit $1 ");
        assert_eq!(
            written("select x - interval '1 day', DATE'2026-01-01'"),
            "select x -  cast($1 as interval) ,  cast($2 as DATE) "
        );
        assert_eq!(written("select x.date '1'"), "select x.date  $1 ");
        assert_eq!(written("select a -5"), "select a - $1 ");
    }

    #[test]
    fn texts_of_one_skeleton_and_class_are_one_statement() {
        let key = |sql: &str| {
            let mut key = Vec::new();
            assert!(crate::skeleton(sql, &mut key));
            literal_classes(&literals(sql).unwrap(), &mut key);
            key
        };
        assert_eq!(key("select * from t where a = 5"), key("select * from t where a = 77"));
        assert_ne!(
            key("select * from t where a = 5"),
            key("select * from t where a = 5000000000")
        );
        assert_ne!(
            key("select * from t where a = 5000000000"),
            key("select * from t where a = 5e9")
        );
        assert_ne!(key("select * from t where a = 5"), key("select * from t where a = '5'"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_too_odd(sql in "[ -~\\n'\"$]{0,60}") {
            if let Some(found) = literals(&sql) {
                let _ = parameterised(&sql, &found).unwrap();
            }
        }
    }
}
