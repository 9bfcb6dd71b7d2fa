//! Lists, page by page: `?limit=` and `?page=` in, `next` out.

use axum::extract::FromRequestParts;
use http::request::Parts;
use serde::Deserialize;
use weir_proto::common::v1::{PageRequest, PageResponse};

use super::body::Query;
use super::problem::Problem;

/// Entries of a page if nobody says.
const USUAL: u32 = 50;
const MOST: u32 = 1_000;

/// Which part of a list is wanted; beside the list's own query.
#[derive(Debug, Clone, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Page {
    /// Most entries of the answer.
    #[serde(default = "usual")]
    #[param(minimum = 1, maximum = 1000, default = 50)]
    limit: u32,
    /// Where to go on: `next` of the page before, with everything else unchanged.
    page: Option<String>,
}

impl<S: Sync> FromRequestParts<S> for Page {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(page) = Query::<Self>::from_request_parts(parts, state).await?;
        if (1..=MOST).contains(&page.limit) {
            return Ok(page);
        }
        Err(Problem::strange(format!(
            "limit: {} is not a number from 1 to {MOST}",
            page.limit
        )))
    }
}

/// A page that knows how to go on.
pub(crate) trait Paged {
    fn next(self) -> Option<String>;
}

impl Page {
    pub(crate) const fn limit(&self) -> u32 {
        self.limit
    }

    pub(crate) fn token(&self) -> &str {
        self.page.as_deref().unwrap_or_default()
    }

    /// As messages of the protocol want it.
    pub(crate) fn request(&self) -> Option<PageRequest> {
        Some(PageRequest {
            size: self.limit,
            token: self.token().to_owned(),
        })
    }
}

impl Paged for Option<PageResponse> {
    fn next(self) -> Option<String> {
        self.map(|page| page.next_token).filter(|token| !token.is_empty())
    }
}

const fn usual() -> u32 {
    USUAL
}
