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

/// The next event.
pub fn next(world: &World, dice: &mut Dice) -> Event {
    let mut urn = Urn::default();
    put_deliveries(world, dice, &mut urn);
    put_clients(world, dice, &mut urn);
    put_managers(world, dice, &mut urn);
    world
        .repairs()
        .into_iter()
        .filter(|repair| !matches!(repair, Event::Connect { .. }))
        .for_each(|repair| urn.put(5, repair));
    let dead = world.processes().into_iter().filter(|node| !world.is_alive(*node));
    dead.for_each(|node| urn.put(3, Event::Start { node }));
    let ms = *dice.one_of(&[3, 20, 60, 60, 200, 1000, 5000]).unwrap_or(&1);
    urn.put(2, Event::Pass { ms });
    if world.shape.weather != Weather::Calm {
        put_breaks(world, dice, &mut urn);
    }
    if world.shape.weather == Weather::Stormy {
        put_deaths(world, dice, &mut urn);
    }
    urn.draw(dice)
}

fn put_deliveries(world: &World, dice: &mut Dice, urn: &mut Urn) {
    for (from, to) in world.net.busy() {
        let count = if dice.percent(70) { 1 } else { dice.between(2, 5) };
        urn.put(8, Event::Deliver { from, to, count });
    }
}

fn put_clients(world: &World, dice: &mut Dice, urn: &mut Urn) {
    for (at, client) in world.clients.iter().zip(0u8..) {
        if at.is_attached() {
            urn.put(5, Event::Send { client, to: dice.between(0, 7) });
            urn.put(1, Event::Resend { client });
        }
        if at.connection().is_none() {
            let server = dice.between(0, world.shape.msg_servers - 1);
            urn.put(6, Event::Connect { client, server });
        } else {
            urn.put(1, Event::Leave { client });
        }
    }
}

fn put_managers(world: &World, dice: &mut Dice, urn: &mut Urn) {
    for manager in 0..world.shape.managers {
        let Some(at) = world.manager(manager) else { continue };
        if at.gathered() > 0 {
            urn.put(10, Event::Commit { manager });
            if world.shape.weather == Weather::Stormy {
                urn.put(1, Event::TornCommit { manager, writes: dice.between(0, 4) });
            }
        }
        if at.answers() > 0 {
            urn.put(14, Event::Answer { manager, which: dice.between(0, 9) });
        }
    }
    if dice.percent(20) {
        urn.put(1, Event::Trim { log: dice.between(0, 9), keep: dice.between(0, 4) });
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
        urn.put(4, Event::Break { dialer: *dialer, server, keep: dice.between(0, 3) });
    }
}

fn put_deaths(world: &World, dice: &mut Dice, urn: &mut Urn) {
    let alive: Vec<Node> = world.processes().into_iter().filter(|node| world.is_alive(*node)).collect();
    if let Some(node) = dice.one_of(&alive) {
        urn.put(2, Event::Kill { node: *node, keep: dice.between(0, 16) });
    }
    let manager = dice.between(0, world.shape.managers - 1);
    urn.put(1, Event::Busy { manager, busy: dice.percent(30) });
}
