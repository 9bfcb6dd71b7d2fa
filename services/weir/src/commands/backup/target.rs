//! A moment to restore to, as the command line has it.

use chrono::DateTime;
use clap::Args;
use serde_json::{Map, Value as Json, json};
use weir_proto::backup::v1 as api;
use weir_proto::backup::v1::restore_target::Moment;

use crate::terminal::Failure;

#[derive(Debug, Args, Default)]
pub(super) struct Target {
    /// The last commit at or before this time, such as 2026-03-01T12:00:00Z.
    #[arg(long, value_name = "TIME", group = "moment")]
    time: Option<String>,
    /// This place in the log, such as 1/4A0000F8.
    #[arg(long, value_name = "LSN", group = "moment")]
    lsn: Option<String>,
    /// The restore point of this name.
    #[arg(long, value_name = "NAME", group = "moment")]
    name: Option<String>,
    /// This transaction.
    #[arg(long, group = "moment")]
    xid: Option<u32>,
    /// As soon as the backup is consistent.
    #[arg(long, group = "moment")]
    consistent: bool,
    /// Just before the moment rather than just after it.
    #[arg(long)]
    before: bool,
    /// The timeline. Without it: the latest that the moment lies on.
    #[arg(long, default_value_t = 0)]
    timeline: u32,
}

impl Target {
    /// Whether any moment is named.
    pub(super) const fn is_set(&self) -> bool {
        self.time.is_some() || self.lsn.is_some() || self.name.is_some() || self.xid.is_some() || self.consistent
    }

    /// The message of a plan.
    pub(super) fn message(&self) -> Result<api::RestoreTarget, Failure> {
        if self.before && !self.is_set() {
            return Err("--before needs --time, --lsn, --name or --xid".into());
        }
        let moment = if let Some(time) = &self.time {
            Some(Moment::TimeUnixMs(unix_ms(time)?))
        } else if let Some(lsn) = &self.lsn {
            Some(Moment::Position(api::LogPosition {
                timeline: self.timeline,
                lsn: parsed_lsn(lsn)?,
            }))
        } else if let Some(name) = &self.name {
            Some(Moment::RestorePoint(name.clone()))
        } else if let Some(xid) = self.xid {
            Some(Moment::Xid(xid))
        } else {
            self.consistent.then_some(Moment::Consistent(api::Consistent {}))
        };
        Ok(api::RestoreTarget {
            moment,
            before: self.before,
            timeline: self.timeline,
        })
    }

    /// The same in an order.
    pub(super) fn json(&self) -> Result<Json, Failure> {
        let target = self.message()?;
        let mut order = Map::new();
        match target.moment {
            None => {}
            Some(Moment::TimeUnixMs(time)) => drop(order.insert("time_unix_ms".to_owned(), json!(time))),
            Some(Moment::Position(place)) => {
                let place = json!({ "timeline": place.timeline, "lsn": place.lsn });
                order.insert("position".to_owned(), place);
            }
            Some(Moment::RestorePoint(name)) => drop(order.insert("restore_point".to_owned(), json!(name))),
            Some(Moment::Xid(xid)) => drop(order.insert("xid".to_owned(), json!(xid))),
            Some(Moment::Consistent(_)) => drop(order.insert("consistent".to_owned(), json!({}))),
        }
        order.insert("before".to_owned(), json!(target.before));
        order.insert("timeline".to_owned(), json!(target.timeline));
        Ok(Json::Object(order))
    }
}

/// A time with its zone; without one nobody could know which moment is meant.
pub(super) fn unix_ms(time: &str) -> Result<i64, Failure> {
    let read = DateTime::parse_from_rfc3339(time);
    let wrong = |_| format!("{time:?} is not a time with its zone, such as 2026-03-01T12:00:00Z");
    Ok(read.map_err(wrong)?.timestamp_millis())
}

fn parsed_lsn(text: &str) -> Result<u64, Failure> {
    let halves = text.split_once('/');
    let read = halves.and_then(|(high, low)| {
        let half = |text: &str| u32::from_str_radix(text, 16).ok().map(u64::from);
        Some((half(high)? << 32) | half(low)?)
    });
    read.ok_or_else(|| format!("{text:?} is not a place in the log, such as 1/4A0000F8").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json_of(target: Target) -> Json {
        target.json().unwrap()
    }

    #[test]
    fn a_moment_is_read_with_its_zone_and_never_guessed() {
        let time = |text: &str| Target {
            time: Some(text.to_owned()),
            ..Target::default()
        };
        assert_eq!(
            json_of(time("2026-03-01T13:00:00+01:00"))["time_unix_ms"],
            1_772_366_400_000_i64
        );
        assert_eq!(
            json_of(time("2026-03-01 12:00:00.5Z"))["time_unix_ms"],
            1_772_366_400_500_i64
        );
        for wrong in ["yesterday", "2026-03-01 12:00:00", ""] {
            assert!(time(wrong).json().is_err(), "{wrong}");
        }
        let lsn = |text: &str| Target {
            lsn: Some(text.to_owned()),
            timeline: 2,
            ..Target::default()
        };
        let place = json_of(lsn("1/4A0000F8"));
        assert_eq!(place["position"], json!({"timeline": 2, "lsn": 0x1_4A00_00F8_u64}));
        assert!(lsn("4A0000F8").json().is_err() && lsn("1/4A0000F8F").json().is_err());
        let before = Target {
            before: true,
            ..Target::default()
        };
        assert!(before.json().is_err());
        assert_eq!(json_of(Target::default()), json!({"before": false, "timeline": 0}));
    }
}
