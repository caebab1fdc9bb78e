//! How often somebody may try: buckets that fill with failures and empty with time. Nothing here looks at a clock.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// So many at once, then one after each such time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many at once; at least 1.
    pub burst: u32,
    /// Then one after each such time.
    pub every: Duration,
}

/// Whoever waits for those that are under way may look again after this.
const SOON: Duration = Duration::from_secs(1);

/// A table that is full is looked through at most so often.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Of a table that stays full, the one with the least to forget among so many gives way.
const SAMPLE: usize = 32;

/// Where a connection comes from, as far as one person can choose: an IPv4 address, or the first 64 bits of an IPv6 one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network(IpAddr);

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(address.into()),
            IpAddr::V6(address) => {
                let network = address.to_bits() >> 64 << 64;
                Self(Ipv6Addr::from_bits(network).into())
            }
        }
    }
}

/// What one key has done.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// When all of its failures will be forgotten.
    forgotten: Instant,
    /// Attempts that are not decided yet.
    under_way: u32,
}

/// Buckets by key, in a table that is bounded.
#[derive(Debug)]
pub struct Buckets<K> {
    rate: Rate,
    most: usize,
    buckets: HashMap<K, Bucket>,
    swept: Option<Instant>,
}

impl<K: Hash + Eq + Clone> Buckets<K> {
    /// A table of at most so many keys.
    pub fn new(rate: Rate, most: usize) -> Self {
        Self { rate, most, buckets: HashMap::new(), swept: None }
    }

    /// An attempt begins: it counts until [`Buckets::decided`] says how it went, so that many at once are not more than many
    /// one after another.
    ///
    /// # Errors
    /// How long to wait, if it may not begin.
    pub fn begin(&mut self, key: &K, now: Instant) -> Result<(), Duration> {
        let room = self.rate.every * (self.rate.burst - 1);
        if let Some(bucket) = self.buckets.get_mut(key) {
            let owed = bucket.forgotten.saturating_duration_since(now);
            if owed > room {
                return Err(owed - room);
            }
            if owed + self.rate.every * bucket.under_way > room {
                return Err(SOON);
            }
            bucket.under_way += 1;
            return Ok(());
        }
        self.make_room(now);
        self.buckets.insert(key.clone(), Bucket { forgotten: now, under_way: 1 });
        Ok(())
    }

    /// An attempt that began has ended; `counts` if it is to be remembered.
    pub fn decided(&mut self, key: &K, counts: bool, now: Instant) {
        let Some(bucket) = self.buckets.get_mut(key) else { return };
        bucket.under_way = bucket.under_way.saturating_sub(1);
        if counts {
            bucket.forgotten = bucket.forgotten.max(now) + self.rate.every;
        } else if bucket.under_way == 0 && bucket.forgotten <= now {
            self.buckets.remove(key);
        }
    }

    /// A table that is full forgets what is of no use; if that is not enough, one that has little to forget.
    fn make_room(&mut self, now: Instant) {
        if self.buckets.len() < self.most {
            return;
        }
        if self.swept.is_none_or(|swept| now.saturating_duration_since(swept) >= SWEEP_EVERY) {
            self.swept = Some(now);
            self.buckets.retain(|_, bucket| bucket.under_way > 0 || bucket.forgotten > now);
        }
        if self.buckets.len() >= self.most {
            let sample = self.buckets.iter().take(SAMPLE);
            let least = sample.min_by_key(|(_, bucket)| bucket.forgotten).map(|(key, _)| key.clone());
            least.map(|least| self.buckets.remove(&least));
        }
    }

    /// How many keys are remembered.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.buckets.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const RATE: Rate = Rate { burst: 3, every: Duration::from_secs(10) };

    fn fail(buckets: &mut Buckets<u32>, key: u32, now: Instant) -> Result<(), Duration> {
        buckets.begin(&key, now)?;
        buckets.decided(&key, true, now);
        Ok(())
    }

    #[test]
    fn after_a_burst_of_failures_one_may_be_tried_in_each_time_and_others_are_not_disturbed() {
        let (mut buckets, start) = (Buckets::new(RATE, 100), Instant::now());
        for _ in 0..3 {
            fail(&mut buckets, 1, start).unwrap();
        }
        assert_eq!(fail(&mut buckets, 1, start), Err(10 * SECOND));
        assert_eq!(fail(&mut buckets, 1, start + 4 * SECOND), Err(6 * SECOND));
        assert_eq!(fail(&mut buckets, 2, start), Ok(()));
        assert_eq!(fail(&mut buckets, 1, start + 10 * SECOND), Ok(()));
        assert_eq!(fail(&mut buckets, 1, start + 10 * SECOND), Err(10 * SECOND));
    }

    #[test]
    fn what_went_well_costs_nothing() {
        let (mut buckets, now) = (Buckets::new(RATE, 100), Instant::now());
        for _ in 0..100 {
            buckets.begin(&1, now).unwrap();
            buckets.decided(&1, false, now);
        }
        assert_eq!(buckets.len(), 0);
    }

    #[test]
    fn many_at_once_are_not_more_than_many_one_after_another() {
        let (mut buckets, now) = (Buckets::new(RATE, 100), Instant::now());
        fail(&mut buckets, 1, now).unwrap();
        buckets.begin(&1, now).unwrap();
        buckets.begin(&1, now).unwrap();
        assert_eq!(buckets.begin(&1, now), Err(SOON));
        buckets.decided(&1, false, now);
        assert_eq!(buckets.begin(&1, now), Ok(()));
        buckets.decided(&1, true, now);
        buckets.decided(&1, true, now);
        assert_eq!(buckets.begin(&1, now), Err(10 * SECOND));
    }

    #[test]
    fn a_full_table_forgets_what_is_over_and_keeps_whoever_has_failed_most() {
        let (mut buckets, start) = (Buckets::new(RATE, 8), Instant::now());
        for _ in 0..3 {
            fail(&mut buckets, 0, start).unwrap();
        }
        for key in 1..50 {
            fail(&mut buckets, key, start).unwrap();
            assert!(buckets.len() <= 8);
        }
        assert!(fail(&mut buckets, 0, start).is_err(), "filling the table has made it forget");
        fail(&mut buckets, 99, start + 20 * SECOND).unwrap();
        assert!(buckets.len() <= 2, "{}", buckets.len());
    }

    #[test]
    fn a_neighbourhood_is_one_address_or_the_first_half_of_one() {
        let network = |address: &str| Network::from(address.parse::<IpAddr>().unwrap());
        assert_eq!(network("2001:db8:1:2:3::4"), network("2001:db8:1:2:ffff::1"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("::ffff:10.0.0.1"), network("10.0.0.1"));
        assert_ne!(network("10.0.0.1"), network("10.0.0.2"));
    }
}
