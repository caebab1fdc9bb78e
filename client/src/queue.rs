//! The events that wait for the program: bounded in bytes, and knowing what the program has handled.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use protocol::ids::{LogName, Version};
use tokio::sync::Notify;

use crate::Event;

/// A queue whose reader may take as long as it wants; `limit` is in bytes.
pub fn queue(limit: usize) -> (EventSender, Events) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State::default()),
        limit,
        news: Notify::new(),
        taken: Notify::new(),
    });
    (EventSender(shared.clone()), Events { shared, taken: None })
}

struct Shared {
    state: Mutex<State>,
    limit: usize,
    /// There is something to read, or the sender is gone.
    news: Notify,
    /// Something was read or handled.
    taken: Notify,
}

#[derive(Default)]
struct State {
    events: VecDeque<Event>,
    bytes: usize,
    handled: BTreeMap<LogName, Version>,
    sender_gone: bool,
    reader_gone: bool,
}

/// The client's end.
pub struct EventSender(Arc<Shared>);

impl EventSender {
    /// Queues an event. It is taken even beyond the limit: who asks [`EventSender::is_full`] first overshoots by one read.
    pub fn push(&self, event: Event) {
        let mut state = self.0.state.lock();
        if state.reader_gone {
            return;
        }
        // An outage of days is one event, not one for each attempt.
        if matches!(event, Event::Retrying { .. })
            && matches!(state.events.back(), Some(Event::Retrying { .. }))
        {
            state.events.pop_back();
        } else {
            state.bytes += event.weight();
        }
        state.events.push_back(event);
        drop(state);
        self.0.news.notify_one();
    }

    /// Whether more waits than may.
    pub fn is_full(&self) -> bool {
        self.0.state.lock().bytes >= self.0.limit
    }

    /// Whether nobody reads any more.
    pub fn is_abandoned(&self) -> bool {
        self.0.state.lock().reader_gone
    }

    /// Waits until the program took or handled something.
    pub async fn taken(&self) {
        self.0.taken.notified().await;
    }

    /// What the program has handled since the last time.
    pub fn take_handled(&self) -> BTreeMap<LogName, Version> {
        std::mem::take(&mut self.0.state.lock().handled)
    }
}

impl Drop for EventSender {
    fn drop(&mut self) {
        self.0.state.lock().sender_gone = true;
        self.0.news.notify_one();
    }
}

/// What happens, in order.
///
/// Has to be read for as long as the client is used: when [`crate::Options::event_bytes`] wait, the connection is not read any
/// more, and nothing is answered. A program that only sends drops it: then events are not kept.
pub struct Events {
    shared: Arc<Shared>,
    /// The message that the program has in its hands.
    taken: Option<(LogName, Version)>,
}

impl Events {
    /// The next event; `None` after [`Event::Ended`]. Asking for it says that the one before was handled.
    ///
    /// Dropping the future loses nothing: it may stand in a `select!`.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            match self.try_next() {
                Ok(event) => return event,
                Err(Empty) => self.shared.news.notified().await,
            }
        }
    }

    /// The next event, if one waits: `Ok(None)` after [`Event::Ended`]. Says that the one before was handled.
    ///
    /// # Errors
    /// [`Empty`]: nothing waits now.
    pub fn try_next(&mut self) -> Result<Option<Event>, Empty> {
        self.handled();
        let mut state = self.shared.state.lock();
        let Some(event) = state.events.pop_front() else {
            return if state.sender_gone { Ok(None) } else { Err(Empty) };
        };
        state.bytes = state.bytes.saturating_sub(event.weight());
        drop(state);
        self.shared.taken.notify_one();
        self.taken = place(&event);
        Ok(Some(event))
    }

    /// Says that the event given last was handled, without asking for another: for a program that is about to end.
    pub fn handled(&mut self) {
        if let Some((log, version)) = self.taken.take() {
            self.shared.state.lock().handled.insert(log, version);
            self.shared.taken.notify_one();
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.reader_gone = true;
        state.events.clear();
        state.bytes = 0;
        drop(state);
        self.shared.taken.notify_one();
    }
}

/// No event waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no event waits")]
pub struct Empty;

fn place(event: &Event) -> Option<(LogName, Version)> {
    match event {
        Event::Message(message) => message.version.map(|version| (message.log.clone(), version)),
        Event::Gap { log, last, .. } => Some((log.clone(), *last)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Reason;

    fn gap(last: u64) -> Event {
        Event::Gap { log: LogName::new("t/x").unwrap(), first: Version(last), last: Version(last) }
    }

    #[test]
    fn an_event_is_handled_when_the_next_one_is_asked_for() {
        let (sender, mut events) = queue(1000);
        sender.push(gap(1));
        assert_eq!(events.try_next(), Ok(Some(gap(1))));
        assert!(sender.take_handled().is_empty());
        assert_eq!(events.try_next(), Err(Empty));
        assert_eq!(sender.take_handled().into_values().collect::<Vec<_>>(), [Version(1)]);
    }

    #[test]
    fn it_is_full_by_bytes_and_has_room_when_they_are_taken() {
        let (sender, mut events) = queue(gap(1).weight() * 2);
        sender.push(gap(1));
        assert!(!sender.is_full());
        sender.push(gap(2));
        assert!(sender.is_full());
        assert!(events.try_next().is_ok());
        assert!(!sender.is_full());
    }

    #[test]
    fn an_outage_of_days_is_one_event() {
        let (sender, mut events) = queue(1000);
        let retrying = |s| Event::Retrying { reason: Reason::Closed, coming_back_in: Duration::from_secs(s) };
        (0..100_000).for_each(|s| sender.push(retrying(s)));
        assert_eq!(events.try_next(), Ok(Some(retrying(99_999))));
        assert_eq!(events.try_next(), Err(Empty));
    }

    #[test]
    fn nothing_is_kept_for_a_reader_that_is_gone() {
        let (sender, events) = queue(1);
        sender.push(gap(1));
        drop(events);
        sender.push(gap(2));
        assert!(!sender.is_full());
    }

    #[tokio::test]
    async fn it_ends_after_what_was_queued() {
        let (sender, mut events) = queue(1000);
        sender.push(gap(1));
        drop(sender);
        assert_eq!(events.next().await, Some(gap(1)));
        assert_eq!(events.next().await, None);
        assert_eq!(events.next().await, None);
    }
}
