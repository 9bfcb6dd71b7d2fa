//! One notification in the words of each kind of receiver. Pure: what is sent depends on the notification alone, so that
//! another attempt at it sends the same.

mod alertmanager;
mod mail;
mod pagerduty;
mod slack;
#[cfg(test)]
mod tests;
mod webhook;
mod words;

pub(crate) use alertmanager::{alerts, still_holds_until_ms};
pub(crate) use mail::{MailText, mail};
pub(crate) use pagerduty::event;
pub(crate) use slack::message;
pub(crate) use webhook::{notification, signature};

use super::group::Batch;
use super::links::Links;

/// What a payload is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told<'a> {
    /// The notification.
    pub batch: &'a Batch,
    /// The channel's name.
    pub channel: &'a str,
    /// The group's name.
    pub group: &'a str,
    /// How links are made.
    pub links: &'a Links,
}

/// Bytes as text, as the basic log-in of HTTP has them.
pub(crate) fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
