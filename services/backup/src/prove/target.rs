//! Where recovery is to end, in the words of PostgreSQL's settings. Pure.

use crate::orders::RestoreTarget;

/// Settings of recovery: name and value.
pub(crate) type RecoverySettings = Vec<(&'static str, String)>;

/// The settings that end recovery where an order says. `timeline`: the one to follow where the order does not say.
pub(crate) fn settings(target: &RestoreTarget, timeline: u32) -> RecoverySettings {
    let timeline = match (target.timeline, &target.position) {
        (0, Some(position)) if position.timeline != 0 => position.timeline.to_string(),
        (0, _) if timeline == 0 => "latest".to_owned(),
        (0, _) => timeline.to_string(),
        (wanted, _) => wanted.to_string(),
    };
    let mut settings = vec![("recovery_target_timeline", timeline)];
    settings.extend(moment(target));
    let inclusive = if target.before { "off" } else { "on" };
    settings.push(("recovery_target_inclusive", inclusive.to_owned()));
    settings
}

fn moment(target: &RestoreTarget) -> Option<(&'static str, String)> {
    let time = target
        .time_unix_ms
        .map(|time| ("recovery_target_time", timestamp(time)));
    let lsn = target.position.map(|at| ("recovery_target_lsn", lsn(at.lsn)));
    let name = target.restore_point.clone().map(|name| ("recovery_target_name", name));
    let xid = target.xid.map(|xid| ("recovery_target_xid", xid.to_string()));
    let consistent = target.consistent.map(|_| ("recovery_target", "immediate".to_owned()));
    time.or(lsn).or(name).or(xid).or(consistent)
}

/// A position as PostgreSQL writes it.
pub(crate) fn lsn(lsn: u64) -> String {
    format!("{:X}/{:X}", lsn >> 32, lsn & 0xFFFF_FFFF)
}

/// Reads a position as PostgreSQL writes it.
pub(crate) fn lsn_of(text: &str) -> Option<u64> {
    let (high, low) = text.split_once('/')?;
    Some(u64::from_str_radix(high, 16).ok()? << 32 | u64::from_str_radix(low, 16).ok()?)
}

/// A time as PostgreSQL reads it.
pub(crate) fn timestamp(unix_ms: i64) -> String {
    let (days, ms) = (unix_ms.div_euclid(86_400_000), unix_ms.rem_euclid(86_400_000));
    let (year, month, day) = date(days);
    let (seconds, ms) = (ms / 1000, ms % 1000);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}.{ms:03}+00",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// The date so many days after 1970-01-01, by the calendar that counts years from March on.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::orders::{Consistent, LogPosition};

    #[test]
    fn times_and_positions_are_written_as_postgresql_reads_them() {
        assert_eq!(timestamp(0), "1970-01-01 00:00:00.000+00");
        assert_eq!(timestamp(1_709_211_845_006), "2024-02-29 13:04:05.006+00");
        assert_eq!(timestamp(-1), "1969-12-31 23:59:59.999+00");
        assert_eq!(lsn(0x1_6B37_4D48), "1/6B374D48");
        assert_eq!(lsn_of("1/6B374D48"), Some(0x1_6B37_4D48));
        assert_eq!(lsn_of("1"), None);
    }

    #[test]
    fn a_target_has_one_moment_and_a_timeline() {
        let position = RestoreTarget {
            position: Some(LogPosition { timeline: 3, lsn: 16 }),
            before: true,
            ..RestoreTarget::default()
        };
        let expected = [
            ("recovery_target_timeline", "3"),
            ("recovery_target_lsn", "0/10"),
            ("recovery_target_inclusive", "off"),
        ];
        assert_eq!(
            settings(&position, 1),
            expected.map(|(name, value)| (name, value.to_owned()))
        );
        let consistent = RestoreTarget {
            consistent: Some(Consistent {}),
            ..RestoreTarget::default()
        };
        assert!(settings(&consistent, 2).contains(&("recovery_target_timeline", "2".to_owned())));
        assert!(settings(&consistent, 2).contains(&("recovery_target", "immediate".to_owned())));
        assert!(settings(&RestoreTarget::default(), 0).contains(&("recovery_target_timeline", "latest".to_owned())));
    }
}
