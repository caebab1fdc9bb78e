//! When the thread that compacts works, rests and ends.

use std::time::{Duration, Instant};

use futures::channel::oneshot;
use parking_lot::{Condvar, Mutex};

use crate::StoreError;

/// Whoever asked for a round now.
pub(super) type Asker = oneshot::Sender<Result<u64, StoreError>>;

/// The thread is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stopped;

/// What others tell the thread.
#[derive(Default)]
pub(super) struct Signals {
    told: Mutex<Told>,
    changed: Condvar,
}

#[derive(Default)]
struct Told {
    stopped: bool,
    askers: Vec<Asker>,
}

impl Signals {
    /// Ends the thread.
    pub fn stop(&self) {
        self.told.lock().stopped = true;
        self.changed.notify_all();
    }

    /// Asks for a round now; whoever asks after the end hears that the store is closed.
    pub fn ask(&self, asker: Asker) {
        let mut told = self.told.lock();
        if !told.stopped {
            told.askers.push(asker);
        }
        self.changed.notify_all();
    }

    /// Waits until the time has passed, or somebody asks; those who do.
    pub fn wait(&self, time: Duration) -> Result<Vec<Asker>, Stopped> {
        let until = Instant::now() + time;
        let mut told = self.told.lock();
        while !told.stopped && told.askers.is_empty() {
            if self.changed.wait_until(&mut told, until).timed_out() {
                break;
            }
        }
        if told.stopped { Err(Stopped) } else { Ok(std::mem::take(&mut told.askers)) }
    }

    /// Waits until the time has passed.
    pub fn rest(&self, time: Duration) -> Result<(), Stopped> {
        let until = Instant::now() + time;
        let mut told = self.told.lock();
        while !told.stopped && Instant::now() < until {
            self.changed.wait_until(&mut told, until);
        }
        if told.stopped { Err(Stopped) } else { Ok(()) }
    }
}

/// Holds work that reads and writes to a number of bytes a second.
pub(super) struct Pace<'a> {
    signals: &'a Signals,
    bytes_per_second: u64,
    began: Instant,
    bytes: u64,
}

impl<'a> Pace<'a> {
    pub fn new(signals: &'a Signals, bytes_per_second: u64) -> Self {
        Self { signals, bytes_per_second: bytes_per_second.max(1), began: Instant::now(), bytes: 0 }
    }

    /// So many bytes more were read or written: rests as long as that was too fast.
    pub fn spent(&mut self, bytes: usize) -> Result<(), Stopped> {
        self.bytes += bytes as u64;
        let due = Duration::from_micros(self.bytes.saturating_mul(1_000_000) / self.bytes_per_second);
        self.signals.rest(due.saturating_sub(self.began.elapsed()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    const LONG: Duration = Duration::from_secs(3_600);

    #[test]
    fn a_rest_and_a_wait_end_when_the_store_does() {
        let signals = Arc::new(Signals::default());
        let resting = Arc::clone(&signals);
        let thread = thread::spawn(move || (resting.rest(LONG), resting.wait(LONG).err()));
        signals.stop();
        assert_eq!(thread.join().unwrap(), (Err(Stopped), Some(Stopped)));
    }

    #[test]
    fn whoever_asks_is_not_waited_for() {
        let signals = Signals::default();
        let (asker, _answer) = oneshot::channel();
        signals.ask(asker);
        assert_eq!(signals.wait(LONG).map(|askers| askers.len()), Ok(1));
        assert_eq!(signals.wait(Duration::ZERO).map(|askers| askers.len()), Ok(0));
    }

    #[test]
    fn what_is_too_fast_rests() {
        let signals = Signals::default();
        let mut pace = Pace::new(&signals, 1_000);
        let began = Instant::now();
        for _ in 0..5 {
            pace.spent(4).unwrap();
        }
        assert!(began.elapsed() >= Duration::from_millis(20));
        Pace::new(&signals, u64::MAX).spent(usize::MAX).unwrap();
    }
}
