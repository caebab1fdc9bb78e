//! The wires between processes: queues in order, which break with what is in them. Also the clock, and the trace.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use mesh::link::LinkId;

use crate::message::Message;
use crate::node::Node;
use crate::planted::Planted;

/// Everything between the processes.
#[derive(Debug)]
pub struct Net {
    now: Duration,
    epoch: Instant,
    dialled: u64,
    wires: BTreeMap<LinkId, Wire>,
    /// Wires whose end at a msg_server died with that process.
    orphaned: BTreeSet<LinkId>,
    trace: Option<Vec<String>>,
    /// The bug that is planted in this mesh.
    pub planted: Planted,
}

/// One connection, from its making to when both ends know that it is dead. Its id is the link's id at both ends.
#[derive(Debug)]
struct Wire {
    /// The end that dialled, then the end at the msg_server.
    ends: [End; 2],
    /// Nothing that is sent from now on arrives.
    dead: bool,
}

#[derive(Debug)]
struct End {
    node: Node,
    /// The process there lives, and does not know the wire to be dead.
    open: bool,
    /// What is on its way to this end.
    coming: VecDeque<Message>,
}

impl Net {
    /// No wires, at the beginning of the time; `traced`: what happens is written down.
    pub fn new(planted: Planted, traced: bool) -> Self {
        let trace = traced.then(Vec::new);
        let (wires, orphaned) = (BTreeMap::new(), BTreeSet::new());
        Self { now: Duration::ZERO, epoch: Instant::now(), dialled: 0, wires, orphaned, trace, planted }
    }

    /// The virtual time.
    pub fn now(&self) -> Duration {
        self.now
    }

    /// The virtual time as code with real clocks sees it.
    pub fn instant(&self) -> Instant {
        self.epoch + self.now
    }

    /// The virtual time of a moment.
    pub fn time_of(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.epoch)
    }

    /// Moves the clock on; never back.
    pub fn move_to(&mut self, at: Duration) {
        self.now = self.now.max(at);
    }

    /// Writes a line into the trace.
    pub fn note(&mut self, line: impl FnOnce() -> String) {
        let now = self.now;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>7} ms  {}", now.as_millis(), line()));
        }
    }

    /// What was written down.
    pub fn into_trace(self) -> Vec<String> {
        self.trace.unwrap_or_default()
    }

    /// Whether this bug is planted.
    pub fn has(&self, bug: Planted) -> bool {
        self.planted == bug
    }

    /// Makes a wire.
    pub fn dial(&mut self, dialer: Node, server: Node) -> LinkId {
        self.dialled += 1;
        let end = |node| End { node, open: true, coming: VecDeque::new() };
        self.wires.insert(LinkId(self.dialled), Wire { ends: [end(dialer), end(server)], dead: false });
        LinkId(self.dialled)
    }

    /// Sends from one end of a wire to the other; lost if the wire is dead.
    pub fn send(&mut self, from: Node, link: LinkId, message: Message) {
        let Some(wire) = self.wires.get_mut(&link).filter(|wire| wire.end(from).open) else { return };
        if wire.dead {
            self.note(|| format!("{from} loses in a dead link: {message}"));
        } else {
            wire.other_end(from).coming.push_back(message);
        }
    }

    /// Sends a frame.
    pub fn frame(&mut self, from: Node, link: LinkId, frame: Bytes) {
        self.send(from, link, Message::Frame(frame));
    }

    /// What is next on its way from one node to another, over the oldest wire that has something.
    pub fn take(&mut self, from: Node, to: Node) -> Option<(LinkId, Message)> {
        let between = |wire: &&mut Wire| wire.joins(from, to);
        let (link, message) =
            self.wires.iter_mut().filter(|(_, wire)| between(wire)).find_map(|(link, wire)| {
                wire.end_mut(to).coming.pop_front().map(|message| (*link, message))
            })?;
        self.note(|| format!("{from} → {to}  {message}"));
        Some((link, message))
    }

    /// How many messages are on their way from a node over a wire.
    pub fn on_the_way(&self, from: Node, link: LinkId) -> usize {
        self.wires.get(&link).map_or(0, |wire| wire.far_end(from).coming.len())
    }

    /// All directions in which something is on its way.
    pub fn busy(&self) -> Vec<(Node, Node)> {
        let mut busy = Vec::new();
        for wire in self.wires.values() {
            for (to, from) in [(0, 1), (1, 0)] {
                let direction = (wire.ends[from].node, wire.ends[to].node);
                if !wire.ends[to].coming.is_empty() && !busy.contains(&direction) {
                    busy.push(direction);
                }
            }
        }
        busy
    }

    /// Breaks what is between two nodes: of what is on its way each way, so many messages still arrive.
    pub fn cut(&mut self, one: Node, other: Node, keep: [usize; 2]) -> bool {
        let mut any = false;
        for wire in self.wires.values_mut().filter(|wire| !wire.dead && wire.joins(one, other)) {
            any = true;
            wire.dead = true;
            wire.end_mut(one).coming.truncate(keep[0]);
            wire.end_mut(other).coming.truncate(keep[1]);
        }
        any
    }

    /// A process dies: its ends are gone, and of what it had sent over each wire, `keep` of its length still arrives.
    pub fn kill(&mut self, node: Node, mut keep: impl FnMut(Node, usize) -> usize) {
        for (link, wire) in self.wires.iter_mut().filter(|(_, wire)| wire.touches(node)) {
            if matches!(node, Node::MsgServer(_)) {
                self.orphaned.insert(*link);
            }
            let sent = wire.other_end(node);
            let (other, length) = (sent.node, sent.coming.len());
            sent.coming.truncate(keep(other, length));
            wire.dead = true;
            wire.end_mut(node).shut();
        }
        self.forget_shut();
    }

    /// Whether the msg_server's process at its end is gone, so that nobody there waits for an answer.
    pub fn is_orphaned(&self, link: LinkId) -> bool {
        self.orphaned.contains(&link)
    }

    /// Ends of a node whose wire is dead without its knowing, with who is at the other end.
    pub fn unnoticed(&self, at: Node) -> Vec<(LinkId, Node)> {
        let dead = self.wires.iter().filter(|(_, wire)| wire.dead && wire.touches(at) && wire.end(at).open);
        dead.map(|(link, wire)| (*link, wire.far_end(at).node)).collect()
    }

    /// One end is shut, by choice or because it noticed that the wire is dead: the other end will notice, too.
    pub fn shut(&mut self, at: Node, link: LinkId) {
        if let Some(wire) = self.wires.get_mut(&link) {
            wire.dead = true;
            wire.end_mut(at).shut();
        }
        self.forget_shut();
    }

    /// The wire that a dialer takes for standing.
    pub fn standing(&self, dialer: Node, server: Node) -> Option<LinkId> {
        let stands =
            |wire: &Wire| wire.ends[0].node == dialer && wire.ends[0].open && wire.ends[1].node == server;
        self.wires.iter().find(|(_, wire)| stands(wire)).map(|(link, _)| *link)
    }

    fn forget_shut(&mut self) {
        self.wires.retain(|_, wire| wire.ends.iter().any(|end| end.open));
    }
}

impl Wire {
    fn touches(&self, node: Node) -> bool {
        self.ends.iter().any(|end| end.node == node)
    }

    fn joins(&self, one: Node, other: Node) -> bool {
        self.touches(one) && self.touches(other)
    }

    fn index(&self, node: Node) -> usize {
        usize::from(self.ends[1].node == node)
    }

    fn end(&self, node: Node) -> &End {
        &self.ends[self.index(node)]
    }

    fn end_mut(&mut self, node: Node) -> &mut End {
        let index = self.index(node);
        &mut self.ends[index]
    }

    fn far_end(&self, node: Node) -> &End {
        &self.ends[1 - self.index(node)]
    }

    fn other_end(&mut self, node: Node) -> &mut End {
        let index = 1 - self.index(node);
        &mut self.ends[index]
    }
}

impl End {
    fn shut(&mut self) {
        self.open = false;
        self.coming.clear();
    }
}
