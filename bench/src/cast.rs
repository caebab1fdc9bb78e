//! Who connects, who sends what to whom, and who has to get it.

use crate::options::{Options, Scenario};

/// All sessions of a scenario.
#[derive(Debug, Default)]
pub struct Cast {
    /// The sessions, by their number.
    pub roles: Vec<Role>,
    /// How many receive each sender's messages.
    pub receivers: u32,
}

/// One session.
#[derive(Debug, Clone, Default)]
pub struct Role {
    /// Its user id.
    pub user: String,
    /// Which msg_server it is on, of those of an own mesh.
    pub server: usize,
    /// The topic that it creates or joins.
    pub topic: Option<Topic>,
    /// Whether it says `RESUME`: without, nothing durable is pushed to it, and it follows no topic.
    pub resumes: bool,
    /// Whom it sends to, and as which sender.
    pub sends: Option<Sends>,
}

/// A topic that a session is a member of.
#[derive(Debug, Clone)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Whether this session creates it.
    pub creates: bool,
    /// Whether it is volatile.
    pub volatile: bool,
}

/// What a session sends.
#[derive(Debug, Clone)]
pub struct Sends {
    /// Its number among the senders.
    pub sender: u32,
    /// The user or topic.
    pub to: String,
    /// Whether that is a topic.
    pub topic: bool,
    /// Whether the messages are volatile.
    pub volatile: bool,
}

impl Cast {
    /// The sessions of a scenario. `run` keeps the names of one run apart from those of others.
    pub fn of(scenario: Scenario, options: &Options, run: &str) -> Self {
        match scenario {
            Scenario::P2p | Scenario::P2pVolatile => pairs(scenario, options, run),
            Scenario::Fanout | Scenario::FanoutVolatile => one_topic(scenario, options, run),
            Scenario::Append => lonely_topics(options, run),
            Scenario::Idle => silent(options, run),
        }
    }
}

/// Of two msg_servers, half of the pairs are on one, and half on two.
fn pairs(scenario: Scenario, options: &Options, run: &str) -> Cast {
    let (count, servers) = (options.senders(scenario), options.msg_servers.max(1));
    let mut roles = Vec::with_capacity(2 * count);
    for pair in 0..count {
        let receiver = format!("{run}r{pair}");
        let sends = Sends {
            sender: pair as u32,
            to: receiver.clone(),
            topic: false,
            volatile: scenario.is_volatile(),
        };
        let user = format!("{run}s{pair}");
        roles.push(Role {
            user: receiver,
            server: pair / servers % servers,
            resumes: true,
            ..Role::default()
        });
        roles.push(Role { user, server: pair % servers, resumes: true, sends: Some(sends), topic: None });
    }
    Cast { roles, receivers: 1 }
}

/// The senders are members too: each gets what the others send.
fn one_topic(scenario: Scenario, options: &Options, run: &str) -> Cast {
    let (senders, servers) = (options.senders(scenario), options.msg_servers.max(1));
    let members = options.members + 1;
    let volatile = scenario.is_volatile();
    let name = format!("{run}topic");
    let role = |number: usize| {
        let topic = Topic { name: name.clone(), creates: number == 0, volatile };
        let sends = Sends { sender: number as u32, to: name.clone(), topic: true, volatile };
        Role {
            user: format!("{run}m{number}"),
            server: number % servers,
            topic: Some(topic),
            resumes: true,
            sends: (number < senders).then_some(sends),
        }
    };
    Cast { roles: (0..members.max(senders)).map(role).collect(), receivers: members.max(senders) as u32 - 1 }
}

fn lonely_topics(options: &Options, run: &str) -> Cast {
    let role = |number: usize| {
        let name = format!("{run}topic{number}");
        let sends = Sends { sender: number as u32, to: name.clone(), topic: true, volatile: false };
        Role {
            user: format!("{run}a{number}"),
            server: number % options.msg_servers.max(1),
            topic: Some(Topic { name, creates: true, volatile: false }),
            resumes: false,
            sends: Some(sends),
        }
    };
    Cast { roles: (0..options.senders(Scenario::Append)).map(role).collect(), receivers: 0 }
}

fn silent(options: &Options, run: &str) -> Cast {
    let role = |number: usize| Role {
        user: format!("{run}i{number}"),
        server: number % options.msg_servers.max(1),
        resumes: true,
        ..Role::default()
    };
    Cast { roles: (0..options.connections).map(role).collect(), receivers: 0 }
}
