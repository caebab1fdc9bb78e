//! What is counted while it is measured, and what is wrong at any time.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Odd things that are described; further ones are counted.
const DESCRIBED: usize = 10;
/// The longest latency that is told apart, in nanoseconds, and with how many digits.
const LONGEST: u64 = 60_000_000_000;
const DIGITS: u8 = 3;

/// What is counted.
#[derive(Debug)]
pub struct Figures {
    /// Whether it counts at the moment.
    pub measuring: bool,
    /// Acknowledged messages.
    pub acked: u64,
    /// Deliveries to receivers.
    pub delivered: u64,
    /// From sending to `OK`, in nanoseconds.
    pub to_ok: Histogram<u64>,
    /// From sending to delivery, in nanoseconds.
    pub to_delivery: Histogram<u64>,
    /// How many things were wrong.
    pub wrong: u64,
    /// The first of them.
    pub first_wrong: Vec<String>,
}

impl Figures {
    /// Nothing counted yet.
    ///
    /// # Errors
    /// Never with these bounds; what the histogram says otherwise.
    pub fn new() -> Result<Self, hdrhistogram::CreationError> {
        Ok(Self {
            measuring: false,
            acked: 0,
            delivered: 0,
            to_ok: Histogram::new_with_max(LONGEST, DIGITS)?,
            to_delivery: Histogram::new_with_max(LONGEST, DIGITS)?,
            wrong: 0,
            first_wrong: Vec::new(),
        })
    }

    /// A message was acknowledged after this time.
    pub fn ack(&mut self, nanos: u64) {
        if self.measuring {
            self.acked += 1;
            self.to_ok.saturating_record(nanos);
        }
    }

    /// A message was delivered after this time.
    pub fn delivery(&mut self, nanos: u64) {
        if self.measuring {
            self.delivered += 1;
            self.to_delivery.saturating_record(nanos);
        }
    }

    /// Something is not as it has to be.
    pub fn wrong(&mut self, what: impl FnOnce() -> String) {
        self.wrong += 1;
        if self.first_wrong.len() < DESCRIBED {
            self.first_wrong.push(what());
        }
    }
}

/// Quantiles of a latency.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Latency {
    /// Half are below, in microseconds.
    pub p50_us: f64,
    /// 99 of 100 are below.
    pub p99_us: f64,
    /// The longest.
    pub max_us: f64,
}

impl Latency {
    /// `None` where nothing was measured.
    pub fn of(histogram: &Histogram<u64>) -> Option<Self> {
        let us = |nanos: u64| Duration::from_nanos(nanos).as_secs_f64() * 1e6;
        (!histogram.is_empty()).then(|| Self {
            p50_us: us(histogram.value_at_quantile(0.5)),
            p99_us: us(histogram.value_at_quantile(0.99)),
            max_us: us(histogram.max()),
        })
    }
}
