//! Pure. PostgreSQL's text form of a parsed statement (`pg_node_tree`), read into nodes.
//!
//! The text comes from the catalogue, but names in it were chosen by anybody: a column may be called `:relid`. So a
//! field is read as PostgreSQL itself reads it, a name and then one value, whatever the value looks like. What is too
//! deep, too large or unlike this form is no tree at all.

/// Nesting beyond which a tree is not read: every level is a call on the way down and again in every walk.
const DEPTH_MAX: usize = 400;
/// A longer text is not read.
pub(super) const BYTES_MAX: usize = 8 * 1024 * 1024;

/// One value in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// `<>`: nothing there.
    Nothing,
    /// A number, a name, a word.
    Atom(Box<str>),
    /// A node with its fields.
    Node(Node),
    /// A list, a set of numbers.
    List(Vec<Value>),
    /// The bytes of a constant.
    Bytes(Vec<u8>),
}

/// One node: what it is, and its fields in the order of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) label: Box<str>,
    pub(super) fields: Vec<(Box<str>, Value)>,
}

impl Value {
    /// The node that it is.
    pub(super) const fn node(&self) -> Option<&Node> {
        match self {
            Self::Node(node) => Some(node),
            _ => None,
        }
    }

    /// The values of a list; none for anything else.
    pub(super) fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    /// Every node in it that is not inside another: itself, or the members of lists.
    pub(super) fn nodes(&self) -> Vec<&Node> {
        match self {
            Self::Node(node) => vec![node],
            Self::List(items) => items.iter().flat_map(Self::nodes).collect(),
            _ => Vec::new(),
        }
    }

    /// The numbers of a list of numbers: `(o 16384 16390)`.
    pub(super) fn numbers(&self) -> Vec<u32> {
        self.items().iter().filter_map(Self::number).collect()
    }

    fn number(&self) -> Option<u32> {
        match self {
            Self::Atom(text) => text.parse().ok(),
            _ => None,
        }
    }
}

impl Node {
    /// Whether it is one of these; names differ between versions.
    pub(super) fn is(&self, labels: &[&str]) -> bool {
        labels.contains(&&*self.label)
    }

    /// A field; nothing where it has none.
    pub(super) fn get(&self, field: &str) -> &Value {
        let found = self.fields.iter().find(|(name, _)| &**name == field);
        found.map_or(&Value::Nothing, |(_, value)| value)
    }

    /// A field that is a number.
    pub(super) fn number(&self, field: &str) -> Option<u32> {
        self.get(field).number()
    }

    /// A field that is a number which may be below zero.
    pub(super) fn signed(&self, field: &str) -> Option<i64> {
        self.text(field)?.parse().ok()
    }

    /// A field that is a word.
    pub(super) fn text(&self, field: &str) -> Option<&str> {
        match self.get(field) {
            Value::Atom(text) => Some(text),
            _ => None,
        }
    }

    /// A field that is a node.
    pub(super) fn node(&self, field: &str) -> Option<&Self> {
        self.get(field).node()
    }

    /// Whether a field says `true`.
    pub(super) fn flag(&self, field: &str) -> bool {
        self.text(field) == Some("true")
    }

    /// Whether there is something in a field.
    pub(super) fn has(&self, field: &str) -> bool {
        match self.get(field) {
            Value::Nothing => false,
            Value::List(items) => !items.is_empty(),
            _ => true,
        }
    }
}

/// Reads a tree.
pub(super) fn read(text: &str) -> Option<Value> {
    if text.len() > BYTES_MAX {
        return None;
    }
    let mut reader = Reader { rest: text, depth: 0 };
    let value = reader.value()?;
    reader.token().is_none().then_some(value)
}

#[derive(Debug)]
struct Reader<'t> {
    rest: &'t str,
    depth: usize,
}

impl<'t> Reader<'t> {
    /// The next token: a bracket, or everything up to white space or a bracket, escapes included.
    fn token(&mut self) -> Option<&'t str> {
        let text = self.rest.trim_start_matches([' ', '\n', '\t']);
        let first = text.bytes().next()?;
        let length = if is_bracket(first) { 1 } else { word_length(text) };
        let (token, rest) = text.split_at_checked(length)?;
        self.rest = rest;
        Some(token)
    }

    fn peek(&mut self) -> Option<&'t str> {
        let before = self.rest;
        let token = self.token();
        self.rest = before;
        token
    }

    fn value(&mut self) -> Option<Value> {
        if self.depth >= DEPTH_MAX {
            return None;
        }
        self.depth += 1;
        let value = match self.token()? {
            "{" => self.node().map(Value::Node),
            "(" => self.list().map(Value::List),
            "}" | ")" => None,
            "<>" => Some(Value::Nothing),
            word => self.word(word),
        };
        self.depth -= 1;
        value
    }

    /// A word; a number with `[` behind it is the length of the bytes that follow.
    fn word(&mut self, word: &str) -> Option<Value> {
        if self.peek() == Some("[") {
            self.token();
            return self.bytes(word.parse().ok()?).map(Value::Bytes);
        }
        Some(Value::Atom(unescaped(word)))
    }

    /// Bytes as numbers, signed or not, and `]`.
    fn bytes(&mut self, length: usize) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        loop {
            match self.token()? {
                "]" => break,
                number => bytes.push(byte(number.parse().ok()?)?),
            }
        }
        // A value that is passed in a register is written with all its bytes, whatever its length.
        (bytes.len() == length || bytes.len() == size_of::<u64>()).then_some(bytes)
    }

    fn list(&mut self) -> Option<Vec<Value>> {
        let mut items = Vec::new();
        while self.peek()? != ")" {
            items.push(self.value()?);
        }
        self.token();
        Some(items)
    }

    fn node(&mut self) -> Option<Node> {
        let label = self.token()?.into();
        let mut fields = Vec::new();
        loop {
            match self.token()? {
                "}" => return Some(Node { label, fields }),
                name => fields.push((name.strip_prefix(':')?.into(), self.value()?)),
            }
        }
    }
}

const fn is_bracket(byte: u8) -> bool {
    matches!(byte, b'(' | b')' | b'{' | b'}')
}

/// The length of the word at the beginning of `text`. It ends before an ASCII byte, so between characters.
fn word_length(text: &str) -> usize {
    let mut escaped = false;
    let ends = |byte: u8| {
        let ends = !escaped && (is_bracket(byte) || matches!(byte, b' ' | b'\n' | b'\t'));
        escaped = !escaped && byte == b'\\';
        ends
    };
    text.bytes().position(ends).unwrap_or(text.len())
}

fn unescaped(word: &str) -> Box<str> {
    if !word.contains('\\') {
        return word.into();
    }
    let mut text = String::with_capacity(word.len());
    let mut characters = word.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => text.extend(characters.next()),
            other => text.push(other),
        }
    }
    text.into()
}

fn byte(number: i16) -> Option<u8> {
    let signed = i8::try_from(number).map(i8::cast_unsigned);
    signed.or(u8::try_from(number)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(text: &str) -> Node {
        match read(text) {
            Some(Value::Node(node)) => node,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_node_has_its_fields_by_name() {
        let query =
            node("{QUERY :commandType 1 :hasAggs false :utilityStmt <> :list (o 7 8) :inner {VAR :varno 1 :no -5}}");
        assert_eq!(query.number("commandType"), Some(1));
        assert!(!query.flag("hasAggs") && !query.has("utilityStmt") && query.has("list"));
        assert_eq!(query.get("list").numbers(), [7, 8]);
        assert_eq!(query.node("inner").unwrap().number("varno"), Some(1));
        assert_eq!(query.node("inner").unwrap().signed("no"), Some(-5));
        assert_eq!(query.get("none"), &Value::Nothing);
    }

    #[test]
    fn bytes_are_read_signed_or_not_and_must_be_as_many_as_announced() {
        let constant = |text: &str| read(&format!("{{CONST :constvalue {text}}}"));
        let bytes = |text: &str| node(&format!("{{CONST :constvalue {text}}}")).get("constvalue").clone();
        assert_eq!(bytes("3 [ 1 -1 255 ]"), Value::Bytes(vec![1, 255, 255]));
        assert_eq!(
            bytes("4 [ 10 0 0 0 0 0 0 0 ]"),
            Value::Bytes(vec![10, 0, 0, 0, 0, 0, 0, 0])
        );
        for wrong in [
            "3 [ 1 2 ]",
            "2 [ 1 2",
            "2 [ 1 256 ]",
            "2 [ x 1 ]",
            "1 [ -129 ]",
            "a [ 1 ]",
        ] {
            assert_eq!(constant(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn names_that_look_like_fields_are_values() {
        let entry = node(r#"{TARGETENTRY :resname :resno :resno 4 :text \{a\ \:b\}\\ :other "x"}"#);
        assert_eq!(entry.text("resname"), Some(":resno"));
        assert_eq!(entry.number("resno"), Some(4));
        assert_eq!(entry.text("text"), Some(r"{a :b}\"));
    }

    #[test]
    fn what_is_cut_deep_or_long_is_no_tree() {
        for text in [
            "", "{", "{A", "{A :b", "{A :b 1", "(1", "{A b 1}", "}", ")", "1 2", "{A :b }", "{A} }",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        let nested = |depth: usize| format!("{}{}", "(".repeat(depth), ")".repeat(depth));
        assert!(read(&nested(DEPTH_MAX)).is_some());
        assert!(read(&nested(DEPTH_MAX + 1)).is_none());
        assert!(read(&nested(1_000_000)).is_none());
        assert!(read(&"(".repeat(1_000_000)).is_none());
        assert!(read(&format!("({})", "1 ".repeat(BYTES_MAX / 2))).is_none());
    }
}
