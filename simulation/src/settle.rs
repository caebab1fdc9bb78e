//! The end of a history: the faults stop, everything that can run runs, and all that is on its way arrives.

use std::time::Duration;

use crate::event::Event;
use crate::node::Node;
use crate::role::manager::Manager;
use crate::shape::Ending;
use crate::world::World;

/// Longer than any wait but the slow question's: appends, questions and pairs that are younger than this are settled.
const LONGEST_WAIT: Duration = Duration::from_secs(17);
/// A mesh that is not at rest after so many rounds never will be.
const ROUNDS: usize = 2_000;

impl World {
    /// What dead processes left is taken in, then everything is healed, but for what the ending leaves dead.
    pub fn heal(&mut self) {
        self.healed_at = Some(self.net.now());
        self.free_managers();
        self.drain_managers();
        for manager in 0..self.shape.managers {
            if self.manager(manager).is_some_and(Manager::is_draining) {
                self.apply(&Event::Kill { node: Node::Manager(manager), keep: 16 });
            }
        }
        for node in self.processes() {
            let gone = match self.shape.ending {
                Ending::Healed => false,
                Ending::OneRouterGone => node == Node::Router(0),
                Ending::RoutersGone => matches!(node, Node::Router(_)),
            };
            if gone {
                self.apply(&Event::Kill { node, keep: 0 });
            } else if !self.is_alive(node) {
                self.apply(&Event::Start { node });
            }
        }
    }

    fn free_managers(&mut self) {
        for manager in 0..self.shape.managers {
            self.apply(&Event::Busy { manager, busy: false });
        }
    }

    /// Whatever is on its way to a manager is committed before anybody is told that everything is back.
    fn drain_managers(&mut self) {
        for _ in 0..ROUNDS {
            let to_managers = self.net.busy().into_iter().filter(|(_, to)| matches!(to, Node::Manager(_)));
            let coming: Vec<_> = to_managers.collect();
            coming
                .iter()
                .for_each(|(from, to)| self.apply(&Event::Deliver { from: *from, to: *to, count: 8 }));
            if !self.managers_work() && coming.is_empty() {
                return;
            }
        }
    }

    /// Until nothing is on its way, without waiting for anything.
    pub fn settle(&mut self) {
        for _ in 0..ROUNDS {
            if !self.move_on() {
                return;
            }
        }
    }

    /// Until nothing is on its way and nothing is waited for.
    pub fn rest(&mut self) {
        let end = self.net.now() + LONGEST_WAIT;
        for _ in 0..ROUNDS {
            if self.move_on() {
                continue;
            }
            match self.next_alarm().filter(|at| *at <= end) {
                Some(at) => self.pass(at.saturating_sub(self.net.now())),
                None => return,
            }
        }
        self.ledger.broken(|| format!("the mesh does not come to rest: {:?}", self.net.busy()));
    }

    /// Asks the slow question everywhere.
    pub fn ask_slowly(&mut self) {
        self.net.note(|| "* the slow question is asked".into());
        for msg_server in self.msg_servers.iter_mut().flatten() {
            msg_server.ask_slowly(&mut self.net);
        }
    }

    /// One round: everything that may happen without time passing happens once. False if there was nothing.
    fn move_on(&mut self) -> bool {
        let busy = self.net.busy();
        for (from, to) in &busy {
            self.apply(&Event::Deliver { from: *from, to: *to, count: 4 });
        }
        let worked = self.managers_work();
        let repaired = busy.is_empty() && self.repair();
        !busy.is_empty() || worked || repaired
    }

    fn managers_work(&mut self) -> bool {
        let mut any = false;
        for manager in 0..self.shape.managers {
            let waits =
                |world: &Self| world.manager(manager).map_or((0, 0), |at| (at.gathered(), at.answers()));
            if waits(self).0 > 0 {
                any = true;
                self.apply(&Event::Commit { manager });
            }
            for _ in 0..waits(self).1 {
                any = true;
                self.apply(&Event::Answer { manager, which: 0 });
            }
        }
        any
    }

    /// Dead links are noticed, missing ones dialled, and clients that want to be online come back.
    fn repair(&mut self) -> bool {
        let repairs = self.repairs();
        repairs.iter().for_each(|repair| self.apply(repair));
        !repairs.is_empty()
    }

    /// What would bring the mesh closer to be whole, but for starting processes.
    pub fn repairs(&self) -> Vec<Event> {
        let clients = (0..self.clients.len() as u8).map(Node::Client);
        let nodes: Vec<Node> = self.processes().into_iter().chain(clients).collect();
        let notices = nodes.iter().flat_map(|at| {
            let dead = self.net.unnoticed(*at).into_iter();
            dead.map(|(_, of)| Event::Notice { at: *at, of })
        });
        let dialers = nodes.iter().filter(|node| matches!(node, Node::Router(_) | Node::Manager(_)));
        let dials = dialers.flat_map(|dialer| {
            let servers = (0..self.shape.msg_servers).filter(|server| self.may_dial(*dialer, *server));
            servers.map(|server| Event::Dial { dialer: *dialer, server })
        });
        notices.chain(dials).chain(self.returns()).collect()
    }

    fn returns(&self) -> impl Iterator<Item = Event> {
        let away = self.clients.iter().zip(0u8..);
        let away = away.filter(|(client, _)| client.wants_to_be_online && client.connection().is_none());
        away.filter_map(|(_, client)| {
            let servers =
                (0..self.shape.msg_servers).map(|offset| (client + offset) % self.shape.msg_servers);
            let mut alive = servers.filter(|server| self.is_alive(Node::MsgServer(*server)));
            alive.next().map(|server| Event::Connect { client, server })
        })
    }
}
