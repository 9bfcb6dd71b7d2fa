//! `weir firewall`: what the firewall of the gateway does for whom, the shapes that it knows, and what is let through.

mod showing;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use tonic::transport::Channel;
use weir_config::Sources;
use weir_proto::common::v1::PageRequest;
use weir_proto::gateway::v1 as api;
use weir_proto::gateway::v1::gateway_admin_service_client::GatewayAdminServiceClient;

use super::alerts::user;
use super::operator::{Operator, signed};
use crate::connect::{Services, refusal};
use crate::terminal::{Failure, say, say_json};

/// The server gives no more at once.
const PAGE_MAX: u32 = 1_000;
/// Whose it is if nobody says.
const USUAL: &str = "default";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    operator: Operator,
    /// Whose. Without it: everybody's where something is shown, else default.
    #[arg(long, global = true, default_value = "", hide_default_value = true)]
    project: String,
    /// On which database. Without it: on every one.
    #[arg(long, global = true, default_value = "", hide_default_value = true)]
    database: String,
    /// Of which role. Without it: of every one.
    #[arg(long, global = true, default_value = "", hide_default_value = true)]
    role: String,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show what it does for whom, and what it did (this is what `weir firewall` does by itself).
    Status,
    /// List shapes of statement that it knows, and those that wait for a person; last seen first.
    Shapes {
        /// Only in this state.
        #[arg(long, value_enum)]
        state: Option<State>,
        /// Only those whose text contains this, or whose id or fingerprint it is.
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        search: String,
        /// How many.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
        /// Where to go on: what the page before told as next, with everything else the same.
        #[arg(long, value_name = "TOKEN", default_value = "", hide_default_value = true)]
        page: String,
    },
    /// Let shapes through from now on, however suspicious they looked so far.
    Approve {
        /// Their ids, as `weir firewall shapes` lists them.
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        ids: Vec<String>,
        /// All that wait; for one --database and --role.
        #[arg(long)]
        all: bool,
    },
    /// Take shapes out of the list, as if they had never been seen.
    Forget {
        /// Their ids, as `weir firewall shapes` lists them.
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        ids: Vec<String>,
        /// All in this state; for one --database and --role.
        #[arg(long, value_enum, value_name = "STATE")]
        all: Option<State>,
    },
    /// Put the shape of a statement into the list, approved, before anybody sends it; for one --database and --role.
    Add {
        /// The statement. Its literals do not matter and are not kept.
        sql: String,
    },
    /// Have it do something else from now on, for a project or a part of it.
    Mode {
        /// What it is to do.
        #[arg(value_enum)]
        mode: Mode,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum State {
    /// It was seen, and waits for a person.
    Queued,
    /// It was learned.
    Learned,
    /// A person let it through.
    Approved,
}

impl From<State> for api::FirewallShapeState {
    fn from(state: State) -> Self {
        match state {
            State::Queued => Self::Queued,
            State::Learned => Self::Learned,
            State::Approved => Self::Approved,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Mode {
    /// Nothing.
    Off,
    /// Learn shapes, tell of what is dangerous, refuse nothing.
    Learn,
    /// Tell of what is suspicious, note unknown shapes, refuse nothing.
    Monitor,
    /// Refuse what is dangerous, and of the unknown as much as the settings say.
    Enforce,
    /// What the settings say: a mode that was set is taken back.
    Settings,
}

impl From<Mode> for api::FirewallMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Off => Self::Off,
            Mode::Learn => Self::Learn,
            Mode::Monitor => Self::Monitor,
            Mode::Enforce => Self::Enforce,
            Mode::Settings => Self::Unspecified,
        }
    }
}

pub(super) async fn run(arguments: Arguments, sources: Sources) -> Result<(), Failure> {
    let mut desk = Desk {
        gateway: Services(&sources).gateway_admin().await?,
        proof: arguments.operator.proof()?,
        project: arguments.project,
        database: arguments.database,
        role: arguments.role,
        by: user(&sources).unwrap_or_default(),
        json: arguments.json,
    };
    match arguments.action.unwrap_or(Action::Status) {
        Action::Status => desk.status().await,
        Action::Shapes {
            state,
            search,
            limit,
            page,
        } => desk.shapes(state, search, limit, page).await,
        Action::Approve { ids, all } => desk.approve(ids, all).await,
        Action::Forget { ids, all } => desk.forget(ids, all).await,
        Action::Add { sql } => desk.add(sql).await,
        Action::Mode { mode } => desk.set_mode(mode).await,
    }
}

/// Who asks, about whom, and how it is shown.
struct Desk {
    gateway: GatewayAdminServiceClient<Channel>,
    proof: Option<String>,
    project: String,
    database: String,
    role: String,
    /// Who is logged in here.
    by: String,
    json: bool,
}

impl Desk {
    fn signed<T>(&self, message: T) -> Result<tonic::Request<T>, Failure> {
        signed(message, self.proof.as_deref())
    }

    async fn status(&mut self) -> Result<(), Failure> {
        let mut whole = api::FirewallStatusResponse::default();
        let mut token = String::new();
        loop {
            let asked = self.signed(api::FirewallStatusRequest {
                project: self.project.clone(),
                database: self.database.clone(),
                user: self.role.clone(),
                page: Some(PageRequest { size: PAGE_MAX, token }),
            })?;
            let part = self.gateway.firewall_status(asked).await.map_err(refusal)?.into_inner();
            token = part.page.clone().unwrap_or_default().next_token;
            let mut scopes = std::mem::take(&mut whole.scopes);
            scopes.extend(part.scopes.clone());
            whole = api::FirewallStatusResponse { scopes, ..part };
            if token.is_empty() {
                return showing::status(&whole, self.json);
            }
        }
    }

    async fn shapes(
        &mut self,
        state: Option<State>,
        search: String,
        limit: u32,
        mut token: String,
    ) -> Result<(), Failure> {
        let (mut shapes, mut left) = (Vec::new(), limit);
        loop {
            let part = self.listed(state, &search, left.min(PAGE_MAX), token).await?;
            let count = u32::try_from(part.shapes.len()).unwrap_or(u32::MAX);
            left = left.saturating_sub(count);
            shapes.extend(part.shapes);
            token = part.page.unwrap_or_default().next_token;
            if token.is_empty() || left == 0 || count == 0 {
                return showing::shapes(&shapes, &token, self.json);
            }
        }
    }

    async fn listed(
        &mut self,
        state: Option<State>,
        search: &str,
        size: u32,
        token: String,
    ) -> Result<api::ListFirewallShapesResponse, Failure> {
        let asked = self.signed(api::ListFirewallShapesRequest {
            project: self.project.clone(),
            database: self.database.clone(),
            user: self.role.clone(),
            state: state.map(api::FirewallShapeState::from).unwrap_or_default().into(),
            search: search.to_owned(),
            page: Some(PageRequest { size, token }),
        })?;
        let listed = self.gateway.list_firewall_shapes(asked).await;
        Ok(listed.map_err(refusal)?.into_inner())
    }

    async fn approve(&mut self, ids: Vec<String>, all_queued: bool) -> Result<(), Failure> {
        let mut done = 0;
        for (scope, ids) in self.whose(ids).await? {
            let asked = self.signed(api::ApproveFirewallShapesRequest {
                scope: Some(scope),
                ids,
                all_queued,
                by: self.by.clone(),
            })?;
            let answer = self.gateway.approve_firewall_shapes(asked).await;
            done += answer.map_err(refusal)?.into_inner().shapes;
        }
        self.counted(done, "approved")
    }

    async fn forget(&mut self, ids: Vec<String>, all: Option<State>) -> Result<(), Failure> {
        let mut done = 0;
        for (scope, ids) in self.whose(ids).await? {
            let asked = self.signed(api::ForgetFirewallShapesRequest {
                scope: Some(scope),
                ids,
                all_in_state: all.map(api::FirewallShapeState::from).unwrap_or_default().into(),
                by: self.by.clone(),
            })?;
            let answer = self.gateway.forget_firewall_shapes(asked).await;
            done += answer.map_err(refusal)?.into_inner().shapes;
        }
        self.counted(done, "forgotten")
    }

    /// In whose lists shapes are. Where one database and one role are named, it is theirs; else the lists are asked.
    async fn whose(&mut self, ids: Vec<String>) -> Result<Vec<(api::FirewallScope, Vec<String>)>, Failure> {
        if ids.is_empty() || !(self.database.is_empty() || self.role.is_empty()) {
            return Ok(vec![(self.scope()?, ids)]);
        }
        let mut found: Vec<(api::FirewallScope, Vec<String>)> = Vec::new();
        for id in ids {
            let scope = self.holder(&id).await?;
            match found.iter_mut().find(|(known, _)| *known == scope) {
                Some((_, theirs)) => theirs.push(id),
                None => found.push((scope, vec![id])),
            }
        }
        Ok(found)
    }

    /// Whose list a shape is in, if it is in one.
    async fn holder(&mut self, id: &str) -> Result<api::FirewallScope, Failure> {
        let listed = self.listed(None, id, PAGE_MAX, String::new()).await?;
        let mut holders = listed.shapes.into_iter().filter(|shape| shape.id == id);
        match (holders.next().and_then(|shape| shape.scope), holders.next()) {
            (Some(scope), None) => Ok(scope),
            (None, _) => Err(format!("no list has a shape {id}: `weir firewall shapes` lists them").into()),
            (Some(_), Some(_)) => {
                Err(format!("several lists have the shape {id}: say --project, --database and --role").into())
            }
        }
    }

    /// The one list that is meant.
    fn scope(&self) -> Result<api::FirewallScope, Failure> {
        if self.database.is_empty() || self.role.is_empty() {
            return Err("say whose list is meant: --database and --role".into());
        }
        Ok(self.whom())
    }

    /// For whom something is; every database and role where none is named.
    fn whom(&self) -> api::FirewallScope {
        let project = if self.project.is_empty() { USUAL } else { &self.project };
        api::FirewallScope {
            project: project.to_owned(),
            database: self.database.clone(),
            user: self.role.clone(),
        }
    }

    async fn add(&mut self, sql: String) -> Result<(), Failure> {
        let asked = self.signed(api::AddFirewallShapeRequest {
            scope: Some(self.scope()?),
            sql,
            by: self.by.clone(),
        })?;
        let added = self.gateway.add_firewall_shape(asked).await.map_err(refusal)?;
        showing::shapes(added.into_inner().shape.as_slice(), "", self.json)
    }

    async fn set_mode(&mut self, mode: Mode) -> Result<(), Failure> {
        let scope = self.whom();
        let whom = showing::scope(&scope);
        let message = api::FirewallMode::from(mode);
        let asked = self.signed(api::SetFirewallModeRequest {
            scope: Some(scope.clone()),
            mode: message.into(),
            by: self.by.clone(),
        })?;
        self.gateway.set_firewall_mode(asked).await.map_err(refusal)?;
        if self.json {
            return say_json(&json!({ "scope": scope, "mode": message }));
        }
        match mode {
            Mode::Settings => say(&format!("{whom}: what the settings say holds")),
            _ => say(&format!(
                "{whom}: {} holds, whatever the settings say",
                showing::mode(message)
            )),
        }
    }

    fn counted(&self, shapes: u64, done: &str) -> Result<(), Failure> {
        if self.json {
            return say_json(&json!({ "shapes": shapes, "done": done }));
        }
        say(&format!(
            "{shapes} {} {done}",
            if shapes == 1 { "shape" } else { "shapes" }
        ))
    }
}
