//! `weir cache`: what the result cache does, the rules it goes by, and orders to it.

mod asking;
mod showing;

use clap::{Args, Subcommand};
use tonic::transport::Channel;
use weir_config::Sources;
use weir_proto::cache::v1 as api;
use weir_proto::cache::v1::cache_service_client::CacheServiceClient;
use weir_proto::common::v1::PageRequest;

use crate::connect::{Services, refusal};
use crate::terminal::{Failure, say_done};
pub(super) use showing::{mode_of, rule_as_json, shape_as_json};

/// Rules asked for at once.
const PAGE_SIZE: u32 = 1_000;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    /// The project. Without it: default.
    #[arg(long, default_value = "", global = true)]
    project: String,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show what the cache did and holds, and how far each database's log is followed (this is what `weir cache` does by itself).
    Status,
    /// List shapes of statement with what caching them costs and brings, the most valuable first.
    Shapes {
        /// Only shapes whose text contains this.
        #[arg(long, default_value = "")]
        search: String,
        /// How many.
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// List the rules that decide what is cached, those that apply first at the head.
    Rules,
    /// Make a rule, or replace the one about the same.
    PutRule(asking::RuleArguments),
    /// Remove a rule that was put by a call.
    DeleteRule {
        /// Its id.
        id: String,
    },
    /// Make results invalid.
    Invalidate(asking::InvalidateArguments),
    /// Say whether a statement is cacheable, or why not, what its results depend on, and what caching it brings. Nothing of it is run.
    Explain {
        /// The statement, with $1, $2, … where parameters stand.
        sql: String,
        /// The database. Without it, the server's default one.
        #[arg(long, default_value = "")]
        database: String,
        /// The role it would run as.
        #[arg(long, default_value = "")]
        role: String,
        /// PostgreSQL's names of the parameters' types, the first for $1.
        #[arg(long = "type", value_name = "TYPE")]
        parameter_types: Vec<String>,
        /// The schemas searched, in order.
        #[arg(long, value_delimiter = ',', value_name = "SCHEMA,…")]
        search_path: Vec<String>,
    },
}

/// Who asks, and how it is shown.
struct Desk {
    client: CacheServiceClient<Channel>,
    project: String,
    json: bool,
}

pub(super) async fn run(arguments: Arguments, sources: Sources) -> Result<(), Failure> {
    let mut desk = Desk {
        client: Services(&sources).cache().await?,
        project: arguments.project,
        json: arguments.json,
    };
    match arguments.action.unwrap_or(Action::Status) {
        Action::Status => desk.status().await,
        Action::Shapes { search, limit } => desk.shapes(search, limit).await,
        Action::Rules => desk.rules().await,
        Action::PutRule(rule) => desk.put_rule(&rule).await,
        Action::DeleteRule { id } => desk.delete_rule(id).await,
        Action::Invalidate(what) => desk.invalidate(&what).await,
        Action::Explain {
            sql,
            database,
            role,
            parameter_types,
            search_path,
        } => {
            let request = api::ExplainRequest {
                project: desk.project.clone(),
                database,
                role,
                sql,
                parameter_types,
                search_path,
            };
            desk.explain(request).await
        }
    }
}

impl Desk {
    async fn status(&mut self) -> Result<(), Failure> {
        let project = self.project.clone();
        let statistics = self.client.get_statistics(api::GetStatisticsRequest { project }).await;
        let statistics = statistics.map_err(refusal)?.into_inner();
        let followers = self.client.list_followers(api::ListFollowersRequest::default()).await;
        // What was counted is of use also while no log is followed.
        let followers = followers.map(|answer| answer.into_inner().followers).map_err(refusal);
        showing::status(&statistics, followers, self.json)
    }

    async fn shapes(&mut self, search: String, limit: u32) -> Result<(), Failure> {
        let request = api::ListShapesRequest {
            project: self.project.clone(),
            search,
            page: Some(PageRequest {
                size: limit,
                token: String::new(),
            }),
        };
        let answer = self.client.list_shapes(request).await.map_err(refusal)?;
        showing::shapes(&answer.into_inner().shapes, self.json)
    }

    async fn rules(&mut self) -> Result<(), Failure> {
        let (mut policies, mut token) = (Vec::new(), String::new());
        loop {
            let request = api::ListPoliciesRequest {
                project: self.project.clone(),
                page: Some(PageRequest { size: PAGE_SIZE, token }),
            };
            let answer = self.client.list_policies(request).await.map_err(refusal)?.into_inner();
            policies.extend(answer.policies);
            token = answer.page.unwrap_or_default().next_token;
            if token.is_empty() {
                return showing::rules(&policies, self.json);
            }
        }
    }

    async fn put_rule(&mut self, rule: &asking::RuleArguments) -> Result<(), Failure> {
        let policy = Some(rule.policy(&self.project)?);
        let answer = self.client.put_policy(api::PutPolicyRequest { policy }).await;
        let answer = answer.map_err(refusal)?.into_inner();
        showing::rules(answer.policy.as_slice(), self.json)
    }

    async fn delete_rule(&mut self, id: String) -> Result<(), Failure> {
        let request = api::DeletePolicyRequest { id: id.clone() };
        self.client.delete_policy(request).await.map_err(refusal)?;
        say_done(&id, "is removed", self.json)
    }

    async fn invalidate(&mut self, what: &asking::InvalidateArguments) -> Result<(), Failure> {
        let request = what.request(&self.project)?;
        let answer = self.client.invalidate(request).await.map_err(refusal)?;
        showing::receipts(&answer.into_inner().receipts, self.json)
    }

    async fn explain(&mut self, request: api::ExplainRequest) -> Result<(), Failure> {
        let answer = self.client.explain(request).await.map_err(refusal)?;
        showing::explanation(&answer.into_inner(), self.json)
    }
}
