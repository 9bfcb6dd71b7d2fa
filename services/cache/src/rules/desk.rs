//! What people and programs ask about rules: lists, rules put and removed.

use tonic::Status;
use uuid::Uuid;
use weir_proto::cache::v1 as api;
use weir_proto::common::v1::PageRequest;
use weir_proto::page::{Page, StrangeToken};
use weir_proto::status::status;

use super::{Error, Rules, UNKNOWN};
use crate::policy::{Origin, Rule, Subject, WrittenRule, from_api, project_of, to_api};
use crate::store;

/// Rules that one project may have put.
const PER_PROJECT_MAX: i64 = 10_000;

impl Rules {
    pub(crate) fn list(&self, request: &api::ListPoliciesRequest) -> Result<api::ListPoliciesResponse, Status> {
        let project = project_of(&request.project).map_err(|error| status(&Error::from(error)))?;
        let (page, after) = place(request.page.as_ref()).map_err(|error| status(&error))?;
        let in_force = self.in_force();
        if in_force.read_at.is_none() {
            return Err(status(&Error::Store(UNKNOWN.to_owned())));
        }
        let rules = in_force.book.of(&project).iter();
        let rules = rules.filter(|rule| {
            after
                .as_ref()
                .is_none_or(|after| (&rule.subject, rule.origin) > (&after.0, after.1))
        });
        let rules: Vec<&Rule> = rules.take(usize::try_from(page.size).unwrap_or(usize::MAX)).collect();
        Ok(api::ListPoliciesResponse {
            page: Some(page.answer(&rules, |rule| (&rule.subject, letter(rule.origin)))),
            policies: rules.into_iter().map(to_api).collect(),
        })
    }

    pub(crate) async fn put(&self, request: api::PutPolicyRequest) -> Result<api::PutPolicyResponse, Status> {
        let put = self.put_rule(&request.policy.unwrap_or_default()).await;
        let (rule, created) = put.map_err(|error| status(&error))?;
        Ok(api::PutPolicyResponse {
            policy: Some(to_api(&rule)),
            created,
        })
    }

    pub(crate) async fn delete(&self, request: api::DeletePolicyRequest) -> Result<api::DeletePolicyResponse, Status> {
        self.delete_rule(&request.id).await.map_err(|error| status(&error))?;
        Ok(api::DeletePolicyResponse {})
    }

    async fn put_rule(&self, policy: &api::Policy) -> Result<(Rule, bool), Error> {
        let rule = from_api(policy, String::new())?;
        if self.is_of_file(&rule) {
            return Err(Error::FromFile(rule.subject.to_string()));
        }
        let (project, subject) = (rule.project.to_string(), rule.subject.to_string());
        let mut transaction = self.tables.store().pool().begin().await?;
        store::revise(&mut transaction, self.known()).await?;
        if store::count_policies(&mut transaction, &project, &subject).await? >= PER_PROJECT_MAX {
            let max = PER_PROJECT_MAX;
            return Err(Error::TooMany { project, max });
        }
        let written = WrittenRule::of(&rule);
        let now_unix_ms = self.clock.unix_ms();
        let (id, created) = store::put_policy(&mut transaction, (&project, &subject), &written, now_unix_ms).await?;
        transaction.commit().await?;
        self.step_after_change().await;
        let id = id.to_string();
        Ok((Rule { id, ..rule }, created))
    }

    async fn delete_rule(&self, id: &str) -> Result<(), Error> {
        if id.starts_with("file/") {
            return Err(Error::FromFile(id.to_owned()));
        }
        let not_found = || Error::NotFound(id.chars().take(80).collect());
        let id: Uuid = id.parse().map_err(|_| not_found())?;
        let mut transaction = self.tables.store().pool().begin().await?;
        store::revise(&mut transaction, self.known()).await?;
        if !store::delete_policy(&mut transaction, id).await? {
            return Err(not_found());
        }
        transaction.commit().await?;
        self.step_after_change().await;
        Ok(())
    }

    fn is_of_file(&self, rule: &Rule) -> bool {
        let file = self.change(|state| state.file.clone());
        let mut of_file = file.rules().iter();
        of_file.any(|known| known.project == rule.project && known.subject == rule.subject)
    }

    fn known(&self) -> i64 {
        i64::try_from(self.in_force().generation).unwrap_or(i64::MAX - 1)
    }

    /// The change is stored, whatever comes of this; it is looked for again anyway.
    async fn step_after_change(&self) {
        if let Err(error) = self.step().await {
            tracing::debug!(dependency = "store", %error, "a changed rule is not in force yet");
        }
    }
}

/// Which part of the list is wanted: after the rule about this, of that origin.
fn place(page: Option<&PageRequest>) -> Result<(Page, Option<(Subject, Origin)>), StrangeToken> {
    let page = Page::of(page)?;
    let Some((subject, origin)) = page.after::<String, String>()? else {
        return Ok((page, None));
    };
    let subject = Subject::parse(&subject).map_err(|_| StrangeToken)?;
    let origin = [Origin::File, Origin::Call]
        .into_iter()
        .find(|known| letter(*known) == origin);
    Ok((page, Some((subject, origin.ok_or(StrangeToken)?))))
}

const fn letter(origin: Origin) -> &'static str {
    match origin {
        Origin::File => "f",
        Origin::Call => "c",
    }
}
