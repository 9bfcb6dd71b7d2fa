//! What the catalogue says of everything that a statement uses, and of what that brings along in turn: definitions of
//! views, policies, defaults of arguments, checks of domains.
//!
//! Everything here is asked with `search_path = pg_catalog, pg_temp`, because the connection may have rights that whoever made
//! other schemas does not have.

use std::collections::{BTreeMap, BTreeSet};

use weir_upstream::{Connection, Error, Row};

use super::judge::{Column, Columns};
use super::survey::{Origin, Survey};
use super::tree;

/// Rounds of questions, each for what the one before brought along: views in views in views.
const ROUNDS_MAX: usize = 40;
/// Trees looked at for one statement.
const TREES_MAX: usize = 1_000;

/// A table, a view or the like.
#[derive(Debug, Clone)]
pub(super) struct Relation {
    /// `schema.name`.
    pub(super) name: String,
    /// `pg_class.relkind`.
    pub(super) kind: String,
    /// `pg_class.relpersistence`.
    pub(super) persistence: String,
    pub(super) of_system: bool,
    /// Policies read of its rows what they want.
    pub(super) has_policies: bool,
    /// Tables that its rows can be in, besides itself.
    pub(super) descendants: Vec<u32>,
}

/// A function, as far as it matters whether its result is always the same.
#[derive(Debug, Clone)]
pub(super) struct Function {
    /// As PostgreSQL writes it, with its arguments.
    pub(super) name: String,
    /// The bare name.
    pub(super) word: String,
    /// PostgreSQL's own.
    pub(super) builtin: bool,
    /// `pg_proc.provolatile`.
    pub(super) volatility: String,
    /// Its language may do anything, and is not the one in which extensions are written.
    pub(super) untrusted: bool,
    /// It has a body that reads tables.
    pub(super) reads: bool,
}

/// A type.
#[derive(Debug, Clone, Default)]
pub(super) struct Type {
    pub(super) name: String,
    /// Types that it is made of.
    pub(super) members: BTreeSet<u32>,
    /// Functions that read and write it: they only must not be volatile.
    pub(super) inputs: BTreeSet<u32>,
}

/// What is known.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) relations: BTreeMap<u32, Relation>,
    pub(super) functions: BTreeMap<u32, Function>,
    /// Operators with their functions.
    pub(super) operators: BTreeMap<u32, u32>,
    pub(super) types: BTreeMap<u32, Type>,
    /// Of the collations used, those under which equal means equal bytes.
    pub(super) deterministic: Vec<u32>,
    /// Not everything could be read: too much, or in a form that is not known.
    pub(super) incomplete: bool,
}

/// Asks for everything that is used, and for what that uses, until nothing is new. What trees found on the way use is
/// added to the survey.
pub(super) async fn explore(connection: &mut Connection, survey: &mut Survey) -> Result<Known, Error> {
    let mut known = Known::default();
    let mut asked = Asked::default();
    let mut trees = 0;
    for _ in 0..ROUNDS_MAX {
        let Some(questions) = asked.next(survey, &known) else {
            return Ok(known);
        };
        for row in connection.simple_query(&questions).await? {
            trees += usize::from(known.take(&row, survey)?);
        }
        if trees > TREES_MAX {
            break;
        }
    }
    known.incomplete = true;
    Ok(known)
}

/// What has been asked already.
#[derive(Debug, Default)]
struct Asked {
    relations: BTreeSet<u32>,
    functions: BTreeSet<u32>,
    operators: BTreeSet<u32>,
    types: BTreeSet<u32>,
    checks: BTreeSet<u32>,
    collations: BTreeSet<u32>,
}

impl Asked {
    /// The questions about what is new; none where nothing is.
    fn next(&mut self, survey: &Survey, known: &Known) -> Option<String> {
        let relations = survey.relations.iter().map(|(oid, _)| *oid);
        let functions = survey.functions.iter().chain(known.operators.values());
        let functions = functions.chain(known.types.values().flat_map(|known| &known.inputs));
        let members = known.types.values().flat_map(|known| &known.members);
        let types = survey
            .types
            .iter()
            .chain(&survey.checked)
            .chain(survey.parameters.values())
            .chain(members);
        let checked = survey
            .checked
            .iter()
            .chain(survey.parameters.values())
            .chain(&survey.constants);
        let checked = checked
            .flat_map(|oid| known.within(*oid))
            .filter(|oid| known.types.contains_key(oid));
        let questions: String = [
            new(&mut self.relations, relations).map(|new| RELATIONS.replace("$oids", &new)),
            new(&mut self.functions, functions.copied()).map(|new| FUNCTIONS.replace("$oids", &new)),
            new(&mut self.operators, survey.operators.iter().copied()).map(|new| OPERATORS.replace("$oids", &new)),
            new(&mut self.types, types.copied()).map(|new| TYPES.replace("$oids", &new)),
            new(&mut self.checks, checked).map(|new| CHECKS.replace("$oids", &new)),
            new(&mut self.collations, survey.collations.iter().copied()).map(|new| COLLATIONS.replace("$oids", &new)),
        ]
        .into_iter()
        .flatten()
        .collect();
        (!questions.is_empty()).then_some(questions)
    }
}

/// Numbers that have not been asked for, as a list.
fn new(asked: &mut BTreeSet<u32>, wanted: impl Iterator<Item = u32>) -> Option<String> {
    let new: Vec<String> = wanted
        .filter(|oid| asked.insert(*oid))
        .map(|oid| oid.to_string())
        .collect();
    (!new.is_empty()).then(|| new.join(","))
}

const RELATIONS: &str = "
    select 'relation' as what, c.oid, format('%s.%s', n.nspname, c.relname) as name, c.relkind as kind,
        c.relpersistence as persistence,
        c.oid < 16384 or n.nspname in ('pg_catalog', 'pg_toast', 'information_schema') as system,
        c.relrowsecurity as policies,
        (select r.ev_action::text from pg_rewrite r
          where c.relkind = 'v' and r.ev_class = c.oid and r.ev_type = '1' limit 1) as tree
      from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid in ($oids);
    with recursive below(ancestor, oid) as (
        select inhparent, inhrelid from pg_inherits where inhparent in ($oids)
        union select below.ancestor, inhrelid from pg_inherits join below on inhparent = below.oid)
    select 'descendant' as what, below.ancestor, c.oid, format('%s.%s', n.nspname, c.relname) as name,
        c.relkind as kind, c.relpersistence as persistence, false as system, c.relrowsecurity as policies
      from below join pg_class c on c.oid = below.oid join pg_namespace n on n.oid = c.relnamespace;
    select 'tree' as what, format('policy %s of %s.%s', p.polname, n.nspname, c.relname) as name, p.polqual::text as tree
      from pg_policy p join pg_class c on c.oid = p.polrelid join pg_namespace n on n.oid = c.relnamespace
      where p.polrelid in ($oids) and p.polcmd in ('r', '*') and p.polqual is not null and c.relrowsecurity;";

const FUNCTIONS: &str = "
    select 'function' as what, p.oid, format('%s(%s)', p.proname, pg_get_function_identity_arguments(p.oid)) as name,
        p.proname as word, p.oid < 12000 as builtin, p.provolatile as volatility,
        not l.lanpltrusted and l.lanname not in ('internal', 'c') as untrusted, p.prosqlbody::text as body
      from pg_proc p join pg_language l on l.oid = p.prolang where p.oid in ($oids);
    select 'tree' as what, format('a default of %s()', p.proname) as name, p.proargdefaults::text as tree
      from pg_proc p where p.oid in ($oids) and p.proargdefaults is not null and p.oid >= 12000;
    select 'part' as what, part as oid from pg_aggregate a, unnest(array[aggtransfn, aggfinalfn, aggcombinefn,
        aggserialfn, aggdeserialfn, aggmtransfn, aggminvtransfn, aggmfinalfn]::oid[]) part
      where aggfnoid::oid in ($oids) and aggfnoid::oid >= 12000 and part <> 0;";

const OPERATORS: &str = "
    select 'operator' as what, o.oid, o.oprcode::oid as function from pg_operator o where o.oid in ($oids);";

const TYPES: &str = "
    select 'type' as what, t.oid, format_type(t.oid, null) as name from pg_type t where t.oid in ($oids);
    select 'member' as what, t.oid, member from pg_type t, lateral (
        select t.typelem as member where t.typelem <> 0
        union select t.typbasetype where t.typbasetype <> 0
        union select a.atttypid from pg_attribute a
          where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
        union select r.rngsubtype from pg_range r where t.oid in (r.rngtypid, r.rngmultitypid)) members
      where t.oid in ($oids);
    select 'input' as what, t.oid, function from pg_type t, lateral (
        select unnest(array[t.typinput, t.typoutput, t.typreceive, t.typsend]::oid[]) as function
          where t.typtype = 'b' and t.typcategory <> 'A') inputs
      where t.oid in ($oids) and t.oid >= 16384 and function <> 0;
    select 'part' as what, function as oid from pg_type t, lateral (
        select c.castfunc as function from pg_cast c where c.castsource = t.oid and c.casttarget in (114, 3802)
        union select s.amproc::oid from pg_opclass o
          join pg_amproc s on s.amprocfamily = o.opcfamily and s.amproclefttype = t.oid
          where o.opcintype = t.oid and o.opcmethod in (403, 405)
        union select p.oprcode::oid from pg_opclass o
          join pg_amop m on m.amopfamily = o.opcfamily and m.amoplefttype = t.oid join pg_operator p on p.oid = m.amopopr
          where o.opcintype = t.oid and o.opcmethod in (403, 405)) functions
      where t.oid in ($oids) and t.oid >= 16384 and function <> 0;
";

const CHECKS: &str = "
    select 'tree' as what, format('a check of domain %s', format_type(c.contypid, null)) as name, c.conbin::text as tree
      from pg_constraint c where c.contypid in ($oids) and c.conbin is not null;";

const COLLATIONS: &str = "
    select 'collation' as what, oid from pg_collation where collisdeterministic and oid in ($oids);";

impl Known {
    /// A type, and all types that it is made of.
    pub(super) fn within(&self, type_oid: u32) -> BTreeSet<u32> {
        let mut all = BTreeSet::new();
        let mut next = vec![type_oid];
        while let Some(oid) = next.pop() {
            if all.insert(oid) {
                next.extend(self.types.get(&oid).into_iter().flat_map(|known| &known.members));
            }
        }
        all
    }

    /// Takes a row of an answer. Whether a tree was in it.
    fn take(&mut self, row: &Row, survey: &mut Survey) -> Result<bool, Error> {
        match row.text("what")? {
            "relation" => return self.relation(row, survey),
            "descendant" => self.descendant(row)?,
            "tree" => {
                let origin = Origin::Brought(row.text("name")?.to_owned());
                self.tree(row.text("tree")?, &origin, survey);
                return Ok(true);
            }
            "function" => return self.function(row, survey),
            "part" => {
                survey.functions.insert(row.parse("oid")?);
            }
            "operator" => {
                self.operators.insert(row.parse("oid")?, row.parse("function")?);
            }
            "type" => self.of(row)?.name = row.text("name")?.to_owned(),
            "member" => {
                let member = row.parse("member")?;
                self.of(row)?.members.insert(member);
            }
            "input" => {
                let input = row.parse("function")?;
                self.of(row)?.inputs.insert(input);
            }
            "collation" => self.deterministic.push(row.parse("oid")?),
            _ => {}
        }
        Ok(false)
    }

    fn of(&mut self, row: &Row) -> Result<&mut Type, Error> {
        Ok(self.types.entry(row.parse("oid")?).or_default())
    }

    fn tree(&mut self, text: &str, origin: &Origin, survey: &mut Survey) {
        match tree::read(text) {
            Some(tree) => survey.add(&tree, origin),
            None => self.incomplete = true,
        }
    }

    fn relation(&mut self, row: &Row, survey: &mut Survey) -> Result<bool, Error> {
        let oid = row.parse("oid")?;
        let relation = relation(row)?;
        let view = row.get("tree").map(|tree| (tree, Origin::View(relation.name.clone())));
        if let Some((tree, origin)) = &view {
            self.tree(tree, origin, survey);
        }
        self.relations.entry(oid).or_insert(relation);
        Ok(view.is_some())
    }

    fn descendant(&mut self, row: &Row) -> Result<(), Error> {
        let (ancestor, oid) = (row.parse("ancestor")?, row.parse("oid")?);
        self.relations.entry(oid).or_insert(relation(row)?);
        if let Some(ancestor) = self.relations.get_mut(&ancestor) {
            ancestor.descendants.push(oid);
        }
        Ok(())
    }

    fn function(&mut self, row: &Row, survey: &mut Survey) -> Result<bool, Error> {
        let name = row.text("name")?.to_owned();
        let body = row.get("body");
        let reads = body.is_some_and(|body| self.body(body, &name, survey));
        let function = Function {
            name,
            word: row.text("word")?.to_owned(),
            builtin: row.flag("builtin")?,
            volatility: row.text("volatility")?.to_owned(),
            untrusted: row.flag("untrusted")?,
            reads,
        };
        self.functions.insert(row.parse("oid")?, function);
        Ok(body.is_some())
    }

    /// Looks into a body that is kept as trees. Whether it reads tables.
    fn body(&mut self, body: &str, name: &str, survey: &mut Survey) -> bool {
        let before = survey.relations.len();
        self.tree(body, &Origin::Brought(format!("function {name}")), survey);
        survey.relations.len() > before
    }
}

/// These columns, with how well rows are chosen by them.
pub(super) async fn columns(connection: &mut Connection, wanted: &BTreeSet<(u32, i16)>) -> Result<Columns, Error> {
    if wanted.is_empty() {
        return Ok(Columns::new());
    }
    let pairs: Vec<String> = wanted
        .iter()
        .map(|(relation, number)| format!("({relation},{number})"))
        .collect();
    let rows = connection
        .simple_query(&COLUMNS.replace("$pairs", &pairs.join(",")))
        .await?;
    let column = |row: &Row| {
        let column = Column {
            name: row.text("name")?.to_owned(),
            type_oid: row.parse("type")?,
            unique: row.flag("unique")?,
            computed: row.flag("computed")?,
            share: row.parse("share")?,
        };
        Ok(((row.parse("relation")?, row.parse("number")?), column))
    };
    rows.iter().map(column).collect()
}

/// Statistics of a column say how many values it has: negative for a share of the rows.
const COLUMNS: &str = "
    select a.attrelid as relation, a.attnum as number, a.attname as name, a.atttypid as type, a.attgenerated <> '' as computed,
        exists (select 1 from pg_index i where i.indrelid = a.attrelid and i.indisunique and i.indisvalid
            and i.indpred is null and i.indnkeyatts = 1 and i.indkey[0] = a.attnum) as unique,
        coalesce((select case when s.n_distinct > 0 then 1 / s.n_distinct::float8
                when s.n_distinct < 0 and c.reltuples >= 1 then 1 / (-s.n_distinct::float8 * c.reltuples::float8) end
            from pg_stats s where s.schemaname = n.nspname and s.tablename = c.relname and s.attname = a.attname
            order by s.inherited desc limit 1), 1) as share
      from (values $pairs) wanted(relation, number)
      join pg_attribute a on a.attrelid = wanted.relation::oid and a.attnum = wanted.number
      join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace";

fn relation(row: &Row) -> Result<Relation, Error> {
    Ok(Relation {
        name: row.text("name")?.to_owned(),
        kind: row.text("kind")?.to_owned(),
        persistence: row.text("persistence")?.to_owned(),
        of_system: row.flag("system")?,
        has_policies: row.flag("policies")?,
        descendants: Vec::new(),
    })
}
