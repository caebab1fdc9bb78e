//! What happens next: chosen at random among all that may happen.

use crate::dice::Dice;
use crate::event::Event;
use crate::node::Node;
use crate::shape::Weather;
use crate::world::World;

/// Things that may happen, each with its weight.
#[derive(Default)]
struct Urn {
    events: Vec<(usize, Event)>,
    weight: usize,
}

impl Urn {
    fn put(&mut self, weight: usize, event: Event) {
        self.weight += weight;
        self.events.push((weight, event));
    }

    fn draw(self, dice: &mut Dice) -> Event {
        let mut at = dice.below(self.weight);
        for (weight, event) in self.events {
            match at.checked_sub(weight) {
                Some(left) => at = left,
                None => return event,
            }
        }
        Event::Pass { ms: 1 }
    }
}

/// Chooses what happens.
pub struct Fate {
    dice: Dice,
    /// Decides which links are slow for a while: what is late in one of them meets what was early in another.
    speeds: u64,
    left: usize,
}

/// The weight of a message that may arrive.
const SPEEDS: [usize; 6] = [1, 5, 30, 80, 80, 200];

impl Fate {
    /// As the dice say.
    pub fn new(dice: Dice) -> Self {
        Self { dice, speeds: 0, left: 0 }
    }

    /// The next event.
    pub fn next(&mut self, world: &World) -> Event {
        if self.left == 0 {
            self.left = 20 + self.dice.below(60);
            self.speeds = self.dice.bits();
        }
        self.left -= 1;
        draw(world, &mut self.dice, self.speeds)
    }
}

fn speed(from: Node, to: Node, speeds: u64) -> usize {
    let number = |node: Node| match node {
        Node::MsgServer(number) => u64::from(number),
        Node::Router(number) => 16 + u64::from(number),
        Node::Manager(number) => 32 + u64::from(number),
        Node::Client(number) => 48 + u64::from(number),
    };
    let mut dice = Dice::new(speeds ^ (number(from) << 8 | number(to)));
    dice.one_of(&SPEEDS).copied().unwrap_or(1)
}

fn draw(world: &World, dice: &mut Dice, speeds: u64) -> Event {
    let mut urn = Urn::default();
    put_deliveries(world, dice, speeds, &mut urn);
    put_clients(world, dice, &mut urn);
    put_managers(world, dice, &mut urn);
    world
        .repairs()
        .into_iter()
        .filter(|repair| !matches!(repair, Event::Connect { .. }))
        .for_each(|repair| urn.put(35, repair));
    let dead = world.processes().into_iter().filter(|node| !world.is_alive(*node));
    dead.for_each(|node| urn.put(25, Event::Start { node }));
    let ms = *dice.one_of(&[3, 20, 60, 60, 200, 1000, 5000]).unwrap_or(&1);
    urn.put(6, Event::Pass { ms });
    if world.shape.weather != Weather::Calm {
        put_breaks(world, dice, &mut urn);
    }
    if world.shape.weather == Weather::Stormy {
        put_deaths(world, dice, &mut urn);
    }
    urn.draw(dice)
}

fn put_deliveries(world: &World, dice: &mut Dice, speeds: u64, urn: &mut Urn) {
    for (from, to) in world.net.busy() {
        let count = if dice.percent(70) { 1 } else { dice.between(2, 5) };
        urn.put(speed(from, to, speeds), Event::Deliver { from, to, count });
    }
}

fn put_clients(world: &World, dice: &mut Dice, urn: &mut Urn) {
    for (at, client) in world.clients.iter().zip(0u8..) {
        if at.is_attached() {
            urn.put(world.shape.talk, Event::Send { client, to: dice.between(0, 7) });
            urn.put(2, Event::Resend { client });
        }
        if at.connection().is_none() {
            let server = dice.between(0, world.shape.msg_servers - 1);
            urn.put(40, Event::Connect { client, server });
        } else {
            urn.put(world.shape.restlessness, Event::Leave { client });
        }
    }
}

fn put_managers(world: &World, dice: &mut Dice, urn: &mut Urn) {
    for manager in 0..world.shape.managers {
        let Some(at) = world.manager(manager) else { continue };
        if at.is_draining() && at.gathered() + at.answers() == 0 {
            urn.put(20, Event::Kill { node: Node::Manager(manager), keep: 16 });
        }
        if at.gathered() > 0 {
            urn.put(100, Event::Commit { manager });
            if world.shape.weather == Weather::Stormy {
                urn.put(25, Event::TornCommit { manager, writes: dice.between(0, 3) });
            }
        }
        if at.is_busy() {
            urn.put(40, Event::Busy { manager, busy: false });
        }
        if at.answers() > 0 {
            urn.put(world.shape.diligence, Event::Answer { manager, which: dice.between(0, 9) });
        }
    }
    if dice.percent(20) {
        urn.put(6, Event::Trim { log: dice.between(0, 9), keep: dice.between(0, 4) });
    }
}

fn put_breaks(world: &World, dice: &mut Dice, urn: &mut Urn) {
    let server = dice.between(0, world.shape.msg_servers - 1);
    let mut dialers: Vec<Node> = world.processes();
    dialers.retain(|node| !matches!(node, Node::MsgServer(_)));
    dialers.extend((0..world.clients.len() as u8).map(Node::Client));
    if let Some(dialer) = dice.one_of(&dialers)
        && world.net.standing(*dialer, Node::MsgServer(server)).is_some()
    {
        urn.put(10, Event::Break { dialer: *dialer, server, keep: dice.between(0, 3) });
    }
}

fn put_deaths(world: &World, dice: &mut Dice, urn: &mut Urn) {
    let alive: Vec<Node> = world.processes().into_iter().filter(|node| world.is_alive(*node)).collect();
    if let Some(node) = dice.one_of(&alive) {
        urn.put(8, Event::Kill { node: *node, keep: dice.between(0, 16) });
    }
    let manager = dice.between(0, world.shape.managers - 1);
    urn.put(2, Event::Drain { manager });
    urn.put(10, Event::Busy { manager, busy: true });
}
