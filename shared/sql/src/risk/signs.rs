//! Pure. Every rule, and every sign with its weight.

use super::Sign;

/// All rules, each with what it stands for: for labels of metrics, for explanations and for the guide.
pub const RULES: [(&str, &str); 15] = [
    (
        "blind-probe",
        "a condition asks the database a question of its own, one bit an answer",
    ),
    (
        "broken-text",
        "the text is cut or quoted in a way that a program would not write",
    ),
    (
        "catalog-probe",
        "system catalogues are read beside the application's tables",
    ),
    (
        "comment-truncation",
        "a comment swallows what seems to be the rest of a statement",
    ),
    ("error-probe", "a value is cast so that it shows in the error message"),
    (
        "file-access",
        "files, programs or other servers are reached through the server",
    ),
    ("foreign-dialect", "words that only other databases understand"),
    ("hidden-statement", "SQL is handed to a function that runs it"),
    ("obfuscation", "something is written so that it is not read"),
    (
        "privilege-change",
        "privileges, roles, identities or other sessions are changed",
    ),
    (
        "spliced-value",
        "a query stands inside a value, where a literal was meant",
    ),
    ("stacked-statements", "another statement follows behind a query"),
    (
        "tautology",
        "a condition that is always true, or false, beside one that is not",
    ),
    ("time-delay", "the server is made to wait, or to work for nothing"),
    ("union-probe", "a union adds rows that do not look like the others"),
];

const fn sign(rule: &'static str, weight: u16, words: &'static str) -> Sign {
    Sign {
        rule,
        weight,
        words,
        forbidden: false,
    }
}

const fn forbidden(rule: &'static str, weight: u16, words: &'static str) -> Sign {
    Sign {
        forbidden: true,
        ..sign(rule, weight, words)
    }
}

const FILE: &str = "file-access";
pub(super) const PROGRAM: Sign = forbidden(FILE, 100, "COPY runs a program on the server.");
pub(super) const COPY_FILE: Sign = forbidden(FILE, 80, "COPY reads or writes a file of the server.");
pub(super) const FILE_CALL: Sign = forbidden(FILE, 80, "A function reads, writes or lists files of the server.");
pub(super) const OTHER_SERVER: Sign = forbidden(FILE, 70, "A function connects to another server.");
pub(super) const NATIVE_CODE: Sign = forbidden(FILE, 90, "Code is loaded that runs outside of the database's limits.");
pub(super) const EXTENSION: Sign = forbidden(FILE, 60, "An extension is installed that PostgreSQL does not trust.");
pub(super) const FOREIGN_SERVER: Sign = forbidden(FILE, 60, "A foreign server or its credentials are defined.");

const PRIVILEGE: &str = "privilege-change";
pub(super) const GRANT: Sign = forbidden(PRIVILEGE, 60, "Privileges are granted or revoked.");
pub(super) const ROLE: Sign = forbidden(PRIVILEGE, 70, "A role is created, changed or dropped.");
pub(super) const SYSTEM: Sign = forbidden(PRIVILEGE, 80, "The server's configuration is changed.");
pub(super) const IDENTITY: Sign = forbidden(PRIVILEGE, 60, "The session takes on another identity.");
pub(super) const ROW_SECURITY: Sign = forbidden(PRIVILEGE, 60, "Row security or the owner of a table is changed.");
pub(super) const OTHER_SESSION: Sign = forbidden(PRIVILEGE, 70, "Other sessions or the server itself are controlled.");
pub(super) const SETTING_IN_QUERY: Sign = forbidden(PRIVILEGE, 90, "A setting is changed inside a condition.");
pub(super) const SETTING_UNKNOWN: Sign = sign(PRIVILEGE, 20, "A setting is changed whose name is no literal.");

const HIDDEN: &str = "hidden-statement";
pub(super) const HIDDEN_SQL: Sign = forbidden(HIDDEN, 70, "A function runs SQL that is given to it as a value.");

const STACKED: &str = "stacked-statements";
pub(super) const STACKED_UTILITY: Sign = sign(STACKED, 70, "A definition or command follows behind a query.");
pub(super) const STACKED_WRITE: Sign = sign(STACKED, 60, "A change of data follows behind a SELECT.");
pub(super) const STACKED_OTHER: Sign = sign(STACKED, 40, "An unlike statement follows behind a change of data.");
pub(super) const STACKED_READ: Sign = sign(STACKED, 25, "A second query follows behind a query.");

const TRUNCATION: &str = "comment-truncation";
pub(super) const TAIL: Sign = sign(
    TRUNCATION,
    95,
    "The text ends in a comment that reads like the rest of a statement.",
);
pub(super) const TAIL_WITHIN: Sign = sign(
    TRUNCATION,
    60,
    "A comment within the text reads like the rest of a statement.",
);
pub(super) const CUT: Sign = sign(TRUNCATION, 55, "The text ends in an empty or very short line comment.");
pub(super) const CUT_PARAMETERS: Sign = sign(
    TRUNCATION,
    30,
    "A text with parameters ends in a very short line comment.",
);

const OBFUSCATION: &str = "obfuscation";
pub(super) const ODD_COMMENT: Sign = sign(
    OBFUSCATION,
    45,
    "A comment is empty, nested, or meant for another database.",
);
pub(super) const DIVIDING_COMMENT: Sign = sign(OBFUSCATION, 45, "A comment stands where a space would.");

pub(super) const LETTERS: Sign = sign(OBFUSCATION, 40, "Texts are put together letter by letter.");
pub(super) const ESCAPES: Sign = sign(OBFUSCATION, 30, "Letters of a text are written as codes.");
pub(super) const ESCAPED_NAME: Sign = sign(OBFUSCATION, 55, "A name is written in Unicode escapes.");
pub(super) const ODD_NAME: Sign = sign(OBFUSCATION, 55, "A quoted name holds what looks like SQL.");
pub(super) const SHAKEN: Sign = sign(OBFUSCATION, 40, "Keywords change between small and capital letters.");
pub(super) const JOINED_STRINGS: Sign = sign(OBFUSCATION, 30, "A condition joins two plain texts that could be one.");
pub(super) const RUN_TOGETHER: Sign = sign(OBFUSCATION, 25, "Literals stand side by side without a space.");
pub(super) const DECODED: Sign = sign(
    OBFUSCATION,
    25,
    "A condition compares with a text that is decoded first.",
);

const TAUTOLOGY: &str = "tautology";
pub(super) const OR_CONSTANT: Sign = sign(TAUTOLOGY, 60, "An arm behind OR depends on no column and no parameter.");
pub(super) const OR_CONSTANT_PARAMETER: Sign = sign(TAUTOLOGY, 45, "A constant arm stands behind OR and a parameter.");
pub(super) const OR_PRESENT: Sign = sign(
    TAUTOLOGY,
    25,
    "An arm behind OR depends on the session or the time only.",
);
pub(super) const OR_OPTIONAL: Sign = sign(TAUTOLOGY, 10, "A constant arm behind OR makes a filter optional.");
pub(super) const AND_CONSTANT: Sign = sign(
    TAUTOLOGY,
    50,
    "An arm behind AND depends on no column and no parameter.",
);
pub(super) const AND_CONSTANT_LOOSE: Sign = sign(TAUTOLOGY, 30, "An arm behind AND seems to depend on no column.");
pub(super) const AND_NOTHING: Sign = sign(
    TAUTOLOGY,
    25,
    "An arm behind AND and a literal is false, as for an empty list.",
);
pub(super) const AND_TRUTH: Sign = sign(TAUTOLOGY, 20, "An arm behind AND and a literal is true or false.");
pub(super) const OR_SAME: Sign = sign(TAUTOLOGY, 60, "An arm behind OR compares something with itself.");
pub(super) const AND_SAME: Sign = sign(TAUTOLOGY, 40, "An arm behind AND compares something with itself.");
pub(super) const OR_ALL: Sign = sign(TAUTOLOGY, 55, "A pattern behind OR fits everything.");
pub(super) const HAVING_CONSTANT: Sign = sign(TAUTOLOGY, 50, "HAVING begins with a constant.");
pub(super) const STRINGS: Sign = sign(TAUTOLOGY, 50, "Two plain texts are calculated with.");

const UNION: &str = "union-probe";
pub(super) const UNION_BARE: Sign = sign(UNION, 60, "A row of constants is added behind a literal.");
pub(super) const UNION_INFO: Sign = sign(UNION, 50, "A row is added that tells of the server.");
pub(super) const UNION_ROW: Sign = sign(UNION, 30, "A row is added that is read from nowhere.");
pub(super) const UNION_FILLED: Sign = sign(UNION, 45, "All but one column of the added rows are constant.");
pub(super) const UNION_SPLICED: Sign = sign(UNION, 60, "Rows filled up with constants are added behind a literal.");
pub(super) const UNION_SECRET: Sign = sign(UNION, 55, "The added rows hold a password, a key or the like.");

const BLIND: &str = "blind-probe";
pub(super) const PROBE: Sign = sign(
    BLIND,
    50,
    "A query of its own is compared with a constant behind a literal.",
);
pub(super) const PROBE_LETTER: Sign = sign(BLIND, 60, "A condition takes a value apart, letter by letter.");
pub(super) const PROBE_LOOSE: Sign = sign(BLIND, 35, "A query of its own is compared with a constant.");
pub(super) const PROBE_FIRST: Sign = sign(BLIND, 25, "A condition begins with a query that depends on nothing.");
pub(super) const PROBE_ORDER: Sign = sign(
    BLIND,
    50,
    "A query of its own stands where rows are ordered or limited.",
);
pub(super) const CASE_CONSTANT: Sign = sign(BLIND, 50, "CASE decides by a constant where rows are chosen.");
pub(super) const CASE_LOOSE: Sign = sign(BLIND, 25, "CASE decides by a constant.");

const TIME: &str = "time-delay";
pub(super) const DELAY: Sign = sign(TIME, 80, "The server is made to sleep in the course of a query.");
pub(super) const PAUSE: Sign = sign(TIME, 40, "The server is made to sleep, and nothing else.");
pub(super) const LOCKS: Sign = sign(TIME, 25, "A condition takes an advisory lock.");
pub(super) const WORK: Sign = sign(TIME, 60, "A condition makes a million rows or letters out of nothing.");
pub(super) const HEAVY: Sign = sign(TIME, 60, "A condition multiplies catalogues with each other.");

const ERROR: &str = "error-probe";
pub(super) const CAST: Sign = sign(
    ERROR,
    50,
    "What tells of the server, or a query, is cast to a type that it does not fit.",
);
pub(super) const XML: Sign = sign(ERROR, 55, "A query is parsed as XML.");

const SPLICED: &str = "spliced-value";
pub(super) const SPLICE: Sign = sign(SPLICED, 50, "A query is joined to a literal inside a value.");
pub(super) const MIXED_LIST: Sign = sign(SPLICED, 50, "A query stands in a list of literals.");
pub(super) const SECRET_VALUE: Sign = sign(SPLICED, 50, "A value is read from a column of passwords or keys.");

const CATALOGUE: &str = "catalog-probe";
pub(super) const CATALOGUE_BESIDE: Sign = sign(
    CATALOGUE,
    50,
    "A query within one on the application's tables reads the catalogue.",
);
pub(super) const SECRETS: Sign = sign(CATALOGUE, 60, "A catalogue with passwords is read.");

const BROKEN: &str = "broken-text";
pub(super) const OPEN: Sign = sign(BROKEN, 30, "A quote or a comment is open at the end of the text.");
pub(super) const HASH: Sign = sign(
    BROKEN,
    30,
    "A sign that begins a comment elsewhere makes the text unreadable.",
);
pub(super) const CUT_OPEN: Sign = sign(
    TRUNCATION,
    40,
    "A text that does not close its quotes ends in a comment.",
);
pub(super) const STACKED_TEXT: Sign = sign(
    STACKED,
    50,
    "A verb follows behind a semicolon, in a text that does not parse.",
);
pub(super) const UNION_TEXT: Sign = sign(UNION, 50, "UNION SELECT stands in a text that does not parse.");
pub(super) const CONSTANT_TEXT: Sign = sign(TAUTOLOGY, 50, "A constant arm stands in a text that does not parse.");
pub(super) const CATALOGUE_TEXT: Sign = sign(CATALOGUE, 40, "A text that does not parse names the catalogue.");

/// Words of other databases.
pub(super) mod foreign {
    use super::{Sign, sign};

    const FOREIGN: &str = "foreign-dialect";
    pub(in super::super) const CALL: Sign = sign(FOREIGN, 55, "A function is called that only other databases have.");
    pub(in super::super) const DELAY: Sign = sign(FOREIGN, 50, "Another database's function to wait is called.");
    pub(in super::super) const HINT: Sign =
        sign(FOREIGN, 25, "A function is called that is known from other databases.");
    pub(in super::super) const WORD: Sign =
        sign(FOREIGN, 50, "A text that does not parse has words of another database.");
    pub(in super::super) const VARIABLE: Sign = sign(FOREIGN, 50, "Another database's notation for variables is used.");
    pub(in super::super) const RELATION: Sign =
        sign(FOREIGN, 50, "A catalogue is read that only other databases have.");
}
