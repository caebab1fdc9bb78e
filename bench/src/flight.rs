//! Messages of one sender that are on their way: until they are acknowledged and delivered to everyone.

use std::collections::VecDeque;

/// Messages in flight, in the order of their numbers.
#[derive(Debug, Default)]
pub struct Flight {
    /// The number of the first in `messages`.
    first: u64,
    messages: VecDeque<Message>,
    /// How many of `messages` are not complete.
    open: usize,
}

#[derive(Debug)]
struct Message {
    nanos: u64,
    acked: bool,
    /// Deliveries that have not come.
    left: u32,
}

impl Message {
    fn is_complete(&self) -> bool {
        self.acked && self.left == 0
    }
}

impl Flight {
    /// The number that the next message gets.
    pub fn next(&self) -> u64 {
        self.first + self.messages.len() as u64
    }

    /// How many are in flight.
    pub fn open(&self) -> usize {
        self.open
    }

    /// A message starts that so many have to get.
    pub fn start(&mut self, nanos: u64, receivers: u32) {
        self.messages.push_back(Message { nanos, acked: false, left: receivers });
        self.open += 1;
    }

    /// It is acknowledged: when it was sent; `None` if it is not in flight, or was acknowledged before.
    pub fn acked(&mut self, number: u64) -> Option<u64> {
        let message = self.message(number).filter(|message| !message.acked)?;
        message.acked = true;
        let (nanos, complete) = (message.nanos, message.is_complete());
        self.settle(complete);
        Some(nanos)
    }

    /// One more has got it. False if nobody was left who had to.
    pub fn delivered(&mut self, number: u64) -> bool {
        let Some(message) = self.message(number).filter(|message| message.left > 0) else { return false };
        message.left -= 1;
        let complete = message.is_complete();
        self.settle(complete);
        true
    }

    fn message(&mut self, number: u64) -> Option<&mut Message> {
        self.messages.get_mut(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    fn settle(&mut self, complete: bool) {
        self.open -= usize::from(complete);
        while self.messages.front().is_some_and(Message::is_complete) {
            self.messages.pop_front();
            self.first += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_in_flight_until_it_is_acknowledged_and_everyone_has_it() {
        let mut flight = Flight::default();
        flight.start(10, 2);
        flight.start(20, 0);
        assert_eq!((flight.next(), flight.open()), (2, 2));
        assert_eq!(flight.acked(1), Some(20));
        assert_eq!(flight.open(), 1);
        assert!(flight.delivered(0));
        assert_eq!(flight.acked(0), Some(10));
        assert_eq!(flight.acked(0), None);
        assert_eq!(flight.open(), 1);
        assert!(flight.delivered(0));
        assert_eq!((flight.next(), flight.open()), (2, 0));
        assert!(!flight.delivered(0) && !flight.delivered(5));
        assert_eq!(flight.acked(1), None);
    }
}
