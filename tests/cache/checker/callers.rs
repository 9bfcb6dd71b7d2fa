//! Those who write and read by gRPC.

use std::collections::HashMap;
use std::sync::Arc;

use tonic::transport::{Channel, Endpoint};
use weir_proto::common::v1::Value;
use weir_proto::common::v1::value::Kind as ValueKind;
use weir_proto::gateway::v1::gateway_service_client::GatewayServiceClient;
use weir_proto::gateway::v1::{ExecuteRequest, ExecuteResponse, Parameter};
use weir_tests::cached::at_level;

use super::readers::Seen;
use super::record::Level;
use super::registers::{Kind, Question};
use super::run::Shared;

/// A client of the gateway's calls.
#[derive(Clone)]
pub(crate) struct Caller(GatewayServiceClient<Channel>);

impl Caller {
    /// It connects when it is used, and again when the connection broke.
    pub(crate) fn new(url: &str) -> Self {
        let endpoint = Endpoint::from_shared(url.to_owned()).expect("the address of the gateway is one");
        Self(GatewayServiceClient::new(endpoint.connect_lazy()))
    }

    /// A statement with a key, which answers with a version.
    pub(crate) async fn write(&mut self, sql: &str, key: i32) -> Result<Option<u64>, String> {
        let answer = self.call(sql, key, "", false).await?;
        Ok(numbers(&answer)
            .first()
            .and_then(|version| u64::try_from(*version).ok()))
    }

    async fn call(&mut self, sql: &str, key: i32, token: &str, want_token: bool) -> Result<ExecuteResponse, String> {
        let value = Value {
            kind: Some(ValueKind::Int64(key.into())),
        };
        let request = ExecuteRequest {
            sql: sql.to_owned(),
            parameters: vec![Parameter {
                value: Some(value),
                type_name: String::new(),
            }],
            want_token,
            min_token: token.to_owned(),
            ..ExecuteRequest::default()
        };
        match self.0.execute(request).await {
            Ok(answer) => Ok(answer.into_inner()),
            Err(status) => Err(format!("{:?}: {}", status.code(), status.message())),
        }
    }
}

/// The numbers of the first row; what is no number is left out.
fn numbers(answer: &ExecuteResponse) -> Vec<i64> {
    let first = answer.rows.first().into_iter().flat_map(|row| &row.values);
    let numbers = first.filter_map(|value| match &value.kind {
        Some(ValueKind::Int64(number)) => Some(*number),
        _ => None,
    });
    numbers.collect()
}

/// A caller that reads: strictly, or with the token of its last write.
pub(crate) struct Reading {
    shared: Arc<Shared>,
    rng: fastrand::Rng,
    caller: Caller,
    token: String,
    known: HashMap<usize, u64>,
    level: Level,
}

impl Reading {
    /// A caller of these choices.
    pub(crate) fn new(shared: Arc<Shared>, seed: u64, level: Level) -> Self {
        Self {
            caller: Caller::new(&shared.grpc),
            shared,
            rng: fastrand::Rng::with_seed(seed),
            token: String::new(),
            known: HashMap::new(),
            level,
        }
    }

    /// Reads until the run ends.
    pub(crate) async fn work(mut self) {
        let shared = self.shared.clone();
        while shared.goes_on() {
            let Some((index, question)) = shared.choose(&mut self.rng) else {
                return;
            };
            let register = shared.registers.get(index);
            if register.kind == Kind::Rank {
                // Calls run as the gateway's own role, which sees every rank.
                continue;
            }
            let writes = self.level == Level::Session && self.rng.u32(0..100) < shared.options.own_writes;
            let done = match (writes, register.kind) {
                (true, Kind::Hot) => self.write(index, register.key).await,
                _ => self.read(index, question, register.key).await,
            };
            if let Err(error) = done {
                shared.broke(&format!("a call: {error}"), None);
            }
        }
    }

    async fn write(&mut self, index: usize, key: i32) -> Result<(), String> {
        let record = &self.shared.registers.get(index).record;
        record.begin();
        let sql = "update reg.hot set v = v + 1 where k = $1 returning v";
        let answer = self.caller.call(sql, key, "", true).await?;
        if let Some(version) = numbers(&answer)
            .first()
            .and_then(|version| u64::try_from(*version).ok())
        {
            record.acknowledge(version, self.shared.now_ns());
            self.known.insert(index, version);
            self.token = answer.token;
            self.shared.verdict.wrote();
        }
        Ok(())
    }

    async fn read(&mut self, index: usize, question: &Question, key: i32) -> Result<(), String> {
        // Without a session only what the token tells of can be known.
        let known = match self.token.is_empty() {
            true => 0,
            false => self.known.get(&index).copied().unwrap_or_default(),
        };
        let asked = self.shared.ask(index, known);
        let sql = at_level(self.level.name(), question.sql);
        let answer = self.caller.call(&sql, key, &self.token, false).await?;
        let seen = Seen::of(&numbers(&answer), question.twice);
        self.shared.judge(index, question, self.level, &asked, seen);
        Ok(())
    }
}
