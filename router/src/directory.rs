//! Who follows which log: plain code, changes in, followers out.
//!
//! Memory is what bounds a router, so an entry is small: its name, and 16 bytes for up to two msg_servers. With the
//! table's own share that is 60 to 125 bytes for a user who is online once, by name length and fill of the table.

use std::collections::HashMap;

/// A msg_server's place among the links of this router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Server(pub u16);

/// Which msg_servers follow which logs, and how often each said so.
#[derive(Debug, Default)]
pub struct Directory {
    logs: HashMap<Box<str>, Followers>,
    inboxes: usize,
}

/// Who follows one log. A count of 0 means that there is nobody in that place.
#[derive(Debug)]
enum Followers {
    Few { counts: [u32; 2], servers: [Server; 2] },
    Many(Box<Many>),
}

/// More than two: a topic, or a user with many devices.
#[derive(Debug)]
struct Many {
    followers: Vec<(Server, u32)>,
}

impl Directory {
    /// The msg_server follows the log from now on, or does so once more: for each of a user's sessions.
    pub fn begin(&mut self, log: &str, server: Server) {
        if let Some(followers) = self.logs.get_mut(log) {
            followers.add(server);
            return;
        }
        self.inboxes += usize::from(is_inbox(log));
        self.logs.insert(log.into(), Followers::one(server));
    }

    /// It follows the log once less. What never began is not ended.
    pub fn end(&mut self, log: &str, server: Server) {
        let Some(followers) = self.logs.get_mut(log) else { return };
        if followers.remove(server, 1) {
            self.inboxes -= usize::from(is_inbox(log));
            self.logs.remove(log);
            self.give_back();
        }
    }

    /// The msg_server is gone, and with it all that it followed.
    pub fn forget(&mut self, server: Server) {
        let inboxes = &mut self.inboxes;
        self.logs.retain(|log, followers| {
            let is_left_alone = followers.remove(server, u32::MAX);
            *inboxes -= usize::from(is_left_alone && is_inbox(log));
            !is_left_alone
        });
        self.give_back();
    }

    /// Those that follow the log, in no particular order, each once.
    pub fn followers(&self, log: &str) -> impl Iterator<Item = Server> + '_ {
        self.logs.get(log).into_iter().flat_map(Followers::iter)
    }

    /// Whether anybody follows the log: of an inbox, whether its user is online.
    pub fn is_followed(&self, log: &str) -> bool {
        self.logs.contains_key(log)
    }

    /// How many logs are followed, inboxes among them.
    pub fn logs(&self) -> usize {
        self.logs.len()
    }

    /// How many inboxes are followed: users who are online.
    pub fn inboxes(&self) -> usize {
        self.inboxes
    }

    /// A table that was much larger once gives its memory back.
    fn give_back(&mut self) {
        const KEPT: usize = 1024;
        if self.logs.capacity() > KEPT.max(self.logs.len() * 8) {
            self.logs.shrink_to(KEPT.max(self.logs.len() * 2));
        }
    }
}

fn is_inbox(log: &str) -> bool {
    log.starts_with("u/")
}

impl Followers {
    fn one(server: Server) -> Self {
        Self::Few { counts: [1, 0], servers: [server; 2] }
    }

    fn add(&mut self, server: Server) {
        match self {
            Self::Few { counts, servers } => {
                let known = (0..2).find(|&at| counts[at] > 0 && servers[at] == server);
                let Some(at) = known.or_else(|| counts.iter().position(|&count| count == 0)) else {
                    let mut followers: Vec<_> = self.iter_counts().collect();
                    followers.push((server, 1));
                    *self = Self::Many(Box::new(Many { followers }));
                    return;
                };
                servers[at] = server;
                counts[at] = counts[at].saturating_add(1);
            }
            Self::Many(many) => match many.followers.iter_mut().find(|(known, _)| *known == server) {
                Some((_, count)) => *count = count.saturating_add(1),
                None => many.followers.push((server, 1)),
            },
        }
    }

    /// Takes so many of the server's counts away. True if nobody is left.
    fn remove(&mut self, server: Server, times: u32) -> bool {
        match self {
            Self::Few { counts, servers } => {
                for (count, known) in counts.iter_mut().zip(servers) {
                    if *known == server {
                        *count = count.saturating_sub(times);
                    }
                }
                *counts == [0, 0]
            }
            Self::Many(many) => {
                many.followers.retain_mut(|(known, count)| {
                    if *known == server {
                        *count = count.saturating_sub(times);
                    }
                    *count > 0
                });
                self.compact();
                false
            }
        }
    }

    fn compact(&mut self) {
        let Self::Many(many) = self else { return };
        if let [(a, a_count), (b, b_count)] = many.followers[..] {
            *self = Self::Few { counts: [a_count, b_count], servers: [a, b] };
        }
    }

    fn iter(&self) -> impl Iterator<Item = Server> + '_ {
        self.iter_counts().map(|(server, _)| server)
    }

    fn iter_counts(&self) -> impl Iterator<Item = (Server, u32)> + '_ {
        let (few, many) = match self {
            Self::Few { counts, servers } => ([(servers[0], counts[0]), (servers[1], counts[1])], &[][..]),
            Self::Many(many) => ([(Server(0), 0); 2], &many.followers[..]),
        };
        few.into_iter().chain(many.iter().copied()).filter(|(_, count)| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    fn sorted(directory: &Directory, log: &str) -> Vec<u16> {
        let mut followers: Vec<u16> = directory.followers(log).map(|server| server.0).collect();
        followers.sort_unstable();
        followers
    }

    #[test]
    fn a_user_is_online_until_the_last_of_their_sessions_ends() {
        let mut directory = Directory::default();
        directory.begin("u/amy", Server(1));
        directory.begin("u/amy", Server(1));
        directory.end("u/amy", Server(1));
        assert!(directory.is_followed("u/amy"));
        directory.end("u/amy", Server(1));
        assert!(!directory.is_followed("u/amy"));
        assert_eq!((directory.logs(), directory.inboxes()), (0, 0));
    }

    #[test]
    fn a_msg_server_that_goes_takes_along_what_it_alone_followed() {
        let mut directory = Directory::default();
        for server in 0..4 {
            directory.begin("t/garden", Server(server));
            directory.begin(&format!("u/user{server}"), Server(server));
        }
        directory.forget(Server(2));
        assert_eq!(sorted(&directory, "t/garden"), [0, 1, 3]);
        assert!(!directory.is_followed("u/user2"));
        assert_eq!((directory.logs(), directory.inboxes()), (4, 3));
    }

    #[test]
    fn what_never_began_is_not_ended() {
        let mut directory = Directory::default();
        directory.begin("u/amy", Server(1));
        directory.end("u/amy", Server(2));
        directory.end("u/bob", Server(1));
        assert_eq!(sorted(&directory, "u/amy"), [1]);
    }

    #[test]
    fn an_entry_is_as_small_as_promised() {
        assert_eq!(size_of::<Followers>(), 16);
        assert_eq!(size_of::<(Box<str>, Followers)>(), 32);
    }

    #[derive(Debug, Clone)]
    enum Event {
        Begin(u8, u16),
        End(u8, u16),
        Forget(u16),
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let event = prop_oneof![
            6 => (0u8..6, 0u16..6).prop_map(|(log, server)| Event::Begin(log, server)),
            4 => (0u8..6, 0u16..6).prop_map(|(log, server)| Event::End(log, server)),
            1 => (0u16..6).prop_map(Event::Forget),
        ];
        prop::collection::vec(event, 0..300)
    }

    fn name(log: u8) -> String {
        format!("{}/{log}", if log.is_multiple_of(2) { "u" } else { "t" })
    }

    type Model = BTreeMap<(u8, u16), u32>;

    fn apply(model: &mut Model, event: &Event) {
        match *event {
            Event::Begin(log, server) => *model.entry((log, server)).or_default() += 1,
            Event::End(log, server) => {
                if let Some(count) = model.get_mut(&(log, server)) {
                    *count = count.saturating_sub(1);
                }
            }
            Event::Forget(gone) => model.retain(|(_, server), _| *server != gone),
        }
        model.retain(|_, count| *count > 0);
    }

    proptest! {
        #[test]
        fn the_directory_is_what_the_changes_say_and_nothing_is_left_over(events in events()) {
            let (mut directory, mut model) = (Directory::default(), Model::new());
            for event in &events {
                apply(&mut model, event);
                match event {
                    Event::Begin(log, server) => directory.begin(&name(*log), Server(*server)),
                    Event::End(log, server) => directory.end(&name(*log), Server(*server)),
                    Event::Forget(server) => directory.forget(Server(*server)),
                }
                for log in 0..6 {
                    let expected: Vec<u16> = model.keys().filter(|(l, _)| *l == log).map(|(_, s)| *s).collect();
                    prop_assert_eq!(sorted(&directory, &name(log)), expected);
                }
                let logs: BTreeSet<u8> = model.keys().map(|(log, _)| *log).collect();
                prop_assert_eq!(directory.logs(), logs.len());
                prop_assert_eq!(directory.inboxes(), logs.iter().filter(|log| log.is_multiple_of(2)).count());
            }
            (0..6).for_each(|server| directory.forget(Server(server)));
            prop_assert_eq!((directory.logs(), directory.inboxes()), (0, 0));
        }
    }
}
