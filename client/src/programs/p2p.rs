//! `client_p2p`: talks to one person at a time.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use super::args::Common;
use super::conversation::{Conversation, Done, TICK, Wanted};
use super::exit::{self, Exit};
use super::json;
use super::program::{self, Program};
use super::prompt::{Prompt, Typed};
use super::script::Script;
use super::start::{self, Started};
use crate::{Events, LogKind, LogName, Message, Target, UserId, Version};

const EXAMPLES: &str = "\
Examples:
  client_p2p                                       asks who you are and whom you talk to
  client_p2p --id amy --to bob                     talk
  echo hi | client_p2p --id amy --to bob --once    send one line; ends when it is stored
  client_p2p --id bob --listen --json --count 1    wait for one message
  client_p2p -conf_file=client.json                with a configuration file of the field";

const COMMANDS: &[&str] = &["/to", "/history", "/who", "/help", "/quit"];

const HELP: &str = "  /to NAME        talk to somebody else
  /history [N]    the newest N messages with them (20)
  /who            who you are, whom you talk to, and whether they are online
  /quit           leave (Ctrl-D does, too)
  //…             a message that begins with /";

/// How often the other's presence is asked for.
const PRESENCE_EVERY: Duration = Duration::from_secs(10);

/// Talks to one person at a time, through a Shoal mesh
#[derive(Debug, Parser)]
#[command(name = "client_p2p", version, after_help = EXAMPLES,
    after_long_help = format!("{EXAMPLES}\n\n{}\n\n{}", exit::HELP, json::HELP))]
struct Args {
    /// Whom you talk to; asked for at a prompt
    #[arg(long, value_name = "NAME")]
    to: Option<UserId>,

    #[command(flatten)]
    common: Common,
}

/// The program, from command line to exit code.
pub fn main() -> ExitCode {
    program::main::<Args>()
}

impl Program for Args {
    const NAME: &'static str = "client_p2p";

    fn common(&self) -> &Common {
        &self.common
    }

    async fn at_prompt(self) -> Result<Exit, Exit> {
        chat(self).await
    }

    async fn in_a_pipe(self) -> Result<Exit, Exit> {
        script(self).await
    }
}

async fn script(args: Args) -> Result<Exit, Exit> {
    let Args { to, common } = args;
    let user = program::user_of_pipe(&common)?;
    if to.is_none() && !common.listen {
        return Err(program::missing("whom are the lines for? --to NAME; to only listen: --listen"));
    }
    let Started { client, events, gateway, device: _device } = start::client(&common, user, Args::NAME)?;
    start::connected(&client, &common, &gateway).await?;
    let screen = program::pipe_screen(&common);
    let peer = to.clone();
    let shown = move |message: &Message| {
        message.topic().is_none() && peer.as_ref().is_none_or(|peer| is_with(message, peer))
    };
    let events = (!common.once).then_some(events);
    let target = to.map(Target::User);
    let script = Script { client, events, target, volatile: false, shown: Box::new(shown), screen, common };
    Ok(script.run().await)
}

/// Whether a message of one's own inbox is part of what one says with `peer`.
fn is_with(message: &Message, peer: &UserId) -> bool {
    message.from == *peer && message.to.is_none() || message.to.as_ref() == Some(peer)
}

/// What background tasks find out for this program.
enum Found {
    Presence(UserId, bool),
    WhoIs(UserId, Option<bool>),
}

struct Chat {
    talk: Conversation<Found>,
    inbox: LogName,
    peer: UserId,
    online: Option<bool>,
    /// The newest version that was shown, and the newest that the mesh was told was read.
    shown: Version,
    read: Version,
}

async fn chat(args: Args) -> Result<Exit, Exit> {
    let (mut prompt, screen, user) = program::open_prompt(&args.common, COMMANDS).await?;
    let peer = match args.to.clone() {
        Some(peer) => peer,
        None => prompt.question("Whom do you want to talk to? ").await.ok_or(Exit::Ok)?,
    };
    let inbox = LogName::inbox(&user);
    let Started { client, mut events, device: _device, .. } = start::client(&args.common, user, Args::NAME)?;
    let talk = Conversation::new(client, screen);
    let mut chat = Chat { talk, inbox, peer, online: None, shown: Version::ZERO, read: Version::ZERO };
    let exit = chat.converse(&mut prompt, &mut events).await.unwrap_or_else(|exit| exit);
    events.handled();
    drop(events);
    prompt.close();
    Ok(chat.talk.leave(exit).await)
}

impl Chat {
    async fn converse(&mut self, prompt: &mut Prompt, events: &mut Events) -> Result<Exit, Exit> {
        let mut ticks = tokio::time::interval(TICK);
        let mut presence = tokio::time::interval(PRESENCE_EVERY);
        self.talk.screen.note("/help shows what you can do")?;
        prompt.ask(self.prompt());
        loop {
            tokio::select! {
                typed = prompt.typed() => match typed {
                    Typed::Left => return Ok(Exit::Ok),
                    Typed::Line(line) => {
                        if self.line(line.trim()).await? {
                            return Ok(Exit::Ok);
                        }
                        prompt.ask(self.prompt());
                    }
                },
                event = events.next() => {
                    if let Some(message) = self.talk.event(event)? {
                        self.message(&message)?;
                    }
                }
                found = self.talk.found() => {
                    if let Some(found) = found? {
                        self.found(found)?;
                    }
                }
                _ = ticks.tick() => {
                    self.talk.tick()?;
                    self.tell_read();
                }
                _ = presence.tick() => self.look_for_peer(),
            }
        }
    }

    fn prompt(&self) -> String {
        format!("{}> ", self.peer)
    }

    /// Takes a typed line; whether that was the last.
    async fn line(&mut self, line: &str) -> Result<bool, Exit> {
        let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim();
        match command {
            "" => {}
            "/quit" | "/exit" | "/q" => return Ok(true),
            "/help" | "/?" => self.talk.screen.say(HELP)?,
            "/to" => self.turn_to(rest)?,
            "/who" => self.who(),
            "/history" => self.history(rest)?,
            other if other.starts_with('/') && !other.starts_with("//") => {
                self.talk.screen.warn(&format!("there is no {other}; /help shows what there is"))?;
            }
            _ => {
                let text = line.strip_prefix('/').filter(|_| line.starts_with("//")).unwrap_or(line);
                let target = Target::User(self.peer.clone());
                self.talk.say(target, text.to_owned(), false).await?;
            }
        }
        Ok(false)
    }

    fn turn_to(&mut self, name: &str) -> Result<(), Exit> {
        match UserId::new(name) {
            Ok(peer) => {
                self.peer = peer;
                self.online = None;
                self.look_for_peer();
                Ok(())
            }
            Err(error) => self.talk.screen.warn(&format!("/to NAME: {error}")),
        }
    }

    fn who(&mut self) {
        let (client, peer) = (self.talk.client.clone(), self.peer.clone());
        self.talk.spawn(async move {
            let online = client.presence(std::slice::from_ref(&peer)).await.ok();
            Done::Found(Found::WhoIs(peer.clone(), online.and_then(|online| online.get(&peer).copied())))
        });
    }

    fn history(&mut self, count: &str) -> Result<(), Exit> {
        let peer = self.peer.clone();
        let wanted = Wanted {
            log: self.inbox.clone(),
            topic: None,
            nothing: format!("nothing was said with {peer} yet"),
            keep: Box::new(move |message| is_with(message, &peer)),
            refused: Box::new(|error| format!("no history: {error}")),
        };
        self.talk.history(count, wanted)
    }

    fn message(&mut self, message: &Message) -> Result<(), Exit> {
        if let LogKind::Topic(_) = message.log.kind() {
            return Ok(());
        }
        self.shown = self.shown.max(message.version.unwrap_or_default());
        if message.from == self.peer && self.online == Some(false) {
            self.look_for_peer();
        }
        // What this user said to somebody else, on another device, belongs to another conversation.
        let elsewhere = message.from == *self.talk.client.user() && !is_with(message, &self.peer);
        if elsewhere { self.talk.pass_over(message) } else { self.talk.show(message, None) }
    }

    /// What was shown here was read.
    fn tell_read(&mut self) {
        if self.shown <= self.read {
            return;
        }
        self.read = self.shown;
        let (client, inbox, version) = (self.talk.client.clone(), self.inbox.clone(), self.shown);
        self.talk.spawn(async move {
            // If it fails, the next message's mark says the same and more.
            let _ = client.read(&inbox, version).await;
            Done::Lines(Vec::new())
        });
    }

    fn look_for_peer(&mut self) {
        let (client, peer) = (self.talk.client.clone(), self.peer.clone());
        self.talk.spawn(async move {
            let online = client.presence(std::slice::from_ref(&peer)).await;
            match online.ok().and_then(|online| online.get(&peer).copied()) {
                Some(online) => Done::Found(Found::Presence(peer, online)),
                None => Done::Lines(Vec::new()),
            }
        });
    }

    fn found(&mut self, found: Found) -> Result<(), Exit> {
        match found {
            Found::Presence(peer, online) if peer == self.peer => {
                if self.online.replace(online) != Some(online) {
                    // Whether the mesh knows them at all shows only when something is sent.
                    let now = match online {
                        true => "online",
                        false => "not online: what you say waits for them, if they were ever here",
                    };
                    self.talk.screen.note(&format!("{peer} is {now}"))?;
                }
                Ok(())
            }
            Found::Presence(..) => Ok(()),
            Found::WhoIs(peer, online) => {
                let state = match online {
                    Some(true) => "who is online",
                    Some(false) => "who is not online",
                    None => "of whom it is not known whether they are online",
                };
                let me = self.talk.client.user();
                self.talk.screen.note(&format!("you are {me}; you talk to {peer}, {state}"))
            }
        }
    }
}
