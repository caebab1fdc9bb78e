//! Kills processes, one after another, and starts them again.

use std::ops::Range;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use testbed::{Mesh, Part};
use tokio::time::{Instant, sleep, sleep_until};

use crate::settings::Settings;
use crate::stage::Stage;

/// Before the first kill there is traffic for this share of the time,
const CALM_SHARE: u32 = 12;
/// a process stays down for this long, or half of its turn if that is shorter,
const DOWN: Range<Duration> = Duration::from_millis(200)..Duration::from_millis(2500);
/// and the last one dies so shortly before the traffic ends that nothing more is said when it is back: what was lost with it
/// has to be found by asking.
const LAST_MOMENT: Range<Duration> = Duration::from_millis(0)..Duration::from_millis(60);

/// One kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strike {
    /// When, counted from the beginning of the traffic.
    pub at: Duration,
    /// Who.
    pub part: Part,
    /// How long it stays down.
    pub down: Duration,
}

/// Who is killed when: everybody among the victims once a round, in random order, spread over the time of the traffic.
pub fn plan(settings: &Settings, parts: impl Iterator<Item = Part>) -> Vec<Strike> {
    let mut random = StdRng::seed_from_u64(settings.seed ^ 0x006e_656d_6573_6973);
    let mut round: Vec<Part> = parts.filter(|part| settings.kill.contains(*part)).collect();
    let mut victims = Vec::with_capacity(round.len() * settings.rounds);
    for _ in 0..settings.rounds {
        round.shuffle(&mut random);
        victims.extend_from_slice(&round);
    }
    let calm = settings.traffic() / CALM_SHARE;
    let turn = (settings.traffic() - calm) / victims.len().max(1) as u32;
    let last = victims.len().saturating_sub(1);
    let strike = |(number, part): (usize, Part)| {
        let jitter = random.random_range(Duration::ZERO..(turn / 4).max(Duration::from_millis(1)));
        let down = random.random_range(DOWN).min(turn / 2);
        let at = match number {
            number if number == last => settings.traffic() - random.random_range(LAST_MOMENT),
            number => calm + turn * number as u32 + jitter,
        };
        Strike { at, part, down }
    };
    victims.into_iter().enumerate().map(strike).collect()
}

/// Carries the plan out.
pub async fn rage(mesh: &Mesh, stage: &Stage, strikes: &[Strike], pause: bool) {
    let began = Instant::now();
    for strike in strikes {
        sleep_until(began + strike.at).await;
        if pause {
            freeze(mesh, stage, *strike).await;
        } else {
            kill(mesh, stage, *strike).await;
        }
    }
}

async fn kill(mesh: &Mesh, stage: &Stage, strike: Strike) {
    let part = strike.part;
    stage.incident(format!("{part} is killed"));
    mesh.kill(part).await;
    sleep(strike.down).await;
    stage.incident(format!("{part} is started again"));
    mesh.start(part).await;
    stage.incident(format!("{part} answers again"));
}

async fn freeze(mesh: &Mesh, stage: &Stage, strike: Strike) {
    let part = strike.part;
    stage.incident(format!("{part} is paused"));
    mesh.pause(part);
    sleep(strike.down).await;
    mesh.resume(part);
    stage.incident(format!("{part} goes on"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_struck_once_a_round_one_at_a_time_the_last_in_the_last_moment() {
        let parts =
            || [Part::MsgServer(0), Part::MsgServer(1), Part::Router(0), Part::Manager(0), Part::Gateway(0)];
        for seed in 0..100 {
            let settings = Settings { seed, seconds: 30, rounds: 2, ..Settings::default() };
            let strikes = plan(&settings, parts().into_iter());
            assert_eq!(strikes, plan(&settings, parts().into_iter()));
            let mut struck: Vec<_> = strikes.iter().map(|strike| strike.part).collect();
            struck.sort_unstable();
            let mut all = parts().repeat(2);
            all.sort_unstable();
            assert_eq!(struck, all);
            for pair in strikes.windows(2) {
                assert!(pair[0].at + pair[0].down < pair[1].at);
            }
            let last = strikes[strikes.len() - 1];
            assert!(last.at <= settings.traffic() && last.at + LAST_MOMENT.end >= settings.traffic());
        }
    }

    #[test]
    fn nobody_is_struck_if_nobody_is_to_be() {
        let settings = Settings { kill: crate::settings::Victims::None, ..Settings::default() };
        assert!(plan(&settings, [Part::Router(0)].into_iter()).is_empty());
    }
}
