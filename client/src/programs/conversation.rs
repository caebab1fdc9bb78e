//! What both programs do at a prompt: say something and show what became of it, show what happens, find out
//! in the background what was asked for.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use protocol::ids::Time;
use tokio::task::JoinSet;

use super::exit::Exit;
use super::paint::{Paint, harmless};
use super::receipts::Receipts;
use super::screen::Screen;
use super::{clock, history, script, wording};
use crate::{
    Client, Event, LogName, Mark, Message, MessageId, RequestError, SendError, Sent, Target, UserId, Version,
};

/// How often [`Conversation::tick`] is due.
pub const TICK: Duration = Duration::from_millis(300);
/// What is not stored after this is shown as waiting.
const WAITING_AFTER: Duration = Duration::from_secs(1);
/// Sent messages that a receipt can be put to.
const REMEMBERED: usize = 200;

/// What a background task found out.
pub enum Done<T> {
    /// What became of something that was said.
    Said { id: Option<MessageId>, target: Target, text: String, result: Result<Option<Sent>, SendError> },
    /// Lines to show.
    Lines(Vec<String>),
    /// What did not work.
    Failed(String),
    /// Something that the program itself knows what to do with.
    Found(T),
}

/// What `/history` is to show.
pub struct Wanted {
    /// Where to read.
    pub log: LogName,
    /// The topic whose name need not be said with each message.
    pub topic: Option<String>,
    /// Which messages of the log.
    pub keep: Box<dyn Fn(&Message) -> bool + Send + Sync>,
    /// What to say where there are none.
    pub nothing: String,
    /// What to say where it cannot be read.
    pub refused: Box<dyn Fn(&RequestError) -> String + Send + Sync>,
}

struct Unsent {
    text: String,
    since: Instant,
    shown: bool,
}

/// The state that both programs share.
pub struct Conversation<T> {
    /// The client.
    pub client: Client,
    /// Above the prompt.
    pub screen: Screen,
    tasks: JoinSet<Done<T>>,
    unsent: BTreeMap<MessageId, Unsent>,
    sent: VecDeque<(MessageId, String)>,
    receipts: Receipts,
    /// Up to where each log's messages count as those that came while one was away.
    away: HashMap<LogName, Version>,
    header_shown: bool,
    trouble: Option<String>,
    /// Why the client has ended. Shown last: above a prompt it could come too late.
    ended: Option<String>,
}

impl<T: Send + 'static> Conversation<T> {
    /// Nothing was said yet.
    pub fn new(client: Client, screen: Screen) -> Self {
        Self {
            client,
            screen,
            tasks: JoinSet::new(),
            unsent: BTreeMap::new(),
            sent: VecDeque::new(),
            receipts: Receipts::default(),
            away: HashMap::new(),
            header_shown: false,
            trouble: None,
            ended: None,
        }
    }

    /// Says something. `volatile`: without storing it.
    ///
    /// # Errors
    /// [`Exit::Io`] when the screen is gone.
    pub async fn say(&mut self, target: Target, text: String, volatile: bool) -> Result<(), Exit> {
        if volatile {
            let client = self.client.clone();
            self.tasks.spawn(async move {
                let result = client.volatile(target.clone(), text.as_str()).await;
                let result = result.map(|()| None).map_err(script::as_send_error);
                Done::Said { id: None, target, text, result }
            });
            return Ok(());
        }
        match self.client.post(target.clone(), text.as_str()).await {
            Ok(pending) => {
                let id = pending.id().clone();
                let unsent = Unsent { text: text.clone(), since: Instant::now(), shown: false };
                self.unsent.insert(id.clone(), unsent);
                self.tasks.spawn(async move {
                    let result = pending.await.map(Some);
                    Done::Said { id: Some(id), target, text, result }
                });
                Ok(())
            }
            Err(error) => self.screen.warn(&wording::send_error(&target, &error)),
        }
    }

    /// Does something in the background.
    pub fn spawn(&mut self, task: impl Future<Output = Done<T>> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Shows the newest messages; `count`, as it was typed, says how many.
    ///
    /// # Errors
    /// [`Exit::Io`] when the screen is gone.
    pub fn history(&mut self, count: &str, wanted: Wanted) -> Result<(), Exit> {
        let Ok(count) = (if count.is_empty() { Ok(20) } else { count.parse::<usize>() }) else {
            return self.screen.warn("/history N: a number of messages is wanted");
        };
        let (client, paint) = (self.client.clone(), self.screen.paint);
        self.spawn(async move {
            match history::newest(&client, &wanted.log, count, &wanted.keep).await {
                Err(error) => Done::Failed((wanted.refused)(&error)),
                Ok(messages) if messages.is_empty() => {
                    Done::Lines(vec![paint.dim(&format!("       {}", wanted.nothing))])
                }
                Ok(messages) => {
                    let line =
                        |it: &Message| wording::message(it, client.user(), wanted.topic.as_deref(), paint);
                    Done::Lines(messages.iter().map(line).collect())
                }
            }
        });
        Ok(())
    }

    /// What the next background task found, if it is for the program itself. Waits for ever while there is none.
    ///
    /// # Errors
    /// [`Exit::Io`] when the screen is gone.
    pub async fn found(&mut self) -> Result<Option<T>, Exit> {
        let done = match self.tasks.join_next().await {
            None => std::future::pending().await,
            Some(done) => done.map_err(|_| Exit::Io)?,
        };
        match done {
            Done::Found(found) => return Ok(Some(found)),
            Done::Failed(line) => self.screen.warn(&line)?,
            Done::Lines(lines) => lines.iter().try_for_each(|line| self.screen.say(line))?,
            Done::Said { id, target, text, result } => self.said(id, &target, text, result)?,
        }
        Ok(None)
    }

    fn said(
        &mut self,
        id: Option<MessageId>,
        target: &Target,
        text: String,
        result: Result<Option<Sent>, SendError>,
    ) -> Result<(), Exit> {
        if let Some(id) = &id {
            self.unsent.remove(id);
        }
        match result {
            Ok(sent) => {
                let time = sent.as_ref().and_then(|sent| sent.time).unwrap_or_else(clock::now);
                let mark = if sent.is_some() { self.screen.paint.stored() } else { "(not stored)" };
                self.screen.say(&self.own_line(time, &text, mark))?;
                if let Some(id) = id {
                    self.sent.push_back((id, text));
                    if self.sent.len() > REMEMBERED {
                        self.sent.pop_front();
                    }
                }
                Ok(())
            }
            Err(error) => {
                self.screen.warn(&format!("not sent: {}", harmless(&text)))?;
                self.screen.warn(&wording::send_error(target, &error))
            }
        }
    }

    fn own_line(&self, time: Time, text: &str, mark: &str) -> String {
        let paint = self.screen.paint;
        let (time, you) = (paint.dim(&clock::local(time)), paint.own_name("you"));
        format!("{time}  {you}: {} {}", harmless(text), paint.dim(mark))
    }

    /// Shows what is late, and receipts that nothing has overtaken.
    ///
    /// # Errors
    /// [`Exit::Io`] when the screen is gone.
    pub fn tick(&mut self) -> Result<(), Exit> {
        for unsent in self.unsent.values_mut() {
            if !unsent.shown && unsent.since.elapsed() >= WAITING_AFTER {
                unsent.shown = true;
                self.screen.note(&format!("waiting to be sent: {}", harmless(&unsent.text)))?;
            }
        }
        for (peer, id, mark) in self.receipts.due(Instant::now()) {
            self.show_receipt(&peer, &id, mark)?;
        }
        Ok(())
    }

    fn show_receipt(&self, peer: &UserId, id: &MessageId, mark: Mark) -> Result<(), Exit> {
        let verb = match mark {
            Mark::Delivered => "has received",
            Mark::Read => "has read",
        };
        let what = match self.sent.iter().find(|(sent, _)| sent == id) {
            Some((_, text)) => beginning(text, self.screen.paint),
            None => "what you sent earlier".to_owned(),
        };
        self.screen.note(&format!("{} {peer} {verb}: {what}", self.screen.paint.received()))
    }

    /// Shows an event; a message is given back, as the program knows what to make of it.
    ///
    /// # Errors
    /// The way to end, when the client has ended.
    pub fn event(&mut self, event: Option<Event>) -> Result<Option<Message>, Exit> {
        match event {
            None => return Err(Exit::Refused),
            Some(Event::Message(message)) => return Ok(Some(message)),
            Some(Event::Connected { server, logs }) => {
                self.trouble = None;
                self.header_shown = false;
                let logs = logs.unwrap_or_default();
                self.away = logs.into_iter().map(|state| (state.log, state.head)).collect();
                self.screen.note(&format!("connected to {server} as {}", self.client.user()))?;
            }
            Some(Event::Disconnected { reason, coming_back_in }) => {
                let when = match coming_back_in.as_secs() {
                    0 => String::new(),
                    seconds => format!(" in {seconds} s"),
                };
                self.screen.note(&format!("{reason}; coming back{when}"))?;
            }
            Some(Event::Retrying { reason, .. }) => {
                let trouble = reason.to_string();
                if self.trouble.as_ref() != Some(&trouble) {
                    self.screen.note(&format!("{trouble}; trying again"))?;
                    self.trouble = Some(trouble);
                }
            }
            Some(Event::Ended(reason)) => {
                self.ended = Some(wording::ended(&reason));
                return Err(Exit::Refused);
            }
            Some(Event::Gap { log, first, last }) => {
                self.screen.note(&format!("{log}: the messages {first} to {last} are gone (retention)"))?;
            }
            Some(Event::Rewound { log, .. }) => {
                self.screen.note(&format!("{log}: the mesh was set back to an earlier state"))?;
            }
            Some(Event::Delayed { message, .. }) => {
                self.screen.note(&format!("not sent yet: {message}; trying again"))?;
            }
            Some(Event::Receipt { peer, id, mark }) => {
                self.receipts.came(peer, id, mark, Instant::now());
            }
        }
        Ok(None)
    }

    /// Shows a message; those that came while one was away, below a line that says so.
    ///
    /// # Errors
    /// [`Exit::Io`] when the screen is gone.
    pub fn show(&mut self, message: &Message, topic: Option<&str>) -> Result<(), Exit> {
        let away = self.is_old(message);
        if away && !self.header_shown {
            self.header_shown = true;
            self.screen.note("while you were away:")?;
        }
        let line = wording::message(message, self.client.user(), topic, self.screen.paint);
        self.screen.say(&line)?;
        self.pass_over(message)
    }

    /// Takes note of a message that is not shown, or was.
    ///
    /// # Errors
    /// [`Exit::Io`] when the screen is gone.
    pub fn pass_over(&mut self, message: &Message) -> Result<(), Exit> {
        if self.header_shown
            && message.version.is_some()
            && message.version == self.away.get(&message.log).copied()
        {
            self.screen.note("that was all")?;
        }
        Ok(())
    }

    /// Whether a message was there when this client connected.
    pub fn is_old(&self, message: &Message) -> bool {
        let head = self.away.get(&message.log).copied().unwrap_or_default();
        message.version.is_some_and(|version| version <= head)
    }

    /// Says goodbye: what waits is sent, for a moment.
    pub async fn leave(mut self, exit: Exit) -> Exit {
        const WITHIN: Duration = Duration::from_secs(3);
        if let Some(reason) = &self.ended {
            eprintln!("{}", self.screen.paint.warning(reason));
        }
        if !self.unsent.is_empty() {
            let _ = self.screen.note("sending what waits…");
        }
        self.client.close(WITHIN).await;
        while let Some(Ok(done)) = self.tasks.try_join_next() {
            if let Done::Said { id: Some(id), result: Ok(_), .. } = done {
                self.unsent.remove(&id);
            }
        }
        for unsent in self.unsent.values() {
            eprintln!("not known to be sent: {}", harmless(&unsent.text));
        }
        if exit == Exit::Ok && !self.unsent.is_empty() { Exit::NotYet } else { exit }
    }
}

/// As much of a text as tells which one it was.
fn beginning(text: &str, paint: Paint) -> String {
    const ENOUGH: usize = 40;
    let line = text.split('\n').next().unwrap_or_default();
    if line.chars().count() <= ENOUGH && line.len() == text.len() {
        return harmless(text);
    }
    let more = if paint.unicode { "…" } else { "..." };
    harmless(&line.chars().take(ENOUGH).collect::<String>()).trim_end().to_owned() + more
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_shows_the_beginning_of_a_long_text() {
        let paint = Paint { colours: false, unicode: true };
        assert_eq!(beginning("hi", paint), "hi");
        assert_eq!(beginning("two\nlines", paint), "two…");
        let long = "a long line, which is written only in order to be long";
        assert_eq!(beginning(long, paint), "a long line, which is written only in or…");
    }
}
