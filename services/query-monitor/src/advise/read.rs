//! PostgreSQL's JSON into a plan. Pure.
//!
//! What comes in may be anything that calls itself a plan: its size, depth and number of nodes are bounded, and no
//! depth of it is a depth of this process's stack.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::plan::{Node, Plan, Trigger};

/// Longer texts are not read.
const BYTES_MAX: usize = 8 * 1024 * 1024;
/// Nodes below each other. Each is two levels of JSON.
const DEPTH_MAX: usize = 200;
/// Brackets below each other: the nodes', and what is around and inside them.
const NESTING_MAX: usize = 2 * DEPTH_MAX + 16;
/// Nodes in all.
const NODES_MAX: usize = 20_000;

/// Why a text is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PlanError {
    /// Too much of it.
    #[error("the plan has more {0} than are read")]
    TooMuch(&'static str),
    /// Not the JSON of a plan.
    #[error("the plan cannot be read: {0}")]
    Form(String),
}

/// An object's members in their order, unread.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

fn form(error: &serde_json::Error) -> PlanError {
    PlanError::Form(error.to_string())
}

/// Reads what `EXPLAIN (FORMAT JSON)` answers. Of several plans, which a rule may make of one statement, the first.
pub(crate) fn read(json: &str) -> Result<Plan, PlanError> {
    if json.len() > BYTES_MAX {
        return Err(PlanError::TooMuch("bytes"));
    }
    if nesting(json) > NESTING_MAX {
        return Err(PlanError::TooMuch("levels"));
    }
    let plans: Vec<Members<'_>> = serde_json::from_str(json).map_err(|error| form(&error))?;
    let has_plan = |members: &&Members<'_>| members.0.iter().any(|(key, _)| key == "Plan");
    let first = plans.iter().find(has_plan);
    statement(first.ok_or_else(|| PlanError::Form("there is no plan in it".to_owned()))?)
}

fn statement(members: &Members<'_>) -> Result<Plan, PlanError> {
    let mut plan = Plan::default();
    for (key, raw) in &members.0 {
        match key.as_str() {
            "Plan" => plan.nodes = nodes(raw)?,
            "Planning Time" => plan.planning_ms = value(raw)?.as_f64(),
            "Execution Time" => plan.execution_ms = value(raw)?.as_f64(),
            "JIT" => compilation(&mut plan, &value(raw)?),
            "Triggers" => plan.triggers = triggers(&value(raw)?),
            "Settings" => plan.settings = settings(raw)?,
            _ => {}
        }
    }
    Ok(plan)
}

fn value(raw: &RawValue) -> Result<Value, PlanError> {
    serde_json::from_str(raw.get()).map_err(|error| form(&error))
}

/// The nodes, each before its children, without a call for every level.
fn nodes(root: &RawValue) -> Result<Vec<Node>, PlanError> {
    let mut nodes: Vec<Node> = Vec::new();
    let mut waiting = vec![(root, None, 0)];
    while let Some((raw, parent, depth)) = waiting.pop() {
        let id = nodes.len();
        if id >= NODES_MAX {
            return Err(PlanError::TooMuch("nodes"));
        }
        let (properties, children) = node(raw)?;
        waiting.extend(children.into_iter().rev().map(|child| (child, Some(id), depth + 1)));
        if let Some(parent) = parent.and_then(|parent: usize| nodes.get_mut(parent)) {
            parent.children.push(id);
        }
        nodes.push(Node {
            id,
            parent,
            depth,
            children: Vec::new(),
            properties,
        });
    }
    Ok(nodes)
}

type Properties = Vec<(String, Value)>;

fn node(raw: &RawValue) -> Result<(Properties, Vec<&RawValue>), PlanError> {
    let members: Members<'_> = serde_json::from_str(raw.get()).map_err(|error| form(&error))?;
    let (mut properties, mut children) = (Vec::with_capacity(members.0.len()), Vec::new());
    for (key, raw) in members.0 {
        if key == "Plans" {
            children = serde_json::from_str(raw.get()).map_err(|error| form(&error))?;
        } else {
            properties.push((key, value(raw)?));
        }
    }
    if properties
        .iter()
        .any(|(key, value)| key == "Node Type" && value.is_string())
    {
        Ok((properties, children))
    } else {
        Err(PlanError::Form("a node of it has no type".to_owned()))
    }
}

/// Since version 17 the time to generate is an object; the total never was.
fn compilation(plan: &mut Plan, jit: &Value) {
    plan.jit_functions = jit.get("Functions").and_then(Value::as_f64).unwrap_or_default();
    plan.jit_ms = jit.pointer("/Timing/Total").and_then(Value::as_f64);
}

fn settings(raw: &RawValue) -> Result<Vec<(String, String)>, PlanError> {
    let members: Members<'_> = serde_json::from_str(raw.get()).map_err(|error| form(&error))?;
    let text = |raw: &RawValue| Ok(value(raw)?.as_str().unwrap_or_default().to_owned());
    members
        .0
        .into_iter()
        .map(|(name, raw)| Ok((name, text(raw)?)))
        .collect()
}

fn triggers(list: &Value) -> Vec<Trigger> {
    let text = |trigger: &Value, key: &str| trigger.get(key).and_then(Value::as_str).map(str::to_owned);
    let number = |trigger: &Value, key: &str| trigger.get(key).and_then(Value::as_f64).unwrap_or_default();
    let read = |trigger: &Value| {
        let constraint = text(trigger, "Constraint Name");
        Trigger {
            of_constraint: constraint.is_some(),
            name: constraint.or_else(|| text(trigger, "Trigger Name")).unwrap_or_default(),
            relation: text(trigger, "Relation").unwrap_or_default(),
            time_ms: number(trigger, "Time"),
            calls: number(trigger, "Calls"),
        }
    };
    list.as_array().into_iter().flatten().map(read).collect()
}

/// Bytes of a JSON text, each with whether it belongs to a string.
fn marked(json: &str) -> impl Iterator<Item = (u8, bool)> {
    let (mut quoted, mut escaped) = (false, false);
    json.bytes().map(move |byte| {
        let inside = quoted;
        if escaped {
            escaped = false;
        } else if quoted && byte == b'\\' {
            escaped = true;
        } else if byte == b'"' {
            quoted = !quoted;
        }
        (byte, inside || quoted)
    })
}

/// How many brackets are open at once at most.
fn nesting(json: &str) -> usize {
    let (mut open, mut most) = (0_usize, 0);
    for (byte, quoted) in marked(json) {
        match byte {
            b'[' | b'{' if !quoted => open += 1,
            b']' | b'}' if !quoted => open = open.saturating_sub(1),
            _ => {}
        }
        most = most.max(open);
    }
    most
}

/// The same JSON without the spaces between its parts: PostgreSQL indents each level, so that a deep plan is mostly
/// spaces.
pub(crate) fn minified(json: &str) -> String {
    let kept = marked(json).filter(|(byte, quoted)| *quoted || !byte.is_ascii_whitespace());
    let bytes: Vec<u8> = kept.map(|(byte, _)| byte).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}
