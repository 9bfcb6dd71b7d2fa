//! Pure. What a text does to its session or its connection, beyond reading and writing rows.

use std::collections::HashSet;

use crate::scan::{self, Class, Token};
use crate::{builtin, calls, effect, functions, settings};

/// One thing that a text does to its session or its connection, or needs from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// `BEGIN`, `START TRANSACTION`.
    Begin,
    /// `COMMIT`, `END`.
    Commit {
        /// `AND CHAIN`: the next transaction begins at once.
        chain: bool,
    },
    /// `ROLLBACK`, `ABORT`.
    Rollback {
        /// `AND CHAIN`: the next transaction begins at once.
        chain: bool,
    },
    /// `SAVEPOINT`.
    Savepoint,
    /// `ROLLBACK TO`.
    RollbackTo,
    /// `RELEASE`.
    Release,
    /// `PREPARE TRANSACTION`, the first half of a two-phase commit.
    PrepareTransaction,
    /// `SET` in all its forms, except for those that concern the transaction only.
    Set {
        /// The setting's name in lower case, without quotes. `SET TIME ZONE` is `timezone`, `SET NAMES`
        /// `client_encoding`, `SET SESSION AUTHORIZATION` `session_authorization`, `SET ROLE` `role`, `SET SCHEMA`
        /// `search_path`, `SET XML OPTION` `xmloption`. `SET SESSION CHARACTERISTICS` is a deed for each setting that it
        /// stands for.
        name: Box<str>,
        /// `SET LOCAL`: gone when the transaction ends.
        local: bool,
        /// A text that does the same on another run: this one statement's own, without comments.
        text: Box<str>,
    },
    /// A call of `set_config`, anywhere. What is no plain literal there is none here.
    SetConfig {
        /// The setting's name, in lower case.
        name: Option<Box<str>>,
        /// Its new value.
        value: Option<Box<str>>,
        /// Whether it is gone when the transaction ends.
        local: Option<bool>,
    },
    /// `RESET x`, `SET x TO DEFAULT`.
    Reset {
        /// The setting's name, as in [`Deed::Set`].
        name: Box<str>,
        /// This one statement's own text, without comments, good for another run.
        text: Box<str>,
    },
    /// `RESET ALL`.
    ResetAll,
    /// `PREPARE`. What the statement inside will do follows as deeds of its own.
    Prepare {
        /// The statement's name, as the server folds it.
        name: Box<str>,
    },
    /// `EXECUTE`, also inside `CREATE TABLE AS` and `EXPLAIN`, which need the statement just the same.
    Execute {
        /// The statement's name, as the server folds it.
        name: Box<str>,
    },
    /// `DEALLOCATE x`.
    Deallocate {
        /// The statement's name, as the server folds it.
        name: Box<str>,
    },
    /// `DEALLOCATE ALL`.
    DeallocateAll,
    /// `LISTEN`.
    Listen,
    /// `UNLISTEN`.
    Unlisten {
        /// `UNLISTEN *`.
        all: bool,
    },
    /// `NOTIFY`, `pg_notify`.
    Notify,
    /// `DECLARE … WITH HOLD`: the cursor outlives its transaction.
    HoldCursor,
    /// `DECLARE` without hold.
    DeclareCursor,
    /// `CLOSE ALL`.
    CloseAll,
    /// A temporary table, view, sequence or whatever else is created; or a name in `pg_temp` is used.
    Temporary,
    /// An advisory lock that the session holds on to, not the transaction.
    AdvisoryLock,
    /// Such a lock is given back.
    AdvisoryUnlock {
        /// `pg_advisory_unlock_all`.
        all: bool,
    },
    /// `DISCARD ALL`.
    DiscardAll,
    /// `DISCARD PLANS`.
    DiscardPlans,
    /// `DISCARD TEMP`.
    DiscardTemp,
    /// `DISCARD SEQUENCES`.
    DiscardSequences,
    /// `LOAD`.
    Load,
    /// `SET SEED`, `setseed`.
    Seed,
    /// `lastval`, `currval`: reads what this session's own `nextval` left.
    SequenceRead,
    /// A change of definitions that may change what other statements return: `ALTER`, `DROP`, `CREATE` of all but
    /// tables and indexes.
    Definitions,
    /// `CREATE TABLE` that is not temporary: others' statements mean what they meant, unless it is undone.
    Creates,
    /// `COPY … FROM STDIN`.
    CopyIn,
    /// `COPY … TO STDOUT`.
    CopyOut,
    /// May have done anything to the session: `DO`, `CALL`, `EXPLAIN ANALYZE EXECUTE`, SQL given as a value, `SET` with
    /// a value of 8 KiB or more, names in Unicode escapes, and every text that was not understood. What lies behind the
    /// first 1,024 deeds of a text is one of these, too.
    Opaque,
    /// A function is called by name that is not one of PostgreSQL's own.
    Calls {
        /// Its name as written, schema included, in the server's folding.
        function: Box<str>,
    },
}

impl Deed {
    /// Whether it begins, ends or divides a transaction. The first half of a two-phase commit is none of it.
    pub const fn controls_transaction(&self) -> bool {
        matches!(
            self,
            Self::Begin
                | Self::Commit { .. }
                | Self::Rollback { .. }
                | Self::Savepoint
                | Self::RollbackTo
                | Self::Release
        )
    }
}

/// What has to be assumed of a text that nobody understood.
pub(crate) fn unknown() -> Box<[Deed]> {
    Box::new([Deed::Opaque])
}

/// More deeds than these are not told one by one.
const DEEDS_MAX: usize = 1024;

/// What the statements of a text do, one after the other.
pub(crate) fn of(statements: &[&[Token<'_>]]) -> Box<[Deed]> {
    let mut told = Told::default();
    for tokens in statements {
        told.statement(tokens);
        told.functions.clear();
        if told.deeds.len() > DEEDS_MAX {
            told.deeds.truncate(DEEDS_MAX);
            told.deeds.push(Deed::Opaque);
            break;
        }
    }
    told.deeds.into()
}

/// What is told of a text so far.
#[derive(Debug, Default)]
struct Told {
    deeds: Vec<Deed>,
    /// The functions that this statement is known to call.
    functions: HashSet<String>,
}

impl Told {
    fn add(&mut self, deed: Deed) {
        let counts = matches!(deed, Deed::Begin | Deed::CopyIn | Deed::CopyOut);
        if counts || self.deeds.last() != Some(&deed) {
            self.deeds.push(deed);
        }
    }

    fn statement(&mut self, tokens: &[Token<'_>]) {
        let open = tokens.iter().take_while(|token| token.is_symbol("(")).count();
        let Some([head, rest @ ..]) = tokens.get(open..) else {
            return;
        };
        let head = head.folded();
        let settled = transaction(&head, rest)
            .or_else(|| session(&head, rest))
            .or_else(|| setting(&head, tokens));
        match settled {
            Some(deed) => self.add(deed),
            None => self.compound(&head, tokens, rest),
        }
        self.names(tokens);
    }

    /// What names alone tell, wherever they stand. One in Unicode escapes may be any name.
    fn names(&mut self, tokens: &[Token<'_>]) {
        let (mut escaped, mut temporary) = (false, false);
        let mut before: Option<&Token<'_>> = None;
        for token in tokens {
            match token.class {
                Class::Name => {
                    escaped |= token.is_escaped_name();
                    temporary |= before.is_some_and(|before| before.is("schema")) && is_temporary_schema(token);
                }
                Class::Keyword => escaped |= token.is("uescape"),
                Class::Symbol => temporary |= token.text == "." && before.is_some_and(is_temporary_schema),
                Class::Literal | Class::Parameter | Class::Rest => {}
            }
            before = Some(token);
        }
        if escaped {
            self.add(Deed::Opaque);
        }
        if temporary {
            self.add(Deed::Temporary);
        }
    }

    /// Statements that have others inside them, call functions, or create something.
    fn compound(&mut self, head: &str, statement: &[Token<'_>], rest: &[Token<'_>]) {
        match head {
            "select" | "values" | "table" | "with" | "insert" | "update" | "delete" | "merge" => self.query(statement),
            "call" => {
                self.calls(rest);
                self.add(Deed::Opaque);
            }
            "execute" => {
                self.add(Deed::Execute { name: first_name(rest) });
                self.calls(rest.get(1..).unwrap_or_default());
            }
            "prepare" => {
                self.add(Deed::Prepare { name: first_name(rest) });
                self.statement(scan::behind(rest, |token| token.is("as")).unwrap_or_default());
            }
            "declare" => self.declare(rest),
            "explain" => self.explain(rest),
            "copy" => self.copy(rest),
            "create" => self.create(rest),
            "set" => settings::characteristics(rest)
                .into_iter()
                .for_each(|deed| self.add(deed)),
            "drop" | "import" => self.add(Deed::Definitions),
            "alter" => {
                self.add(Deed::Definitions);
                if rest.first().is_some_and(|object| object.is("table")) {
                    self.calls(rest);
                }
            }
            _ => {}
        }
    }

    fn query(&mut self, statement: &[Token<'_>]) {
        self.calls(statement);
        if selects_into_temporary(statement) {
            self.add(Deed::Temporary);
        }
    }

    fn calls(&mut self, tokens: &[Token<'_>]) {
        for call in calls::of(tokens) {
            let own = call.name.strip_prefix("pg_catalog.").unwrap_or(&call.name);
            if let Some(deed) = functions::deed(own, call.arguments.unwrap_or_default()) {
                self.add(deed);
            }
            let theirs = call.arguments.is_some() && !builtin::is_function(own);
            if theirs && self.functions.insert(call.name.clone()) {
                self.add(Deed::Calls {
                    function: call.name.into(),
                });
            }
        }
    }

    fn declare(&mut self, rest: &[Token<'_>]) {
        let query = scan::behind(rest, |token| token.is("for")).unwrap_or_default();
        let options = rest.get(..rest.len() - query.len()).unwrap_or_default();
        self.add(if has_pair(options, "with", "hold") {
            Deed::HoldCursor
        } else {
            Deed::DeclareCursor
        });
        self.statement(query);
    }

    /// Planning needs the prepared statement as much as running it does.
    fn explain(&mut self, rest: &[Token<'_>]) {
        let (analyzes, query) = effect::explained(rest);
        match query {
            [head, rest @ ..] if head.is("execute") => {
                self.add(Deed::Execute { name: first_name(rest) });
                if analyzes {
                    self.add(Deed::Opaque);
                }
            }
            _ if analyzes => self.statement(query),
            _ => {}
        }
    }

    fn copy(&mut self, rest: &[Token<'_>]) {
        if let Some((query, _)) = scan::group(rest) {
            self.statement(query);
        }
        let Some(target) = scan::behind(rest, |token| token.is_any(&["from", "to"])) else {
            return;
        };
        let direction = rest.iter().rev().nth(target.len());
        if target.first().is_some_and(|target| target.is_any(&["stdin", "stdout"])) {
            let incoming = direction.is_some_and(|word| word.is("from"));
            self.add(if incoming { Deed::CopyIn } else { Deed::CopyOut });
        }
        self.calls(scan::behind(target, |token| token.is("where")).unwrap_or_default());
    }

    fn create(&mut self, rest: &[Token<'_>]) {
        let modifiers = rest
            .iter()
            .take_while(|token| {
                token.is_any(&[
                    "or",
                    "replace",
                    "local",
                    "global",
                    "temp",
                    "temporary",
                    "unlogged",
                    "unique",
                    "foreign",
                ])
            })
            .count();
        let (modifiers, object) = rest.split_at_checked(modifiers).unwrap_or_default();
        let Some([kind, behind @ ..]) = Some(object) else {
            return;
        };
        if modifiers.iter().any(|token| token.is_any(&["temp", "temporary"])) {
            self.add(Deed::Temporary);
        } else if kind.is("table") {
            self.add(Deed::Creates);
        }
        if !kind.is_any(&["table", "index"]) {
            self.add(Deed::Definitions);
        }
        let filled = kind.is("table") || kind.is("materialized");
        if filled && let Some(query) = scan::behind(behind, |token| token.is("as")) {
            self.statement(query);
        }
    }
}

fn transaction(head: &str, rest: &[Token<'_>]) -> Option<Deed> {
    let has = |word: &str| rest.iter().any(|token| token.is(word));
    let prepared = rest.first().is_some_and(|next| next.is("prepared"));
    let chain = has_pair(rest, "and", "chain");
    match head {
        "begin" | "start" => Some(Deed::Begin),
        "commit" | "end" if !prepared => Some(Deed::Commit { chain }),
        "rollback" | "abort" if has("to") => Some(Deed::RollbackTo),
        "rollback" | "abort" if !prepared => Some(Deed::Rollback { chain }),
        "savepoint" => Some(Deed::Savepoint),
        "release" => Some(Deed::Release),
        "prepare" => match rest {
            [word, id] if word.is("transaction") && id.class == Class::Literal => Some(Deed::PrepareTransaction),
            _ => None,
        },
        _ => None,
    }
}

fn session(head: &str, rest: &[Token<'_>]) -> Option<Deed> {
    let all = rest.first().is_some_and(|next| next.is("all"));
    match head {
        "deallocate" => Some(deallocate(rest)),
        "listen" => Some(Deed::Listen),
        "unlisten" => Some(Deed::Unlisten {
            all: rest.first().is_some_and(|next| next.is_symbol("*")),
        }),
        "notify" => Some(Deed::Notify),
        "close" if all => Some(Deed::CloseAll),
        "discard" => Some(match rest.first().map(Token::folded).as_deref() {
            Some("plans") => Deed::DiscardPlans,
            Some("temp" | "temporary") => Deed::DiscardTemp,
            Some("sequences") => Deed::DiscardSequences,
            _ => Deed::DiscardAll,
        }),
        "load" => Some(Deed::Load),
        "do" => Some(Deed::Opaque),
        _ => None,
    }
}

fn setting(head: &str, statement: &[Token<'_>]) -> Option<Deed> {
    let rest = statement.get(1..).unwrap_or_default();
    match head {
        "set" => settings::set(rest, || source(statement)),
        "reset" => Some(settings::reset(rest, || source(statement))),
        _ => None,
    }
}

/// `DEALLOCATE [PREPARE] { name | ALL }`; a statement may be called `prepare`.
fn deallocate(rest: &[Token<'_>]) -> Deed {
    let name = match rest {
        [word, name, ..] if word.is("prepare") => name,
        [name, ..] => name,
        [] => return Deed::DeallocateAll,
    };
    if name.is("all") {
        Deed::DeallocateAll
    } else {
        Deed::Deallocate {
            name: name.unquoted().into(),
        }
    }
}

fn first_name(tokens: &[Token<'_>]) -> Box<str> {
    tokens.first().map(Token::unquoted).unwrap_or_default().into()
}

fn has_pair(tokens: &[Token<'_>], one: &str, other: &str) -> bool {
    tokens.windows(2).any(|pair| {
        let [first, second] = pair else { return false };
        first.is(one) && second.is(other)
    })
}

/// A statement's text without its comments.
fn source(tokens: &[Token<'_>]) -> Box<str> {
    let mut text = String::new();
    for token in tokens {
        if token.gap && !text.is_empty() {
            text.push(' ');
        }
        text.push_str(token.text);
    }
    text.into()
}

/// `pg_temp`, `pg_temp_3`.
fn is_temporary_schema(token: &Token<'_>) -> bool {
    token.class == Class::Name && token.folded().starts_with("pg_temp")
}

/// `SELECT … INTO TEMP x`; not `INSERT INTO temp`, a table of this name.
fn selects_into_temporary(tokens: &[Token<'_>]) -> bool {
    let mut before: Option<&Token<'_>> = None;
    tokens.iter().enumerate().any(|(at, token)| {
        let changes = before.is_some_and(|before| before.is_any(&["insert", "merge"]));
        before = Some(token);
        token.is("into") && is_temporary(tokens.get(at + 1..).unwrap_or_default(), changes)
    })
}

/// Whether what follows `INTO` is `TEMP` and a name; behind `INSERT`, which may be a column's label too, a doubt counts.
fn is_temporary(rest: &[Token<'_>], changes: bool) -> bool {
    let scope = rest
        .iter()
        .take_while(|token| token.is_any(&["local", "global"]))
        .count();
    match rest.get(scope..) {
        Some([word, name, behind @ ..]) if word.is_any(&["temp", "temporary"]) => {
            let next = behind.first();
            let values = name.is("values") && next.is_some_and(|next| next.is_symbol("("));
            let overriding = name.is("overriding") && next.is_some_and(|next| next.is_any(&["user", "system"]));
            let reserved = name.class == Class::Keyword && !name.nameable;
            !(reserved && !name.is("table") || changes && (values || overriding) || !name.is_name())
        }
        _ => false,
    }
}
