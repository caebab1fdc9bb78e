//! What a history begins with: the processes, the clients, who is a member of what, and how it ends.

use protocol::ids::{DeviceId, LogName, NameError, TopicName, UserId};

use crate::dice::Dice;

const USERS: [&str; 3] = ["amy", "bob", "eve"];
const TOPICS: [&str; 2] = ["garden", "kitchen"];

/// The parts of a mesh.
#[derive(Debug, Clone)]
pub struct Shape {
    /// How many msg_servers, 2 or 3.
    pub msg_servers: u8,
    /// How many routers, 0 to 2.
    pub routers: u8,
    /// How many managers, 1 or 2, that share one store.
    pub managers: u8,
    /// The clients.
    pub clients: Vec<Person>,
    /// The topics, each with its members: places in [`USERS`].
    pub topics: Vec<(TopicName, Vec<UserId>)>,
    /// What befalls it, and how often.
    pub weather: Weather,
    /// How much is said, against all else that happens.
    pub talk: usize,
    /// How many messages wait for one session at most; what is durable and does not fit is read again later.
    pub queue: usize,
    /// How soon managers answer, against all else that happens.
    pub diligence: usize,
    /// Bytes that every message has besides its text: where they are many, few early entries fit into a feed's memory, and few
    /// entries into a page.
    pub ballast: usize,
    /// How often clients leave.
    pub restlessness: usize,
    /// How many events there are before everything is healed.
    pub length: usize,
    /// Whether all links stand when it begins.
    pub warm: bool,
    /// Whether the slow question is asked while things happen; else only at the end, so that it does not hide what it mends.
    pub asks_slowly: bool,
    /// How it ends.
    pub ending: Ending,
}

/// One client.
#[derive(Debug, Clone)]
pub struct Person {
    /// Who.
    pub user: UserId,
    /// On which device; where another client of the user has the same one, they replace each other.
    pub device: DeviceId,
    /// Whether it sends again what was not answered; others leave it at that.
    pub resends: bool,
    /// Whether it reads everything from the beginning, else from the head at its first login.
    pub from_start: bool,
}

/// What befalls a mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// Nothing: sessions come and go, and messages take their time.
    Calm,
    /// Links break now and then.
    Windy,
    /// Processes die, too.
    Stormy,
}

/// How a history ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Everything runs and is linked again.
    Healed,
    /// As before, but one router is dead and stays so: what was lost in it is found by the slow question at the latest.
    OneRouterGone,
    /// As before, but the routers are dead and stay so: only the slow question is left.
    RoutersGone,
}

impl Shape {
    /// The shape that a seed leads to.
    ///
    /// # Errors
    /// [`NameError`] never: the names are fixed.
    pub fn new(dice: &mut Dice) -> Result<Self, NameError> {
        let users = USERS[..2 + dice.below(2)].iter().map(|name| UserId::new(name));
        let users: Vec<UserId> = users.collect::<Result<_, _>>()?;
        let weather = match dice.below(10) {
            0..3 => Weather::Calm,
            3..6 => Weather::Windy,
            _ => Weather::Stormy,
        };
        let ending = match dice.below(100) {
            0..10 if weather != Weather::Calm => Ending::RoutersGone,
            10..25 if weather != Weather::Calm => Ending::OneRouterGone,
            _ => Ending::Healed,
        };
        let longest = *dice.one_of(&[50, 100, 200, 400]).unwrap_or(&200);
        let length = 60 + dice.below(longest);
        Ok(Self {
            msg_servers: dice.between(2, 3),
            routers: if dice.percent(10) { 0 } else { dice.between(1, 2) },
            managers: dice.between(1, 2),
            clients: people(dice, &users)?,
            topics: topics(dice, &users)?,
            weather,
            talk: *dice.one_of(&[6, 15, 40]).unwrap_or(&15),
            queue: *dice.one_of(&[2, 6, 1000]).unwrap_or(&6),
            diligence: *dice.one_of(&[120, 120, 6]).unwrap_or(&120),
            ballast: if dice.percent(3) { 400 << 10 } else { 0 },
            restlessness: *dice.one_of(&[1, 3, 10]).unwrap_or(&3),
            length,
            warm: dice.percent(80),
            asks_slowly: dice.percent(15),
            ending,
        })
    }

    /// Every log of the mesh.
    pub fn logs(&self) -> Vec<LogName> {
        let mut users: Vec<&UserId> = self.clients.iter().map(|person| &person.user).collect();
        users.sort();
        users.dedup();
        let inboxes = users.into_iter().map(LogName::inbox);
        inboxes.chain(self.topics.iter().map(|(topic, _)| LogName::topic(topic))).collect()
    }
}

fn people(dice: &mut Dice, users: &[UserId]) -> Result<Vec<Person>, NameError> {
    let extra = dice.below(3);
    let all = users.iter().cycle().take(users.len() + extra).enumerate();
    all.map(|(number, user)| {
        let device = if dice.percent(20) { number % users.len() } else { number };
        Ok(Person {
            user: user.clone(),
            device: DeviceId::new(&format!("device{device}"))?,
            resends: dice.percent(75),
            from_start: dice.percent(50),
        })
    })
    .collect()
}

fn topics(dice: &mut Dice, users: &[UserId]) -> Result<Vec<(TopicName, Vec<UserId>)>, NameError> {
    let names = &TOPICS[..1 + dice.below(TOPICS.len())];
    let members = |dice: &mut Dice| {
        let some: Vec<UserId> = users.iter().filter(|_| dice.percent(85)).cloned().collect();
        if some.is_empty() { users.to_vec() } else { some }
    };
    names.iter().map(|name| Ok((TopicName::new(name)?, members(dice)))).collect()
}
