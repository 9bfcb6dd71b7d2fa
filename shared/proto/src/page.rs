//! Pages of lists, the same in every service: a size with a default and a cap, and a token that says where to go on.
//!
//! A token is the sort key and the id of the last entry; it is not secret, and one that was tampered with finds nothing
//! that its sender may not see.

use weir_model::{Coded, ErrorClass};

use crate::common::v1::{PageRequest, PageResponse};

const SIZE_DEFAULT: u32 = 50;
const SIZE_MAX: u32 = 1_000;
const SEPARATOR: char = '~';

/// A token that no list gave out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StrangeToken;

impl std::fmt::Display for StrangeToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("page.token is not a token of this list")
    }
}

impl std::error::Error for StrangeToken {}

impl Coded for StrangeToken {
    fn class(&self) -> ErrorClass {
        ErrorClass::InvalidInput
    }

    fn slug(&self) -> &'static str {
        "page-token"
    }
}

/// Which part of a list is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Entries at most.
    pub size: u32,
    /// Sort key and id of the last entry of the page before.
    pub after: Option<(String, String)>,
}

impl Page {
    /// Reads a request; without one, the first page of the default size.
    pub fn of(request: Option<&PageRequest>) -> Result<Self, StrangeToken> {
        let (size, token) = request.map_or((0, ""), |page| (page.size, page.token.as_str()));
        let size = if size == 0 { SIZE_DEFAULT } else { size.min(SIZE_MAX) };
        if token.is_empty() {
            return Ok(Self { size, after: None });
        }
        let (id, key) = token.split_once(SEPARATOR).ok_or(StrangeToken)?;
        Ok(Self {
            size,
            after: Some((key.to_owned(), id.to_owned())),
        })
    }

    /// The key and id after which the page begins, in the types of the list.
    pub fn after<K: std::str::FromStr, I: std::str::FromStr>(&self) -> Result<Option<(K, I)>, StrangeToken> {
        let Some((key, id)) = &self.after else { return Ok(None) };
        match (key.parse(), id.parse()) {
            (Ok(key), Ok(id)) => Ok(Some((key, id))),
            _ => Err(StrangeToken),
        }
    }

    /// What the answer says: a full page may have a next one, a shorter one has not.
    pub fn answer<T, K: ToString, I: ToString>(&self, rows: &[T], last: impl Fn(&T) -> (K, I)) -> PageResponse {
        let full = u32::try_from(rows.len()).is_ok_and(|count| count >= self.size);
        let token = |row| {
            let (key, id) = last(row);
            format!("{}{SEPARATOR}{}", id.to_string(), key.to_string())
        };
        PageResponse {
            next_token: rows.last().filter(|_| full).map(token).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_leads_to_the_next_page_and_a_strange_one_nowhere() {
        let page = Page::of(Some(&PageRequest {
            size: 2,
            token: String::new(),
        }))
        .unwrap();
        let next = page.answer(&[(7_i64, 1_u64), (5, 2)], |row| *row).next_token;
        let next = Page::of(Some(&PageRequest { size: 0, token: next })).unwrap();
        assert_eq!((next.size, next.after::<i64, u64>()), (50, Ok(Some((5, 2)))));
        assert_eq!(next.after::<i64, bool>(), Err(StrangeToken));
        assert_eq!(
            Page::of(Some(&PageRequest {
                size: 1,
                token: "x".to_owned()
            })),
            Err(StrangeToken)
        );
        assert_eq!(
            page.answer(&[(7_i64, 1_u64)], |row| *row).next_token,
            "",
            "a short page has no next one"
        );
    }
}
