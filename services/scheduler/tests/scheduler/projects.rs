//! What one project cannot see or touch of another's.

use crate::stage::{Scheduler, clock, fresh, of_shops, schedule};
use tonic::Code::NotFound;
use weir_proto::scheduler::v1 as api;

#[tokio::test]
async fn a_foreign_id_is_not_found_and_nothing_happens_to_it() {
    let (bus, database) = fresh().await;
    let scheduler = Scheduler::start(&database.url(), &bus, &clock(), "[]").await;
    let mut client = scheduler.client.clone();
    let id = scheduler.put_new(schedule("nightly", "0 3 * * *")).await.id;
    let run = scheduler.run_now("shop").await.id;
    let schedule_id = id.clone();
    // An empty name is the project `default`, which is another one too.
    for other in ["blog", ""] {
        let (id, project) = (id.clone(), other.to_owned());
        let pause = api::PauseScheduleRequest { id, project };
        assert_eq!(client.pause_schedule(pause.clone()).await.unwrap_err().code(), NotFound);
        let (id, project) = (pause.id, pause.project);
        let resume = api::ResumeScheduleRequest { id, project };
        assert_eq!(
            client.resume_schedule(resume.clone()).await.unwrap_err().code(),
            NotFound
        );
        let (id, project) = (resume.id, resume.project);
        let delete = api::DeleteScheduleRequest { id, project };
        assert_eq!(client.delete_schedule(delete).await.unwrap_err().code(), NotFound);
        let get = api::GetRunRequest {
            project: other.to_owned(),
            ..of_shops(&run)
        };
        assert_eq!(client.get_run(get).await.unwrap_err().code(), NotFound);
        let list = api::ListRunsRequest {
            project: other.to_owned(),
            schedule_id: schedule_id.clone(),
            ..api::ListRunsRequest::default()
        };
        assert!(scheduler.runs(list).await.is_empty());
    }
    let there = scheduler.schedules("shop").await;
    assert_eq!((there.len(), there[0].paused), (1, false));
    assert_eq!(scheduler.run(&run).await.id, run);
    let strange = api::GetRunRequest {
        project: "not a project".to_owned(),
        ..of_shops(&run)
    };
    assert_eq!(
        client.get_run(strange).await.unwrap_err().code(),
        tonic::Code::InvalidArgument
    );
    scheduler.stop().await;
}
