//! One piece of advice. Pure.

use super::setting::Setting;
use crate::plan::TableName;

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Impact {
    /// Data or service can be lost as it is.
    Danger,
    /// Work takes much longer, or space is wasted, as it is.
    High,
    /// Worth doing.
    Medium,
    /// Worth knowing.
    Low,
}

/// What it rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Confidence {
    /// It was counted here.
    Measured,
    /// It follows from the size of the machine or of the data.
    Derived,
    /// Something that decides is not known.
    Guessed,
}

/// What a change of it reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Server,
    Database,
    Table,
}

/// When a changed value is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activation {
    Immediate,
    Reload,
    Restart,
}

/// What it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) scope: Scope,
    /// The database; empty for the server.
    pub(crate) database: String,
    /// The table, or the schema and name of a sequence.
    pub(crate) table: Option<TableName>,
    /// An index or constraint of the table; empty for the table itself.
    pub(crate) part: String,
}

impl Object {
    pub(crate) const fn server() -> Self {
        Self {
            scope: Scope::Server,
            database: String::new(),
            table: None,
            part: String::new(),
        }
    }

    pub(crate) fn table(database: &str, table: &TableName) -> Self {
        Self::part_of(database, table, "")
    }

    pub(crate) fn part_of(database: &str, table: &TableName, part: &str) -> Self {
        Self {
            scope: Scope::Table,
            database: database.to_owned(),
            table: Some(table.clone()),
            part: part.to_owned(),
        }
    }

    pub(crate) fn sequence(database: &str, name: &TableName) -> Self {
        Self {
            scope: Scope::Database,
            ..Self::table(database, name)
        }
    }
}

impl std::fmt::Display for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(table) = &self.table else {
            return f.write_str("server");
        };
        write!(
            f,
            "{}.{}.{}",
            ident(&self.database),
            ident(&table.schema),
            ident(&table.name)
        )?;
        if self.part.is_empty() {
            return Ok(());
        }
        write!(f, ".{}", ident(&self.part))
    }
}

/// A name as it stands in a statement: quoted where it has to be.
pub(crate) fn ident(name: &str) -> String {
    let plain = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
        && name
            .chars()
            .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_');
    if plain {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// A value for a setting of the server or for an option of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proposal {
    /// The setting or option.
    pub(crate) option: String,
    /// Its value now; none where it is not set.
    pub(crate) current: Option<String>,
    /// Its value then; none where it is not to be set any more.
    pub(crate) proposed: Option<String>,
    /// When it is in force.
    pub(crate) activation: Activation,
}

impl Proposal {
    /// The statement that carries it out.
    pub(crate) fn statement(&self, object: &Object) -> String {
        let value = self.proposed.as_deref().map(literal);
        match (&object.table, value) {
            (None, Some(value)) => format!("alter system set {} = {value}", self.option),
            (None, None) => format!("alter system reset {}", self.option),
            (Some(table), Some(value)) => format!("alter table {} set ({} = {value})", table.quoted(), self.option),
            (Some(table), None) => format!("alter table {} reset ({})", table.quoted(), self.option),
        }
    }
}

/// A text as a literal, whatever it holds and however the server reads backslashes.
pub(crate) fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') {
        format!("E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}

/// One piece of advice.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Advice {
    /// Its name, for machines and for the guide.
    pub(crate) kind: &'static str,
    pub(crate) object: Object,
    pub(crate) impact: Impact,
    pub(crate) confidence: Confidence,
    /// What to do, in a few words.
    pub(crate) summary: String,
    /// Why: one or two sentences with the numbers.
    pub(crate) reason: String,
    /// The value to change; none where a person has to act.
    pub(crate) proposal: Option<Proposal>,
    /// What a person can run. Empty where no single statement does it.
    pub(crate) statement: String,
    /// Why the proposal has to be carried out by hand; empty where it has not.
    pub(crate) by_hand: String,
}

impl Advice {
    /// For a person to act upon.
    pub(crate) fn note(
        kind: &'static str,
        object: Object,
        impact: Impact,
        confidence: Confidence,
        summary: String,
        reason: String,
    ) -> Self {
        Self {
            kind,
            object,
            impact,
            confidence,
            summary,
            reason,
            proposal: None,
            statement: String::new(),
            by_hand: String::new(),
        }
    }

    /// With what a person can run.
    pub(crate) fn running(mut self, statement: String) -> Self {
        self.statement = statement;
        self
    }

    /// A value for a setting of the server.
    pub(crate) fn setting(
        kind: &'static str,
        setting: &Setting,
        proposed: String,
        impact: Impact,
        confidence: Confidence,
        reason: String,
    ) -> Self {
        let activation = if setting.needs_restart() {
            Activation::Restart
        } else {
            Activation::Reload
        };
        let by_hand = if setting.is_fixed_at_start() {
            format!(
                "the server was started with it ({}), which no file overrules",
                setting.source
            )
        } else {
            String::new()
        };
        let summary = format!("set {} to {proposed}", setting.name);
        let proposal = Proposal {
            option: setting.name.clone(),
            current: Some(setting.shown.clone()),
            proposed: Some(proposed),
            activation,
        };
        let note = Self::note(kind, Object::server(), impact, confidence, summary, reason);
        Self {
            by_hand,
            ..note.proposing(proposal)
        }
    }

    /// A value for an option of a table.
    pub(crate) fn proposing(mut self, proposal: Proposal) -> Self {
        self.statement = proposal.statement(&self.object);
        self.proposal = Some(proposal);
        self
    }

    /// The same for the same advice about the same object, always.
    pub(crate) fn id(&self) -> String {
        if self.object.table.is_none() {
            return self.kind.to_owned();
        }
        format!("{}:{}", self.kind, self.object)
    }

    /// Whether Weir can carry it out.
    pub(crate) fn is_applicable(&self) -> bool {
        self.proposal.is_some() && self.by_hand.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_cannot_leave_their_quotes() {
        let table = TableName {
            schema: "public".to_owned(),
            name: "odd\"; drop".to_owned(),
        };
        let object = Object::table("Shop", &table);
        assert_eq!(object.to_string(), "\"Shop\".public.\"odd\"\"; drop\"");
        let proposal = Proposal {
            option: "fillfactor".to_owned(),
            current: None,
            proposed: Some("9'0\\".to_owned()),
            activation: Activation::Immediate,
        };
        assert_eq!(
            proposal.statement(&object),
            "alter table \"public\".\"odd\"\"; drop\" set (fillfactor = E'9''0\\\\')"
        );
        assert_eq!(ident("Name"), "\"Name\"");
        assert_eq!(ident("1st"), "\"1st\"");
        assert_eq!(ident("a_1"), "a_1");
    }
}
