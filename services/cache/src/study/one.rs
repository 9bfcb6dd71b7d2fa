//! The study of one statement, on a connection that is free for it.

use std::collections::BTreeSet;

use weir_proto::cache::v1 as api;
use weir_sql::{Kind, Limits, Literal, LiteralClass};

use super::catalogue;
use super::fixed::{self, Facts};
use super::judge::{self, Dated, Dependency, Followed};
use super::same::same;
use super::session::{Frame, PARAMETERS_MAX, Parsed, Session, Stop};
use super::survey::{Origin, Survey, refusal};
use weir_sql::tells_present;

/// A longer text is not studied.
const SQL_BYTES_MAX: usize = 128 * 1024;

/// A statement, and as whom it runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'q> {
    pub(super) role: &'q str,
    pub(super) search_path: &'q str,
    pub(super) sql: &'q str,
    pub(super) types: &'q [u32],
    pub(super) utf8: bool,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Verdict {
    pub(super) refusals: Vec<api::Refusal>,
    pub(super) dependencies: Vec<Dependency>,
    pub(super) parameters: Vec<u32>,
    /// Parameters in dependencies are literals, counted from 1.
    pub(super) any_literals: bool,
    pub(super) dated: Vec<u32>,
}

impl Verdict {
    fn refused(refusal: api::Refusal) -> Self {
        Self {
            refusals: vec![refusal],
            ..Self::default()
        }
    }
}

/// Studies a statement. The transaction is open afterwards, and to be rolled back.
pub(super) async fn study(
    session: &mut Session,
    question: &Question<'_>,
    followed: &Followed<'_>,
) -> Result<Verdict, Stop> {
    match attempt(session, question, followed).await {
        Err(Stop::Refused(refusal)) => Ok(Verdict::refused(refusal)),
        other => other,
    }
}

/// What can be said of a text without asking anybody.
pub(super) fn at_sight(sql: &str) -> Option<Verdict> {
    if sql.len() > SQL_BYTES_MAX {
        let detail = format!("longer than {SQL_BYTES_MAX} bytes");
        return Some(Verdict::refused(refusal("too_complex", detail)));
    }
    if sql.contains('\0') {
        return Some(Verdict::refused(refusal("parse", "a zero byte in the text")));
    }
    let known = weir_sql::analyse(sql, Limits::default());
    let select = known.kind == Kind::Select && known.statements == 1;
    if !known.parsed {
        return Some(Verdict::refused(refusal("parse", "it does not parse")));
    }
    let what = "something else than one SELECT, VALUES or TABLE";
    (!select).then(|| Verdict::refused(refusal("not_select", what)))
}

async fn attempt(session: &mut Session, question: &Question<'_>, followed: &Followed<'_>) -> Result<Verdict, Stop> {
    let mut frame = session.begin(question.role, question.search_path).await?;
    let parsed = session.parse(&mut frame, question.sql, question.types).await?;
    let literals = weir_sql::literals(question.sql).filter(|_| parsed.parameters.is_empty());
    let Some(literals) = literals else {
        return judged(session, question, followed, &parsed).await;
    };
    let Some(general) = general(session, &mut frame, question, &literals, &parsed).await? else {
        return judged(session, question, followed, &parsed).await;
    };
    let mut verdict = judged(session, question, followed, &general).await?;
    verdict.any_literals = true;
    if verdict.refusals.is_empty() {
        return Ok(of_values(verdict, &literals));
    }
    // A constant may be allowed what a parameter is not.
    let exact = judged(session, question, followed, &parsed).await?;
    Ok(if exact.refusals == verdict.refusals {
        verdict
    } else {
        exact
    })
}

/// The statement with parameters in place of its literals, if it is the same.
async fn general(
    session: &mut Session,
    frame: &mut Frame,
    question: &Question<'_>,
    literals: &[Literal<'_>],
    parsed: &Parsed,
) -> Result<Option<Parsed>, Stop> {
    let Some(text) = weir_sql::parameterised(question.sql, literals).filter(|_| literals.len() <= PARAMETERS_MAX)
    else {
        return Ok(None);
    };
    let types: Vec<u32> = literals.iter().map(|literal| type_of(literal.class)).collect();
    session.mark().await?;
    match session.parse(frame, &text, &types).await {
        Ok(general) => Ok(same(&parsed.tree, &general.tree).then_some(general)),
        Err(Stop::Refused(_)) => session.back().await.map(|()| None),
        Err(failed) => Err(failed),
    }
}

const fn type_of(class: LiteralClass) -> u32 {
    match class {
        LiteralClass::Integer => 23,
        LiteralClass::Bigint => 20,
        LiteralClass::Numeric => 1700,
        LiteralClass::Text => 0,
    }
}

/// What holds for any literals, but not for these if a date or time among them is a word such as `now`.
fn of_values(verdict: Verdict, literals: &[Literal<'_>]) -> Verdict {
    let literal = |number: &u32| literals.get(usize::try_from(*number).ok()?.checked_sub(1)?);
    let mut dated = verdict.dated.iter().filter_map(literal);
    if dated.any(|literal| tells_present(literal.value.as_bytes())) {
        return Verdict::refused(judge::present("a date or time"));
    }
    verdict
}

async fn judged(
    session: &mut Session,
    question: &Question<'_>,
    followed: &Followed<'_>,
    parsed: &Parsed,
) -> Result<Verdict, Stop> {
    let mut survey = Survey::default();
    survey.add(&parsed.tree, &Origin::Statement);
    for (number, type_oid) in (1..).zip(&parsed.parameters) {
        survey.parameters.entry(number).or_insert(*type_oid);
    }
    let known = catalogue::explore(&mut session.connection, &mut survey).await?;
    let mut refusals = judge::refusals(&survey, &known, followed);
    let dated = judge::dated(&survey, &known);
    refusals.extend(literal_words(question.sql, &dated));
    let facts = Facts {
        texts: question.utf8 && session.utf8,
        deterministic: known.deterministic.clone(),
        little_endian: session.little_endian,
    };
    let fixed = parsed
        .tree
        .node()
        .map(|query| fixed::of(query, &facts))
        .unwrap_or_default();
    let wanted = wanted(&survey, &fixed);
    let columns = catalogue::columns(&mut session.connection, &wanted).await?;
    Ok(Verdict {
        refusals,
        dependencies: judge::dependencies(&survey, &known, followed, &fixed, &columns),
        parameters: parsed.parameters.clone(),
        any_literals: false,
        dated: dated.parameters,
    })
}

/// The columns that are fixed, and those that are read of the same tables, by the numbers of their tables.
fn wanted(survey: &Survey, fixed: &fixed::Fixed) -> BTreeSet<(u32, i16)> {
    let entry = |relation: &(u32, super::survey::Place)| match relation.1 {
        super::survey::Place::Entry(entry) => Some((relation.0, entry)),
        super::survey::Place::Inside(_) => None,
    };
    let entries: Vec<(u32, usize)> = survey.relations.iter().filter_map(entry).collect();
    let of = |at: usize| {
        entries
            .iter()
            .filter(move |(_, entry)| *entry == at)
            .map(|(oid, _)| *oid)
    };
    let is_fixed = |entry: &usize| fixed.keys().any(|(of, _)| of == entry);
    let read = survey
        .reads
        .iter()
        .filter(|(entry, read)| is_fixed(entry) && read.len() <= judge::CELLS_MAX);
    let read = read.flat_map(|(entry, read)| read.iter().map(|column| (*entry, *column)));
    let all = fixed.keys().copied().chain(read);
    all.flat_map(|(entry, column)| of(entry).map(move |oid| (oid, column)))
        .collect()
}

/// A constant that is a date may have been written as `'now'`, which PostgreSQL has replaced by the moment.
fn literal_words(sql: &str, dated: &Dated) -> Option<api::Refusal> {
    let suspicious =
        || tells_present(sql.as_bytes()) || sql.contains('\\') || sql.contains("u&'") || sql.contains("U&'");
    (dated.constants && suspicious()).then(|| judge::present("a date or time"))
}
