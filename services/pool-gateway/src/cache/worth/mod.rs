//! Pure. What answering a shape of statement from memory costs and brings, measured while it happens.
//!
//! Each shape has an [`Account`], into which whoever looks up counts what came of it; that is a few additions to
//! numbers of the thread's own. Once a second the next to ask for an account's [`Mode`] has it judged ([`judge`]): a
//! shape that loses is put off but for a sample of its keys, and never goes to and fro. [`Accounts`] keeps accounts of
//! the shapes in use, a bounded number of them, and adds them up by project. Nothing here decides what is *correct*.

mod account;
mod accounts;
mod counts;
mod judge;
mod reasons;
#[cfg(test)]
mod tests;

pub(crate) use account::{Account, Gone, Mode, Order};
pub(crate) use accounts::{Accounts, AccountsLimits, Drained, Line, Totals};
pub(crate) use counts::Counts;
pub(crate) use judge::Standing;
pub(crate) use reasons::{BypassReason, FillRefusal, Level, MissReason};
