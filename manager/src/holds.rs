//! Logs that take nothing over one link, because an append was refused for the moment. Plain code.
//!
//! A refusal may be lost with the link; then the msg_server sends that append again over the next one. What it had sent after
//! it to the same log must not be stored by then, or the two would change places. So a log of which an append was refused takes
//! none over that link until the msg_server has confirmed that it heard the refusal.

use std::collections::HashMap;

/// The logs that are held on one incarnation of a link.
#[derive(Debug, Default)]
pub struct Holds {
    told: u64,
    /// The logs, each with the number of its last refusal.
    held: HashMap<String, u64>,
}

impl Holds {
    /// Whether an append to the log has to be refused because one before it was.
    pub fn has(&self, log: &str) -> bool {
        self.held.contains_key(log)
    }

    /// An append to the log is refused for the moment.
    pub fn refuse(&mut self, log: &str) {
        self.told += 1;
        self.held.insert(log.to_owned(), self.told);
    }

    /// The msg_server has heard so many of the refusals.
    pub fn confirmed(&mut self, number: u64) {
        self.held.retain(|_, refusal| *refusal > number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_takes_nothing_from_a_refusal_until_that_is_confirmed() {
        let mut holds = Holds::default();
        assert!(!holds.has("u/amy"));
        for log in ["u/amy", "t/garden", "u/amy"] {
            holds.refuse(log);
        }
        holds.confirmed(2);
        assert!(holds.has("u/amy") && !holds.has("t/garden"));
        holds.confirmed(3);
        assert!(!holds.has("u/amy"));
    }
}
