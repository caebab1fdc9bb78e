//! `client_topic` at a prompt.

use std::collections::{BTreeMap, BTreeSet};

use super::super::called::as_called;
use super::super::conversation::{Conversation, Done, TICK, Wanted};
use super::super::exit::Exit;
use super::super::prompt::{Prompt, Typed};
use super::super::screen::Screen;
use super::super::wording;
use super::{Args, enter, not_a_member, refusal};
use crate::{
    Client, Event, Events, LogName, LogState, Message, Target, TopicName, TopicState, UserId, Version,
};

/// What Tab completes.
pub const COMMANDS: &[&str] =
    &["/to", "/create", "/join", "/leave", "/members", "/topics", "/history", "/help", "/quit"];

const HELP: &str = "  /join NAME               join a topic, and talk there
  /create NAME [volatile]  make a topic, and talk there; a volatile one stores nothing
  /to NAME                 talk in another of your topics
  /leave [NAME]            leave this topic, or another
  /members                 who is in this topic
  /topics                  your topics
  /history [N]             the newest N messages of this topic (20)
  /quit                    leave the program (Ctrl-D does, too)
  //…                      a message that begins with /";

/// Names that `/members` shows, at most.
const MAX_MEMBERS: usize = 1000;

/// What background tasks find out.
enum Found {
    Entered(TopicState),
    Left(TopicName),
    /// Neither of both, and why.
    Refused(String),
    Topics(Vec<LogState>),
    Nothing,
}

/// What follows a typed line.
enum Next {
    /// The prompt.
    Ask,
    /// The prompt, when it is known where the next line goes.
    Wait,
    /// The end.
    Leave,
}

struct Chat {
    talk: Conversation<Found>,
    topic: Option<TopicName>,
    volatile: BTreeSet<TopicName>,
    /// Per log, the newest version that was shown, and that the mesh was told was read.
    shown: BTreeMap<LogName, (Version, Version)>,
    /// Who was said to have written to this user alone.
    letters: BTreeSet<UserId>,
}

/// Talks until whoever sits there leaves.
pub async fn run(
    client: Client,
    mut events: Events,
    mut prompt: Prompt,
    screen: Screen,
    args: &Args,
) -> Exit {
    let mut chat = Chat {
        talk: Conversation::new(client, screen),
        topic: args.topic.clone(),
        volatile: BTreeSet::new(),
        shown: BTreeMap::new(),
        letters: BTreeSet::new(),
    };
    let first = chat.begin(args);
    let exit = chat.converse(first, &mut prompt, &mut events).await.unwrap_or_else(|exit| exit);
    events.handled();
    drop(events);
    prompt.close();
    chat.talk.leave(exit).await
}

impl Chat {
    /// Creates or joins as the command line says; without a topic, shows which there are.
    fn begin(&mut self, args: &Args) -> Next {
        let (create, join, topic, volatile) =
            (args.create.clone(), args.join.clone(), args.topic.clone(), args.volatile);
        let client = self.talk.client.clone();
        match create.clone().or(join.clone()) {
            Some(name) => {
                let args = Args { create, join, topic, volatile, common: args.common.clone() };
                self.talk.spawn(async move {
                    match enter(&client, &args).await {
                        Ok(volatile) => Done::Found(Found::Entered(entered(&name, volatile))),
                        Err(error) => Done::Found(Found::Refused(refusal(&error, Some(&name)))),
                    }
                });
                return Next::Wait;
            }
            None => match topic {
                None => self.topics(),
                Some(name) => self.expect_member(name),
            },
        }
        Next::Ask
    }

    /// Says so where this user is not a member of `topic`: nothing would come, and nothing could be said.
    fn expect_member(&mut self, topic: TopicName) {
        let client = self.talk.client.clone();
        self.talk.spawn(async move {
            match client.topics().await {
                Ok(mine) if !mine.iter().any(|state| state.log.topic_name().as_ref() == Some(&topic)) => {
                    Done::Failed(refusal(&not_a_member(), Some(&topic)))
                }
                _ => Done::Lines(Vec::new()),
            }
        });
    }

    async fn converse(
        &mut self,
        first: Next,
        prompt: &mut Prompt,
        events: &mut Events,
    ) -> Result<Exit, Exit> {
        let mut ticks = tokio::time::interval(TICK);
        self.talk.screen.note("/help shows what you can do")?;
        if matches!(first, Next::Ask) {
            prompt.ask(self.prompt());
        }
        loop {
            tokio::select! {
                typed = prompt.typed() => {
                    let Typed::Line(line) = typed else { return Ok(Exit::Ok) };
                    match self.line(line.trim()).await? {
                        Next::Ask => prompt.ask(self.prompt()),
                        Next::Wait => {}
                        Next::Leave => return Ok(Exit::Ok),
                    }
                }
                event = events.next() => self.event(event)?,
                found = self.talk.found() => {
                    if let Some(found) = found? && self.found(found)? {
                        prompt.ask(self.prompt());
                    }
                }
                _ = ticks.tick() => {
                    self.talk.tick()?;
                    self.tell_read();
                }
            }
        }
    }

    fn prompt(&self) -> String {
        self.topic.as_ref().map_or_else(|| "(no topic)> ".to_owned(), |topic| format!("{topic}> "))
    }

    async fn line(&mut self, line: &str) -> Result<Next, Exit> {
        let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim();
        match command {
            "" => {}
            "/quit" | "/exit" | "/q" => return Ok(Next::Leave),
            "/help" | "/?" => self.talk.screen.say(HELP)?,
            "/topics" => self.topics(),
            "/to" => {
                if let Some(topic) = self.named(rest)? {
                    self.topic = Some(topic);
                }
            }
            "/create" => return self.create(rest),
            "/join" => return self.join(rest),
            "/leave" => return self.leave(rest),
            "/members" => self.members()?,
            "/history" => self.history(rest)?,
            other if other.starts_with('/') && !other.starts_with("//") => {
                self.talk.screen.warn(&format!("there is no {other}; /help shows what there is"))?;
            }
            _ => self.say(line).await?,
        }
        Ok(Next::Ask)
    }

    async fn say(&mut self, line: &str) -> Result<(), Exit> {
        let Some(topic) = self.here()? else { return Ok(()) };
        let text = line.strip_prefix('/').filter(|_| line.starts_with("//")).unwrap_or(line);
        let volatile = self.volatile.contains(&topic);
        self.talk.say(Target::Topic(topic), text.to_owned(), volatile).await
    }

    fn named(&self, name: &str) -> Result<Option<TopicName>, Exit> {
        match TopicName::new(name) {
            Ok(topic) => Ok(Some(topic)),
            Err(error) => self.talk.screen.warn(&error.to_string()).map(|()| None),
        }
    }

    fn here(&self) -> Result<Option<TopicName>, Exit> {
        if self.topic.is_none() {
            self.talk.screen.warn("in which topic? /join NAME, /create NAME, or /topics to see yours")?;
        }
        Ok(self.topic.clone())
    }

    fn create(&mut self, rest: &str) -> Result<Next, Exit> {
        let (name, volatile) = match rest.strip_suffix(" volatile") {
            Some(name) => (name.trim_end(), true),
            None => (rest, false),
        };
        let Some(topic) = self.named(name)? else { return Ok(Next::Ask) };
        let client = self.talk.client.clone();
        self.talk.spawn(async move {
            let created = match volatile {
                true => client.create_volatile_topic(&topic).await,
                false => client.create_topic(&topic).await,
            };
            match created {
                Ok(state) => Done::Found(Found::Entered(state)),
                Err(error) => Done::Found(Found::Refused(refusal(&error, Some(&topic)))),
            }
        });
        Ok(Next::Wait)
    }

    fn join(&mut self, name: &str) -> Result<Next, Exit> {
        let Some(topic) = self.named(name)? else { return Ok(Next::Ask) };
        let client = self.talk.client.clone();
        self.talk.spawn(async move {
            match client.join_topic(&topic).await {
                Ok(state) => Done::Found(Found::Entered(state)),
                Err(error) => Done::Found(Found::Refused(refusal(&error, Some(&topic)))),
            }
        });
        Ok(Next::Wait)
    }

    fn leave(&mut self, name: &str) -> Result<Next, Exit> {
        let topic = if name.is_empty() { self.here()? } else { self.named(name)? };
        let Some(topic) = topic else { return Ok(Next::Ask) };
        let client = self.talk.client.clone();
        self.talk.spawn(async move {
            match client.leave_topic(&topic).await {
                Ok(()) => Done::Found(Found::Left(topic)),
                Err(error) => Done::Found(Found::Refused(refusal(&error, Some(&topic)))),
            }
        });
        Ok(Next::Wait)
    }

    fn topics(&mut self) {
        let client = self.talk.client.clone();
        self.talk.spawn(async move {
            match client.topics().await {
                Ok(topics) => Done::Found(Found::Topics(topics)),
                Err(error) => Done::Failed(error.to_string()),
            }
        });
    }

    fn members(&mut self) -> Result<(), Exit> {
        let Some(topic) = self.here()? else { return Ok(()) };
        let client = self.talk.client.clone();
        self.talk.spawn(async move {
            match client.members(&topic, None, MAX_MEMBERS).await {
                Err(error) => Done::Failed(refusal(&error, Some(&topic))),
                Ok(page) => {
                    let more = if page.complete { "" } else { ", and more" };
                    let names = wording::listed::<UserId>(page.members);
                    Done::Lines(vec![format!("       in {topic}: {names}{more}")])
                }
            }
        });
        Ok(())
    }

    fn history(&mut self, count: &str) -> Result<(), Exit> {
        let Some(topic) = self.here()? else { return Ok(()) };
        if self.volatile.contains(&topic) {
            return self.talk.screen.note(&format!("{topic} is volatile: it has no history"));
        }
        let wanted = Wanted {
            log: LogName::topic(&topic),
            topic: Some(topic.to_string()),
            nothing: format!("nothing was said in {topic} yet"),
            keep: Box::new(|_| true),
            refused: Box::new(move |error| refusal(error, Some(&topic))),
        };
        self.talk.history(count, wanted)
    }

    fn event(&mut self, event: Option<Event>) -> Result<(), Exit> {
        match &event {
            Some(Event::Connected { logs: Some(logs), .. }) => self.note_volatile(logs),
            // They are about p2p messages.
            Some(Event::Receipt { .. }) => return Ok(()),
            _ => {}
        }
        let Some(message) = self.talk.event(event)? else { return Ok(()) };
        if message.topic().is_none() {
            return self.note_letter(&message);
        }
        if let Some(version) = message.version {
            let marks = self.shown.entry(message.log.clone()).or_default();
            marks.0 = marks.0.max(version);
        }
        self.talk.show(&message, self.topic.as_ref().map(TopicName::as_str))
    }

    /// Somebody wrote to this user alone, which another program shows: says so, once for each of them.
    fn note_letter(&mut self, message: &Message) -> Result<(), Exit> {
        let from = &message.from;
        if from == self.talk.client.user() || self.talk.is_old(message) || !self.letters.insert(from.clone())
        {
            return Ok(());
        }
        let shown_by = as_called("client_p2p");
        self.talk.screen.note(&format!("{from} wrote to you alone: {shown_by} --to {from} shows it"))
    }

    fn note_volatile(&mut self, logs: &[LogState]) {
        let volatile = logs.iter().filter(|state| state.volatile);
        self.volatile.extend(volatile.filter_map(|state| state.log.topic_name()));
    }

    /// What was shown here was read.
    fn tell_read(&mut self) {
        for (log, (shown, read)) in &mut self.shown {
            if *shown > *read {
                *read = *shown;
                let (client, log, version) = (self.talk.client.clone(), log.clone(), *shown);
                self.talk.spawn(async move {
                    // If it fails, the next message's mark says the same and more.
                    let _ = client.read(&log, version).await;
                    Done::Found(Found::Nothing)
                });
            }
        }
    }

    /// Shows what was found; whether the prompt waited for it.
    fn found(&mut self, found: Found) -> Result<bool, Exit> {
        match found {
            Found::Nothing => return Ok(false),
            Found::Refused(why) => self.talk.screen.warn(&why)?,
            Found::Entered(state) => {
                let Some(topic) = state.log.topic_name() else { return Ok(true) };
                let kind = if state.volatile { " (volatile)" } else { "" };
                self.talk.screen.note(&format!("you are in {topic}{kind}"))?;
                if state.volatile {
                    self.volatile.insert(topic.clone());
                }
                self.topic = Some(topic);
            }
            Found::Left(topic) => {
                self.talk.screen.note(&format!("you have left {topic}"))?;
                if self.topic.as_ref() == Some(&topic) {
                    self.topic = None;
                }
            }
            Found::Topics(topics) => {
                self.note_volatile(&topics);
                let names = topics.iter().filter_map(|state| state.log.topic_name());
                self.talk.screen.note(&format!("your topics: {}", wording::listed(names)))?;
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn entered(topic: &TopicName, volatile: bool) -> TopicState {
    TopicState { log: LogName::topic(topic), first: Version(1), head: Version::ZERO, volatile }
}
