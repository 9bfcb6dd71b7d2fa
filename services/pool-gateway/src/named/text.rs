//! Parameters by name: `:token` in a text becomes `$1`, `$2`, …. Pure.
//!
//! What stands in quotes, in comments or behind another colon is left as it is. So is a colon right behind a value, as in
//! the slice `a[1:n]`: no parameter can stand there.

/// A text as PostgreSQL takes it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Translated {
    pub(super) sql: String,
    /// The names of its parameters, the first for `$1`. A parameter that is a number already is named so.
    pub(super) names: Vec<String>,
    /// The word by which it asks for the present time, where it does.
    pub(super) asks_the_time: Option<String>,
}

/// Words that are the present time by themselves,
const MOMENTS: [&str; 5] = [
    "current_timestamp",
    "current_date",
    "current_time",
    "localtimestamp",
    "localtime",
];
/// and functions that return it.
const CLOCKS: [&str; 5] = [
    "now",
    "clock_timestamp",
    "statement_timestamp",
    "transaction_timestamp",
    "timeofday",
];
/// As many parameters as anybody names.
const PARAMETERS_MAX: usize = 100;

/// Reads a text and writes it with numbers for names.
pub(super) fn translate(text: &str) -> Result<Translated, String> {
    let mut reader = Reader {
        text,
        at: 0,
        kept: 0,
        sql: String::with_capacity(text.len()),
        named: Vec::new(),
        numbered: Vec::new(),
        asks_the_time: None,
    };
    while let Some(byte) = reader.peek(0) {
        reader.step(byte)?;
    }
    reader.keep_to(text.len());
    let (sql, asks_the_time) = (std::mem::take(&mut reader.sql), reader.asks_the_time.take());
    let names = reader.names()?;
    Ok(Translated {
        sql,
        names,
        asks_the_time,
    })
}

struct Reader<'t> {
    text: &'t str,
    /// What is read already ends here.
    at: usize,
    /// What is written already ends here.
    kept: usize,
    sql: String,
    named: Vec<String>,
    numbered: Vec<usize>,
    asks_the_time: Option<String>,
}

const fn begins_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

const fn continues_name(byte: u8) -> bool {
    begins_name(byte) || byte.is_ascii_digit() || byte == b'$'
}

impl<'t> Reader<'t> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    fn rest(&self) -> &'t [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    fn before(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at.checked_sub(1)?).copied()
    }

    fn keep_to(&mut self, end: usize) {
        self.sql.push_str(self.text.get(self.kept..end).unwrap_or_default());
        self.kept = end;
    }

    fn step(&mut self, byte: u8) -> Result<(), String> {
        match (byte, self.peek(1)) {
            (b'\'', _) => self.quoted(b'\'', false),
            (b'"', _) => self.quoted(b'"', false),
            (b'e' | b'E', Some(b'\'')) => {
                self.at += 1;
                self.quoted(b'\'', true);
            }
            (b'-', Some(b'-')) => self.skip_to(b"\n"),
            (b'/', Some(b'*')) => self.block_comment(),
            (b'$', Some(next)) if next.is_ascii_digit() => self.numbered()?,
            (b'$', _) => self.dollar_quoted(),
            (b':', Some(b':' | b'=')) => self.at += 2,
            (b':', Some(next)) if begins_name(next) && !self.is_behind_a_value() => self.named()?,
            (byte, _) if begins_name(byte) => self.word(),
            (byte, _) if byte.is_ascii_digit() => self.number(),
            _ => self.at += 1,
        }
        Ok(())
    }

    fn quoted(&mut self, quote: u8, escapes: bool) {
        self.at += 1;
        while let Some(byte) = self.peek(0) {
            self.at += match byte {
                b'\\' if escapes => 2,
                byte if byte == quote && self.peek(1) == Some(quote) => 2,
                byte if byte == quote => {
                    self.at += 1;
                    return;
                }
                _ => 1,
            };
        }
        self.at = self.at.min(self.text.len());
    }

    /// Goes behind the next of these, or to the end.
    fn skip_to(&mut self, end: &[u8]) {
        let found = self.rest().windows(end.len()).position(|window| window == end);
        self.at = found.map_or(self.text.len(), |length| self.at + length + end.len());
    }

    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        while let Some(byte) = self.peek(0) {
            match (byte, self.peek(1)) {
                (b'/', Some(b'*')) => {
                    depth += 1;
                    self.at += 2;
                }
                (b'*', Some(b'/')) => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return;
                    }
                }
                _ => self.at += 1,
            }
        }
    }

    /// `$$…$$` or `$tag$…$tag$`; a dollar alone is passed over.
    fn dollar_quoted(&mut self) {
        let rest = self.rest();
        let inner = rest
            .iter()
            .skip(1)
            .position(|byte| !continues_name(*byte) || *byte == b'$');
        let tag = inner
            .and_then(|length| rest.get(..length + 2))
            .filter(|tag| tag.ends_with(b"$"));
        match tag {
            Some(tag) => {
                self.at += tag.len();
                self.skip_to(tag);
            }
            None => self.at += 1,
        }
    }

    fn is_behind_a_value(&self) -> bool {
        let ends_value = |byte: u8| continues_name(byte) || matches!(byte, b')' | b']' | b'"' | b'\'');
        self.before().is_some_and(ends_value)
    }

    fn name_length(&self) -> usize {
        let rest = self.rest();
        rest.iter()
            .position(|byte| !continues_name(*byte))
            .unwrap_or(rest.len())
    }

    fn number(&mut self) {
        self.at += self.name_length();
    }

    fn word(&mut self) {
        let from = self.at;
        self.at += self.name_length();
        let word = self.text.get(from..self.at).unwrap_or_default().to_ascii_lowercase();
        let is_called = self.rest().iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'(');
        let is_time = MOMENTS.contains(&word.as_str()) || is_called && CLOCKS.contains(&word.as_str());
        if is_time {
            self.asks_the_time.get_or_insert(word);
        }
    }

    fn named(&mut self) -> Result<(), String> {
        self.keep_to(self.at);
        self.at += 1;
        let from = self.at;
        self.at += self.name_length();
        let name = self.text.get(from..self.at).unwrap_or_default();
        let place = self.named.iter().position(|known| known == name);
        let place = place.unwrap_or_else(|| {
            self.named.push(name.to_owned());
            self.named.len() - 1
        });
        if place >= PARAMETERS_MAX {
            return Err(format!("its sql has more than {PARAMETERS_MAX} parameters"));
        }
        self.sql.push('$');
        self.sql.push_str(&(place + 1).to_string());
        self.kept = self.at;
        Ok(())
    }

    fn numbered(&mut self) -> Result<(), String> {
        let digits = self
            .rest()
            .iter()
            .skip(1)
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let number = self.text.get(self.at + 1..self.at + 1 + digits).unwrap_or_default();
        self.at += 1 + digits;
        match number.parse() {
            Ok(number) if (1..=PARAMETERS_MAX).contains(&number) => self.numbered.push(number),
            _ => {
                return Err(format!(
                    "its sql has ${number}; parameters are numbered from $1 to ${PARAMETERS_MAX}"
                ));
            }
        }
        Ok(())
    }

    fn names(self) -> Result<Vec<String>, String> {
        let Some(last) = self.numbered.iter().max() else {
            return Ok(self.named);
        };
        if let Some(name) = self.named.first() {
            return Err(format!(
                "its sql has both :{name} and ${last}; name parameters or number them"
            ));
        }
        if let Some(missing) = (1..=*last).find(|number| !self.numbered.contains(number)) {
            return Err(format!("its sql has ${last} and no ${missing}"));
        }
        Ok((1..=*last).map(|number| number.to_string()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sql(text: &str) -> String {
        translate(text).unwrap().sql
    }

    #[test]
    fn a_name_becomes_the_number_of_its_first_place() {
        let found = translate("select :a, :b, :a from t where x = :b_2 and y=:B").unwrap();
        assert_eq!(found.sql, "select $1, $2, $1 from t where x = $3 and y=$4");
        assert_eq!(found.names, ["a", "b", "b_2", "B"]);
        let found = translate("select $2, $1").unwrap();
        assert_eq!((found.sql.as_str(), found.names.len()), ("select $2, $1", 2));
        assert_eq!(translate("select 1").unwrap().names, Vec::<String>::new());
        assert_eq!(sql("select :größe::int"), "select $1::int");
    }

    #[test]
    fn what_is_no_parameter_stays_as_it_is() {
        for text in [
            "select 'a:b '':c' as x",
            "select e'it\\'s :a'",
            "select E'\\\\' || ' :a'",
            "select \"a :b\"\":c\"",
            "select 1 -- :a\n",
            "select /* :a /* :b */ :c */ 1",
            "select $$ :a $$ || $x$ :b $$ :c $x$",
            "select a::text, b :: int, f(x := 1)",
            "select a[1:n], a[lo:hi], a[f(1):n], a[b[1]:n], \"a\"[\"b\":n]",
            "select a : b, 'open :a",
            "select tab$1, a$b$c from t",
            "select '12:30'::time",
            "select 1e5:x",
        ] {
            assert_eq!(sql(text), text);
        }
        assert_eq!(sql("select a[:i], ':x', :i"), "select a[$1], ':x', $1");
        assert_eq!(sql("select fe':x'"), "select fe':x'");
    }

    #[test]
    fn what_cannot_be_is_said() {
        for (text, words) in [
            ("select :a, $1", "both :a and $1"),
            ("select $1, $3", "$3 and no $2"),
            ("select $0", "$0"),
            ("select $101", "$101"),
            ("select $99999999999999999999", "$99999999999999999999"),
        ] {
            let error = translate(text).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
        let many: String = (0..=PARAMETERS_MAX).map(|number| format!(" :p{number},")).collect();
        assert!(translate(&many).unwrap_err().contains("more than 100"));
    }

    #[test]
    fn the_present_time_is_noticed() {
        let word = |text| translate(text).unwrap().asks_the_time;
        for text in [
            "select now()",
            "select NOW ( )",
            "select current_timestamp",
            "select pg_catalog.now()",
        ] {
            assert!(word(text).is_some(), "{text}");
        }
        for text in [
            "select now from t",
            "select 'now()'",
            "select t.known(1)",
            "select :now",
        ] {
            assert_eq!(word(text), None, "{text}");
        }
    }

    #[test]
    fn nothing_makes_it_stumble() {
        for text in [
            "'", "\"", "e'\\", "$", "$$", "$a$", ":", "::", "/*", "--", "e'", "$é$ü", ":é", "/*/", "a:",
        ] {
            let _ = translate(text);
        }
    }
}
