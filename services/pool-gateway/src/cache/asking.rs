//! Asks the cache service what results of a statement depend on. Nobody waits for it: until it has answered, PostgreSQL
//! answers the statement.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};
use weir_proto::cache::v1 as api;
use weir_proto::cache::v1::cache_service_client::CacheServiceClient;
use weir_runtime::{Stage, TaskResult, Tasks};

use super::shape::{Finding, Shape, Terms, Verdict};
use super::view::View;

/// Questions that wait.
const WAITING_MAX: usize = 256;
/// Questions that are asked at once.
const AT_ONCE: usize = 4;
/// How long the cache service may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long it may take to connect to it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The cache service, as this gateway reaches it.
pub(crate) type Service = CacheServiceClient<Channel>;

/// A statement to be asked about.
#[derive(Debug)]
pub(crate) struct Question {
    /// Nothing is to be served.
    pub(crate) is_dry: bool,
    pub(crate) shape: Arc<Shape>,
    pub(crate) view: Arc<View>,
    pub(crate) request: api::StudyRequest,
}

/// Takes questions.
#[derive(Debug)]
pub(crate) struct Asking(mpsc::Sender<Question>);

/// The service at this address. It is connected to when it is asked.
pub(crate) fn service(url: &str) -> Result<Service, tonic::transport::Error> {
    let endpoint = Endpoint::from_shared(url.to_owned())?
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(5));
    Ok(CacheServiceClient::new(endpoint.connect_lazy()))
}

impl Asking {
    pub(crate) fn start(tasks: &Tasks, service: Service) -> Self {
        let (sender, questions) = mpsc::channel(WAITING_MAX);
        let again = tasks.clone();
        tasks.spawn(Stage::Flow, "cache studies", |stop| {
            run(again, service, questions, stop)
        });
        Self(sender)
    }

    /// Asks. Where too many wait already, the statement is asked about when it comes again.
    pub(crate) fn ask(&self, question: Question) {
        if let Err(full) = self.0.try_send(question) {
            full.into_inner().shape.is_unknown();
        }
    }
}

async fn run(
    tasks: Tasks,
    service: Service,
    mut questions: mpsc::Receiver<Question>,
    stop: CancellationToken,
) -> TaskResult {
    let at_once = Arc::new(Semaphore::new(AT_ONCE));
    while let Some(Some(question)) = stop.run_until_cancelled(questions.recv()).await {
        let Some(Ok(turn)) = stop.run_until_cancelled(at_once.clone().acquire_owned()).await else {
            break;
        };
        let service = service.clone();
        tasks.spawn_short(Stage::Flow, "cache study", async move {
            answer(service, question).await;
            drop(turn);
        });
    }
    stop.cancelled().await;
    Ok(())
}

async fn answer(mut service: Service, question: Question) {
    let Question {
        shape,
        view,
        request,
        is_dry,
    } = question;
    let mut request = tonic::Request::new(request);
    request.set_timeout(ANSWER_TIMEOUT);
    // The service's number belongs to the epoch that it names; where that has changed meanwhile, the answer is none.
    let incarnation = view.incarnation();
    match tokio::time::timeout(ANSWER_TIMEOUT, service.study(request)).await {
        Ok(Ok(response)) => {
            let response = response.into_inner();
            if *view.epoch() == *response.epoch {
                shape.is(verdict_of(response, incarnation), is_dry);
            } else {
                shape.is_unknown();
            }
        }
        Ok(Err(status)) => {
            tracing::debug!(error = %status, "the cache service did not say whether a statement can be cached");
            shape.is_unknown();
        }
        Err(_) => shape.is_unknown(),
    }
}

fn verdict_of(response: api::StudyResponse, incarnation: u64) -> Verdict {
    let (studied, policies) = (response.studied_lsn, response.policy_generation);
    let finding = if response.cacheable {
        Finding::May(Terms::of(response))
    } else {
        Finding::Refused
    };
    Verdict {
        incarnation,
        studied,
        policies,
        finding,
    }
}
