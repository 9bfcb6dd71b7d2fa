//! NATS, where the settings name one.

use weir_bus::{BusSettings, Error, Health};
use weir_config::Setting as _;

use super::{Asker, section};
use crate::commands::doctor::facts::{Bus, ClockGap};
use crate::terminal::Failure;

pub(super) async fn look(asker: &Asker) -> Bus {
    let settings: Result<BusSettings, Failure> = section(&asker.sources);
    let Some(url) = settings.ok().and_then(|settings| settings.url) else {
        return Bus::Memory;
    };
    Bus::Nats {
        place: url.show(),
        reached: asker.within(reach(asker)).await,
    }
}

async fn reach(asker: &Asker) -> Result<Option<ClockGap>, Failure> {
    let bus = weir_bus::Bus::open(&asker.sources, "weir doctor").await?;
    let mut health = bus.connected();
    // The bus goes on looking for its server; the reason that it has by then is the best there is.
    let connected = async { health.wait_for(Health::is_up).await.is_ok() };
    let is_up = tokio::time::timeout(asker.deadline * 3 / 4, connected).await;
    if !is_up.unwrap_or(false) {
        return Err(health.borrow().check().err().unwrap_or_default().into());
    }
    let before_ms = asker.clock.unix_ms();
    match bus.look(asker.deadline).await {
        Ok(told) => Ok(told
            .as_deref()
            .and_then(unix_ms)
            .map(|told| asker.gap(before_ms, told, 0))),
        Err(Error::Refused { reason, .. }) => Err(format!("JetStream cannot be used: {reason}").into()),
        Err(error) => Err(error.into()),
    }
}

fn unix_ms(text: &str) -> Option<i64> {
    let moment = chrono::DateTime::parse_from_rfc3339(text).ok()?;
    Some(moment.timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_nats_is_read() {
        assert_eq!(unix_ms("2026-09-21T14:13:20.5Z"), Some(1_790_000_000_500));
        assert_eq!(unix_ms("yesterday"), None);
    }
}
