//! Times, for people.

use jiff::{Timestamp, Zoned};
use protocol::ids::Time;

/// A time in the zone of this machine: `14:03` today, `20 Nov 14:03` in the same year, else with the year.
pub fn local(time: Time) -> String {
    shown(time, &Zoned::now())
}

fn shown(time: Time, now: &Zoned) -> String {
    let millis = i64::try_from(time.0).unwrap_or(i64::MAX);
    let Ok(stamp) = Timestamp::from_millisecond(millis) else { return "--:--".to_owned() };
    let then = stamp.to_zoned(now.time_zone().clone());
    let format = match (then.date() == now.date(), then.year() == now.year()) {
        (true, _) => "%H:%M",
        (false, true) => "%d %b %H:%M",
        (false, false) => "%d %b %Y %H:%M",
    };
    then.strftime(format).to_string()
}

/// The time by this machine's clock, in milliseconds since 1970.
pub fn now() -> Time {
    let now = Timestamp::now().as_millisecond();
    Time(u64::try_from(now).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_further_away_the_more_is_said() {
        let now = "2026-11-21T14:30:00[UTC]".parse::<Zoned>().unwrap();
        let at = |text: &str| Time(text.parse::<Timestamp>().unwrap().as_millisecond() as u64);
        assert_eq!(shown(at("2026-11-21T14:03:59Z"), &now), "14:03");
        assert_eq!(shown(at("2026-11-20T23:59:00Z"), &now), "20 Nov 23:59");
        assert_eq!(shown(at("2025-11-21T14:03:00Z"), &now), "21 Nov 2025 14:03");
        assert_eq!(shown(Time(u64::MAX), &now), "--:--");
    }
}
