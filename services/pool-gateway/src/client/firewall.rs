//! The firewall's calls to what the firewall does, and back. Translates, decides nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tonic::Status;
use weir_model::{Fingerprint, Project};
use weir_proto::gateway::v1 as api;
use weir_proto::page::Page;
use weir_proto::status::status;

use super::refusal::refusal;
use super::wire::Door;
use crate::error::Error;
use crate::firewall::{Guard, ModeSet, Scope, ScopeKey, Shape, Standing, Which, Whom};
use crate::settings::FirewallMode;

/// Shapes that one call may name.
const NAMED_MAX: usize = 1_000;
/// As long as the name of somebody may be.
const BY_CHARS_MAX: usize = 200;

/// What a page of scopes goes on behind is one text, divided by what no name has in it.
const DIVIDER: char = '\u{1f}';

/// Tells what the firewall does, and changes it.
pub(super) struct Firewall<'d> {
    door: &'d Door,
}

impl<'d> Firewall<'d> {
    pub(super) const fn of(door: &'d Door) -> Self {
        Self { door }
    }

    const fn guard(&self) -> &Arc<Guard> {
        &self.door.guard
    }

    /// What it does for whom.
    pub(super) fn status(&self, request: &api::FirewallStatusRequest) -> Result<api::FirewallStatusResponse, Status> {
        let page = Page::of(request.page.as_ref()).map_err(|error| status(&error))?;
        let after = page.after.as_ref().map(|(place, _)| place.as_str());
        let whom = [&request.project, &request.database, &request.user];
        let scopes = self.guard().scopes().into_iter();
        let found = scopes
            .filter(|scope| is_about(whom, &scope.key) && after.is_none_or(|after| place(scope).as_str() > after));
        let found: Vec<_> = found.take(size(&page)).collect();
        let kept = self.guard().desk().kept();
        let now_ms = self.guard().now_ms();
        Ok(api::FirewallStatusResponse {
            page: Some(page.answer(&found, |scope| (place(scope), String::new()))),
            scopes: found.iter().map(|scope| self.scope_status(scope, now_ms)).collect(),
            kept: kept.is_kept,
            reason: kept.reason,
            since_unix_ms: self.guard().since_ms(),
            modes: self.guard().modes_set().iter().map(mode_set).collect(),
        })
    }

    fn scope_status(&self, scope: &Scope, now_ms: i64) -> api::FirewallScopeStatus {
        let terms = scope.last_terms().unwrap_or_else(|| self.terms(&scope.key));
        let mode = scope.mode(terms);
        let reason = why_relaxed(scope, mode);
        let (reported, blocked) = scope.last_hour(now_ms);
        let (list, figures) = (&scope.list, &scope.figures);
        let number = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let effective = if reason.is_empty() { mode } else { FirewallMode::Monitor };
        api::FirewallScopeStatus {
            scope: Some(scope_of(&scope.key)),
            mode: mode_code(mode).into(),
            effective_mode: mode_code(effective).into(),
            mode_from: if scope.mode_set().is_some() {
                "operator"
            } else {
                "settings"
            }
            .to_owned(),
            reason: reason.to_owned(),
            threshold: u32::from(terms.threshold),
            strictness: terms.strictness.as_str().to_owned(),
            forbidden: !scope.is_exempt(terms),
            learned: list.len(Standing::Learned) as u64,
            approved: list.len(Standing::Approved) as u64,
            queued: list.len(Standing::Queued) as u64,
            overflowed: number(&list.overflowed),
            statements: number(&figures.statements),
            reported: number(&figures.reported),
            blocked: number(&figures.blocked),
            would_block: number(&figures.would_block),
            reported_last_hour: reported,
            blocked_last_hour: blocked,
            last_violation_unix_ms: figures.last_violation_ms.load(Ordering::Relaxed),
            relaxed_unix_ms: scope.relaxed_ms(),
        }
    }

    /// What the settings say for a scope of which nobody was here.
    fn terms(&self, key: &ScopeKey) -> crate::firewall::Terms {
        let settings = self.door.pools.common().live();
        settings.firewall(&crate::rules::Caller {
            database: &key.database,
            user: &key.user,
            application: "",
            project: Some(&key.project),
        })
    }

    /// Shapes of the list.
    pub(super) fn shapes(
        &self,
        request: &api::ListFirewallShapesRequest,
    ) -> Result<api::ListFirewallShapesResponse, Status> {
        let page = Page::of(request.page.as_ref()).map_err(|error| status(&error))?;
        let after = page.after::<String, i64>().map_err(|error| status(&error))?;
        let whom = [&request.project, &request.database, &request.user];
        let standing = standing_of(request.state());
        let search = request.search.to_lowercase();
        let scopes = self.guard().scopes().into_iter();
        let mut found: Vec<Listed> = scopes
            .filter(|scope| is_about(whom, &scope.key))
            .flat_map(|scope| listed(&scope, standing, &search))
            .collect();
        // Last seen first; of the same moment, by their names.
        found.sort_by(|one, other| other.seen_ms.cmp(&one.seen_ms).then_with(|| one.name.cmp(&other.name)));
        if let Some((name, seen_ms)) = after {
            found.retain(|one| one.seen_ms < seen_ms || (one.seen_ms == seen_ms && one.name > name));
        }
        found.truncate(size(&page));
        Ok(api::ListFirewallShapesResponse {
            page: Some(page.answer(&found, |one| (one.name.clone(), one.seen_ms))),
            shapes: found.iter().map(|one| shape_of(&one.key, &one.shape)).collect(),
        })
    }

    /// Lets shapes through.
    pub(super) async fn approve(
        &self,
        request: api::ApproveFirewallShapesRequest,
    ) -> Result<api::ApproveFirewallShapesResponse, Status> {
        let key = key_of(request.scope)?;
        let which = match (request.all_queued, request.ids.is_empty()) {
            (true, true) => Which::All(Standing::Queued),
            (false, false) => Which::These(ids(&request.ids)?),
            _ => return Err(wrong("name ids, or set all_queued")),
        };
        let shapes = self.guard().approve(&key, &which, &by(&request.by)?).await as u64;
        Ok(api::ApproveFirewallShapesResponse { shapes })
    }

    /// Takes shapes out.
    pub(super) async fn forget(
        &self,
        request: api::ForgetFirewallShapesRequest,
    ) -> Result<api::ForgetFirewallShapesResponse, Status> {
        let standing = standing_of(request.all_in_state());
        let key = key_of(request.scope)?;
        let which = match (standing, request.ids.is_empty()) {
            (Some(standing), true) => Which::All(standing),
            (None, false) => Which::These(ids(&request.ids)?),
            _ => return Err(wrong("name ids, or set all_in_state")),
        };
        let shapes = self.guard().forget(&key, &which, &by(&request.by)?).await as u64;
        Ok(api::ForgetFirewallShapesResponse { shapes })
    }

    /// Puts a shape in.
    pub(super) async fn add(
        &self,
        request: api::AddFirewallShapeRequest,
    ) -> Result<api::AddFirewallShapeResponse, Status> {
        let key = key_of(request.scope)?;
        let (bytes, max) = (request.sql.len(), self.door.shapes.statement_bytes_max());
        if bytes > max {
            return Err(refusal(&Error::StatementTooLong { bytes, max }, false));
        }
        let statement = match self.door.shapes.at_once(&request.sql) {
            Some(statement) => statement,
            None => self.door.shapes.read(&request.sql).await,
        };
        if !statement.parsed || statement.statements == 0 {
            return Err(wrong("sql is no statement that can be read"));
        }
        let added = self.guard().add(&key, &statement, &by(&request.by)?).await;
        let shape = added.ok_or_else(|| wrong("the list is full; forget some of its shapes"))?;
        Ok(api::AddFirewallShapeResponse {
            shape: Some(shape_of(&key, &shape)),
        })
    }

    /// Sets a mode.
    pub(super) async fn set_mode(
        &self,
        request: api::SetFirewallModeRequest,
    ) -> Result<api::SetFirewallModeResponse, Status> {
        let mode = match request.mode() {
            api::FirewallMode::Unspecified => None,
            api::FirewallMode::Off => Some(FirewallMode::Off),
            api::FirewallMode::Learn => Some(FirewallMode::Learn),
            api::FirewallMode::Monitor => Some(FirewallMode::Monitor),
            api::FirewallMode::Enforce => Some(FirewallMode::Enforce),
        };
        let api::FirewallScope {
            project,
            database,
            user,
        } = request.scope.unwrap_or_default();
        if !project.is_empty() {
            Project::parse(&project).map_err(|error| wrong(&error.to_string()))?;
        }
        if database.contains('\0') || user.contains('\0') {
            return Err(wrong("a name has no zero byte"));
        }
        let whom = Whom {
            project,
            database,
            user,
        };
        self.guard().decide_mode(whom, mode, &by(&request.by)?).await;
        Ok(api::SetFirewallModeResponse {})
    }
}

/// A shape that is to be listed.
struct Listed {
    key: ScopeKey,
    shape: Arc<Shape>,
    seen_ms: i64,
    /// By which it is told from others that were seen in the same moment.
    name: String,
}

fn listed(scope: &Scope, standing: Option<Standing>, search: &str) -> Vec<Listed> {
    let shapes = scope.list.all().into_iter();
    let wanted = shapes.filter(|shape| {
        let own = shape.standing();
        own != Standing::Forgotten && standing.is_none_or(|standing| standing == own) && is_found(shape, search)
    });
    wanted
        .map(|shape| Listed {
            key: scope.key.clone(),
            seen_ms: shape.last_seen_ms.load(Ordering::Relaxed),
            name: format!("{}{DIVIDER}{:016x}", place(scope), shape.id),
            shape,
        })
        .collect()
}

fn is_found(shape: &Shape, search: &str) -> bool {
    search.is_empty()
        || format!("{:016x}", shape.id) == search
        || Fingerprint::new(shape.fingerprint).to_string() == search
        || shape.text.to_lowercase().contains(search)
}

fn why_relaxed(scope: &Scope, mode: FirewallMode) -> &'static str {
    if mode != FirewallMode::Enforce {
        ""
    } else if scope.relaxed_ms() > 0 {
        "it refused more than one of a hundred statements; set the mode again when the list is right"
    } else if !scope.list.knows_any() {
        "nothing is on its list yet"
    } else {
        ""
    }
}

fn is_about(whom: [&String; 3], key: &ScopeKey) -> bool {
    let own = [key.project.as_str(), &key.database, &key.user];
    whom.iter()
        .zip(own)
        .all(|(wanted, own)| wanted.is_empty() || *wanted == own)
}

fn place(scope: &Scope) -> String {
    let ScopeKey {
        project,
        database,
        user,
    } = &scope.key;
    format!("{project}{DIVIDER}{database}{DIVIDER}{user}")
}

fn size(page: &Page) -> usize {
    usize::try_from(page.size).unwrap_or(usize::MAX)
}

fn wrong(reason: &str) -> Status {
    refusal(&Error::Request(reason.to_owned()), false)
}

fn by(name: &str) -> Result<String, Status> {
    if name.chars().count() > BY_CHARS_MAX || name.contains('\0') {
        return Err(wrong("by has at most 200 characters, and no zero byte"));
    }
    Ok(name.to_owned())
}

fn ids(texts: &[String]) -> Result<Vec<u64>, Status> {
    if texts.len() > NAMED_MAX {
        return Err(wrong("a call names at most 1000 shapes"));
    }
    let read = |text: &String| {
        let is_id = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = is_id.then(|| u64::from_str_radix(text, 16).ok()).flatten();
        number.ok_or_else(|| wrong("an id has 16 hexadecimal digits"))
    };
    texts.iter().map(read).collect()
}

fn key_of(scope: Option<api::FirewallScope>) -> Result<ScopeKey, Status> {
    let api::FirewallScope {
        project,
        database,
        user,
    } = scope.unwrap_or_default();
    if project.is_empty() || database.is_empty() || user.is_empty() {
        return Err(wrong("scope has a project, a database and a user"));
    }
    if database.contains('\0') || user.contains('\0') {
        return Err(wrong("a name has no zero byte"));
    }
    Ok(ScopeKey {
        project: Project::parse(&project).map_err(|error| wrong(&error.to_string()))?,
        database,
        user,
    })
}

fn scope_of(key: &ScopeKey) -> api::FirewallScope {
    api::FirewallScope {
        project: key.project.to_string(),
        database: key.database.clone(),
        user: key.user.clone(),
    }
}

fn shape_of(key: &ScopeKey, shape: &Shape) -> api::FirewallShape {
    let judgement = shape.judgement();
    api::FirewallShape {
        scope: Some(scope_of(key)),
        id: format!("{:016x}", shape.id),
        fingerprint: Fingerprint::new(shape.fingerprint).to_string(),
        state: state_of(judgement.standing).into(),
        text: shape.text.to_string(),
        score: u32::from(judgement.score),
        rules: judgement.rules,
        count: shape.count(),
        first_seen_unix_ms: shape.first_seen_ms.load(Ordering::Relaxed),
        last_seen_unix_ms: shape.last_seen_ms.load(Ordering::Relaxed),
        approved_by: judgement.approved_by,
        approved_unix_ms: judgement.approved_ms,
        approved_score: u32::from(judgement.approved_score),
    }
}

fn mode_set(set: &ModeSet) -> api::FirewallModeSet {
    api::FirewallModeSet {
        scope: Some(api::FirewallScope {
            project: set.whom.project.clone(),
            database: set.whom.database.clone(),
            user: set.whom.user.clone(),
        }),
        mode: mode_code(set.mode).into(),
        by: set.by.clone(),
        at_unix_ms: set.at_ms,
    }
}

const fn mode_code(mode: FirewallMode) -> api::FirewallMode {
    match mode {
        FirewallMode::Off => api::FirewallMode::Off,
        FirewallMode::Learn => api::FirewallMode::Learn,
        FirewallMode::Monitor => api::FirewallMode::Monitor,
        FirewallMode::Enforce => api::FirewallMode::Enforce,
    }
}

const fn state_of(standing: Standing) -> api::FirewallShapeState {
    match standing {
        Standing::Forgotten => api::FirewallShapeState::Unspecified,
        Standing::Queued => api::FirewallShapeState::Queued,
        Standing::Learned => api::FirewallShapeState::Learned,
        Standing::Approved => api::FirewallShapeState::Approved,
    }
}

const fn standing_of(state: api::FirewallShapeState) -> Option<Standing> {
    match state {
        api::FirewallShapeState::Unspecified => None,
        api::FirewallShapeState::Queued => Some(Standing::Queued),
        api::FirewallShapeState::Learned => Some(Standing::Learned),
        api::FirewallShapeState::Approved => Some(Standing::Approved),
    }
}
