//! Windows that are learned from a month of traffic. The monitor is a small server that tells of a made-up month, as no
//! real one has counted one here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use crate::stage::{MORNING, SOON, Scheduler, Worker, clock, fresh, schedule};
use tokio::sync::Mutex;
use tonic::{Request, Response, Status};
use weir_proto::monitor::v1 as monitor;
use weir_proto::monitor::v1::monitor_service_server::{MonitorService, MonitorServiceServer};
use weir_proto::scheduler::v1 as api;
use weir_testkit::{eventually, free_port};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Tells of traffic.
#[derive(Clone, Default)]
struct Monitor {
    timeline: Arc<Mutex<monitor::GetTimelineResponse>>,
    asked: Arc<AtomicU32>,
}

/// A monitor that is asked for nothing but timelines.
macro_rules! only_timelines {
    ($($method:ident $request:ident $response:ident,)*) => {
        #[tonic::async_trait]
        impl MonitorService for Monitor {
            async fn get_timeline(
                &self,
                request: Request<monitor::GetTimelineRequest>,
            ) -> Result<Response<monitor::GetTimelineResponse>, Status> {
                self.asked.fetch_add(1, SeqCst);
                let request = request.into_inner();
                let mut timeline = self.timeline.lock().await.clone();
                let (since, until) = (request.since_unix_ms, request.until_unix_ms);
                timeline.spans.retain(|span| span.from_unix_ms >= since && span.from_unix_ms < until);
                if request.project != "shop" {
                    timeline.spans.clear();
                }
                Ok(Response::new(timeline))
            }

            $(async fn $method(&self, _: Request<monitor::$request>) -> Result<Response<monitor::$response>, Status> {
                Err(Status::unimplemented("not here"))
            })*
        }
    };
}

only_timelines! {
    list_queries ListQueriesRequest ListQueriesResponse,
    list_alerts ListAlertsRequest ListAlertsResponse,
    get_intake GetIntakeRequest GetIntakeResponse,
    list_rules ListRulesRequest ListRulesResponse,
    put_rule PutRuleRequest PutRuleResponse,
    reset_rule ResetRuleRequest ResetRuleResponse,
    list_silences ListSilencesRequest ListSilencesResponse,
    put_silence PutSilenceRequest PutSilenceResponse,
    expire_silence ExpireSilenceRequest ExpireSilenceResponse,
    acknowledge_alert AcknowledgeAlertRequest AcknowledgeAlertResponse,
    list_channels ListChannelsRequest ListChannelsResponse,
    test_channel TestChannelRequest TestChannelResponse,
    analyze AnalyzeRequest AnalyzeResponse,
    list_plans ListPlansRequest ListPlansResponse,
    get_server GetServerRequest GetServerResponse,
    list_activity ListActivityRequest ListActivityResponse,
    list_blocking ListBlockingRequest ListBlockingResponse,
    get_forecast GetForecastRequest GetForecastResponse,
    list_changes ListChangesRequest ListChangesResponse,
    get_heatmap GetHeatmapRequest GetHeatmapResponse,
}

impl Monitor {
    #[expect(clippy::disallowed_methods, reason = "the server of a test ends with it")]
    fn serve(&self) -> String {
        let port = free_port();
        let address = format!("127.0.0.1:{port}").parse().unwrap();
        let server = tonic::transport::Server::builder().add_service(MonitorServiceServer::new(self.clone()));
        tokio::spawn(server.serve(address));
        format!("http://127.0.0.1:{port}")
    }

    /// So many days, quiet from one to five in UTC and busy for the rest.
    async fn tell(&self, days: i64, missing: &str) {
        let spans = (0..days * 24).map(|hour| {
            let from_unix_ms = MORNING - days * DAY_MS + hour * HOUR_MS;
            let quiet = (1..5).contains(&(from_unix_ms / HOUR_MS % 24));
            monitor::TimelineSpan {
                from_unix_ms,
                to_unix_ms: from_unix_ms + HOUR_MS,
                statistics: Some(monitor::QueryStatistics {
                    total_ms: if quiet { 20.0 } else { 9_000.0 },
                    ..monitor::QueryStatistics::default()
                }),
            }
        });
        *self.timeline.lock().await = monitor::GetTimelineResponse {
            spans: spans.collect(),
            missing: missing.to_owned(),
        };
    }
}

async fn listed(scheduler: &Scheduler, what: &str, expected: &[&str]) -> api::ListWindowsResponse {
    eventually(what, SOON, || async {
        let request = api::ListWindowsRequest {
            project: "shop".to_owned(),
        };
        let found = scheduler
            .client
            .clone()
            .list_windows(request)
            .await
            .unwrap()
            .into_inner();
        let text = |window: &api::Window| {
            let counts = if window.in_force { "" } else { " (no)" };
            format!("{} {}-{}{counts}", window.name, window.start, window.end)
        };
        let seen: Vec<String> = found.windows.iter().map(text).collect();
        (seen == expected).then_some(found).ok_or_else(|| format!("{seen:?}"))
    })
    .await
}

#[tokio::test]
async fn windows_are_learned_once_two_weeks_are_known_and_give_way_to_those_of_an_operator() {
    let ((bus, database), clock) = (fresh().await, clock());
    let mut worker = Worker::on(&bus);
    let monitor = Monitor::default();
    monitor.tell(10, "").await;
    let settings = vec![
        ("WEIR_SCHEDULER__SCHEDULES", "[]".to_owned()),
        ("WEIR_SCHEDULER__LEARN_WINDOWS", "true".to_owned()),
        ("WEIR_SCHEDULER__WINDOW_TIME_ZONE", "Europe/Vienna".to_owned()),
        ("WEIR_SCHEDULER__MONITOR_URL", monitor.serve()),
    ];
    let scheduler = Scheduler::start_with(&database.url(), &bus, &clock, settings).await;
    let vacuum = api::Schedule {
        operation: "vacuum".to_owned(),
        ..schedule("vacuum", "30 1 * * *")
    };
    scheduler.put_new(vacuum).await;
    // Each change of the settings has it look at once; otherwise it does once an hour.
    let look = async |within: &str| {
        let before = monitor.asked.load(SeqCst);
        scheduler.set("WEIR_SCHEDULER__LEARN_WITHIN", within);
        eventually("the monitor to be asked", SOON, || async {
            (monitor.asked.load(SeqCst) > before).then_some(())
        })
        .await;
    };
    look("00:00-24:00").await;
    look("00:00-00:00").await;
    // The second look came after the first was over.
    listed(&scheduler, "no windows of ten days", &["default 02:00-06:00"]).await;

    monitor.tell(30, "the store is away").await;
    look("00:00-24:00").await;
    look("00:00-00:00").await;
    listed(&scheduler, "no windows of what is not all", &["default 02:00-06:00"]).await;

    monitor.tell(30, "").await;
    look("00:00-24:00").await;
    // One to five in UTC is two to six in Vienna.
    let learned = ["learned-1 02:00-06:00", "default 02:00-06:00 (no)"];
    let found = listed(&scheduler, "learned windows", &learned).await;
    assert_eq!(found.windows[0].source(), api::WindowSource::Learned);
    assert_eq!(
        (found.windows[0].weekdays.len(), found.windows[0].time_zone.as_str()),
        (7, "Europe/Vienna")
    );
    scheduler.set("WEIR_SCHEDULER__LEARN_WITHIN", "03:00-06:00");
    let within = ["learned-1 03:00-06:00", "default 02:00-06:00 (no)"];
    listed(&scheduler, "learned windows within what is allowed", &within).await;
    // What is learned is what counts: at half past one in UTC it is half past two.
    clock.advance(std::time::Duration::from_secs(17 * 3_600 + 1_800));
    assert!(worker.next_done().await.outside_window);

    let own = api::Window {
        project: "shop".to_owned(),
        name: "own".to_owned(),
        start: "12:00".to_owned(),
        end: "13:00".to_owned(),
        ..api::Window::default()
    };
    scheduler
        .client
        .clone()
        .put_window(api::PutWindowRequest { window: Some(own) })
        .await
        .unwrap();
    let proposed = [
        "own 12:00-13:00",
        "learned-1 03:00-06:00 (no)",
        "default 02:00-06:00 (no)",
    ];
    listed(&scheduler, "a proposal", &proposed).await;
    scheduler.set("WEIR_SCHEDULER__LEARN_WINDOWS", "false");
    listed(
        &scheduler,
        "nothing learned",
        &["own 12:00-13:00", "default 02:00-06:00 (no)"],
    )
    .await;
    scheduler.stop().await;
}
