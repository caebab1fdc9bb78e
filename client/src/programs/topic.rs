//! `client_topic`: talks in topics.

use std::process::ExitCode;

use clap::Parser;
use protocol::code::ErrorCode;

use super::args::Common;
use super::exit::{self, Exit};
use super::program::{self, Program};
use super::script::Script;
use super::start::{self, Started};
use super::{json, wording};
use crate::{Client, Message, RequestError, Target, TopicName};

mod chat;

const EXAMPLES: &str = "\
Examples:
  client_topic                                        asks who you are and where you want to talk
  client_topic --id amy --create garden               make a topic, and talk in it
  client_topic --id bob --join garden                 join it, and talk
  echo rain | client_topic --id amy --topic garden --once    send one line; ends when it is stored
  client_topic --id bob --topic garden --listen --json       show what comes, as JSON lines";

/// Talks in topics, through a Shoal mesh
#[derive(Debug, Parser)]
#[command(name = "client_topic", version, after_help = EXAMPLES,
    after_long_help = format!("{EXAMPLES}\n\n{}\n\n{}", exit::HELP, json::HELP))]
struct Args {
    /// Make this topic, and talk in it
    #[arg(long, value_name = "NAME", conflicts_with_all = ["join", "topic"])]
    create: Option<TopicName>,

    /// Join this topic, and talk in it
    #[arg(long, value_name = "NAME", conflicts_with = "topic")]
    join: Option<TopicName>,

    /// Talk in this topic, of which you are a member
    #[arg(long, value_name = "NAME")]
    topic: Option<TopicName>,

    /// With --create: a topic that stores nothing
    #[arg(long)]
    volatile: bool,

    #[command(flatten)]
    common: Common,
}

/// The program, from command line to exit code.
pub fn main() -> ExitCode {
    program::main::<Args>()
}

impl Program for Args {
    const NAME: &'static str = "client_topic";

    fn common(&self) -> &Common {
        &self.common
    }

    async fn at_prompt(self) -> Result<Exit, Exit> {
        let (prompt, screen, user) = program::open_prompt(&self.common, chat::COMMANDS).await?;
        let Started { client, events, device: _device, .. } = start::client(&self.common, user, Self::NAME)?;
        Ok(chat::run(client, events, prompt, screen, &self).await)
    }

    async fn in_a_pipe(self) -> Result<Exit, Exit> {
        script(self).await
    }
}

async fn script(args: Args) -> Result<Exit, Exit> {
    let user = program::user_of_pipe(&args.common)?;
    let topic = args.create.clone().or_else(|| args.join.clone()).or_else(|| args.topic.clone());
    if topic.is_none() && !args.common.listen {
        return Err(program::missing(
            "in which topic? --topic, --join or --create NAME; to only listen: --listen",
        ));
    }
    let Started { client, events, gateway, device: _device } = start::client(&args.common, user, Args::NAME)?;
    start::connected(&client, &args.common, &gateway).await?;
    let volatile = match enter(&client, &args).await {
        Ok(volatile) => volatile,
        Err(error) => {
            eprintln!("{}", refusal(&error, topic.as_ref()));
            return Err(if matches!(error, RequestError::Refused { .. }) {
                Exit::Refused
            } else {
                Exit::NotYet
            });
        }
    };
    let common = args.common;
    let screen = program::pipe_screen(&common);
    let only = topic.clone();
    let shown = move |message: &Message| {
        message.topic().is_some_and(|topic| only.as_ref().is_none_or(|only| topic == *only))
    };
    let events = (!common.once).then_some(events);
    let target = topic.map(Target::Topic);
    let script = Script { client, events, target, volatile, shown: Box::new(shown), screen, common };
    Ok(script.run().await)
}

/// Creates or joins, as the command line says; whether the topic is a volatile one.
async fn enter(client: &Client, args: &Args) -> Result<bool, RequestError> {
    if let Some(topic) = &args.create {
        let state = match args.volatile {
            true => client.create_volatile_topic(topic).await?,
            false => client.create_topic(topic).await?,
        };
        return Ok(state.volatile);
    }
    if let Some(topic) = &args.join {
        return Ok(client.join_topic(topic).await?.volatile);
    }
    let Some(topic) = &args.topic else { return Ok(false) };
    let mine = client.topics().await?;
    let state = mine.iter().find(|state| state.log.topic_name().as_ref() == Some(topic));
    match state {
        Some(state) => Ok(state.volatile),
        // Nothing will ever come; what is sent is refused line by line.
        None if args.common.listen => Err(not_a_member()),
        None => Ok(false),
    }
}

/// What the mesh says to whoever sends to a topic of others.
fn not_a_member() -> RequestError {
    let code = ErrorCode::NotAMember;
    RequestError::Refused { code: code.number(), message: code.meaning().to_owned() }
}

/// Why something about a topic was refused, and what helps.
fn refusal(error: &RequestError, topic: Option<&TopicName>) -> String {
    match (error, topic) {
        (RequestError::Refused { code, message }, Some(topic)) => {
            let error = crate::SendError::Refused { code: *code, message: message.clone() };
            wording::send_error(&Target::Topic(topic.clone()), &error)
        }
        (error, _) => error.to_string(),
    }
}
