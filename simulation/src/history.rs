//! One history from its beginning to its end, at random or as a script says; and the shortest that still fails.

use std::fmt;

use crate::check;
use crate::dice::Dice;
use crate::event::Event;
use crate::generate::Fate;
use crate::planted::Planted;
use crate::shape::{Ending, Shape};
use crate::world::World;

/// Replays that are spent on making a failing script shorter.
const ATTEMPTS: usize = 3_000;

/// A script, and the mesh that it is for.
#[derive(Debug, Clone)]
pub struct History {
    /// What leads to it.
    pub seed: u64,
    /// What it begins with, and how it ends.
    pub shape: Shape,
    /// What happens.
    pub events: Vec<Event>,
}

/// What a history came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The broken promises.
    pub broken: Vec<String>,
    /// Messages that were stored, in all logs.
    pub stored: u64,
    /// Whether everybody has to have everything before the slow question is asked.
    pub prompt: bool,
    /// What happened, line by line, where it was written down.
    pub trace: Vec<String>,
}

/// A history that breaks a promise, as short as it was made.
#[derive(Debug)]
pub struct Failure {
    /// The shortened history.
    pub history: History,
    /// How many events it had.
    pub events_before: usize,
    /// What the shortened history comes to.
    pub outcome: Outcome,
}

/// The history that a seed leads to, and what it came to.
///
/// # Errors
/// [`protocol::ids::NameError`] never: the names are fixed.
pub fn random(seed: u64, planted: Planted) -> Result<(History, Outcome), protocol::ids::NameError> {
    let mut dice = Dice::new(seed);
    let shape = Shape::new(&mut dice)?;
    let mut world = World::new(&shape, planted, false);
    let mut events = Vec::with_capacity(shape.length);
    let mut fate = Fate::new(dice);
    for _ in 0..shape.length {
        let event = fate.next(&world);
        world.apply(&event);
        events.push(event);
    }
    Ok((History { seed, shape, events }, finish(world)))
}

/// Plays a script.
pub fn replay(history: &History, planted: Planted, traced: bool) -> Outcome {
    let mut world = World::new(&history.shape, planted, traced);
    history.events.iter().for_each(|event| world.apply(event));
    finish(world)
}

/// The faults stop; in the end every promise is kept.
fn finish(mut world: World) -> Outcome {
    world.net.note(|| "* the faults stop".into());
    world.heal();
    world.rest();
    let late = check::late(&world);
    let mut broken = Vec::new();
    // Where there is no router, or nobody is left to publish something, the slow question alone is promised to help.
    let prompt = world.shape.ending == Ending::Healed && world.shape.routers > 0 && !world.orphans;
    if prompt {
        broken.extend(check::doubled(&world));
        broken.extend(late.into_iter().map(|late| format!("before the slow question, {late}")));
    }
    world.ask_slowly();
    world.rest();
    broken.extend(check::late(&world));
    broken.extend(check::broken(&world));
    let stored = world.shape.logs().iter().map(|log| world.head(log).0).sum();
    Outcome { broken, stored, prompt, trace: world.net.into_trace() }
}

/// Leaves out of a failing history whatever it fails without.
pub fn shorten(history: History, planted: Planted) -> Failure {
    let events_before = history.events.len();
    let mut shortest = history;
    let (mut chunk, mut attempts) = (shortest.events.len().div_ceil(2), 0);
    while chunk > 0 {
        let mut from = 0;
        let mut any = false;
        while from < shortest.events.len() && attempts < ATTEMPTS {
            let mut shorter = shortest.clone();
            shorter.events.drain(from..(from + chunk).min(shortest.events.len()));
            attempts += 1;
            if replay(&shorter, planted, false).broken.is_empty() {
                from += chunk;
            } else {
                shortest = shorter;
                any = true;
            }
        }
        // A smaller part only when no part of this size can go.
        if !any || chunk > 1 {
            chunk /= 2;
        }
    }
    let outcome = replay(&shortest, planted, true);
    Failure { history: shortest, events_before, outcome }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let History { seed, shape, events } = &self.history;
        writeln!(f, "seed {seed} (replay it alone with SIM_SEED={seed}) breaks promises:")?;
        self.outcome.broken.iter().try_for_each(|broken| writeln!(f, "  - {broken}"))?;
        writeln!(
            f,
            "{} msg_servers, {} routers, {} managers, {:?}, {:?}; of {} events these {} suffice:",
            shape.msg_servers,
            shape.routers,
            shape.managers,
            shape.weather,
            shape.ending,
            self.events_before,
            events.len()
        )?;
        self.outcome.trace.iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}
