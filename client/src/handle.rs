//! The handle by which a program asks and sends.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use protocol::ids::{LogName, MessageId, TopicName, UserId, Version};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use crate::driver::{Command, Driver, Status};
use crate::outbox::Outgoing;
use crate::queue::{Events, queue};
use crate::request::{Answer, MembersPage, Request};
use crate::session::Session;
use crate::{
    Body, LogState, Options, Page, Positions, Reason, RequestError, SendError, Sent, Target, TopicState, wire,
};

/// Requests that may wait for their answer at one time; more of them wait to be asked.
const MAX_REQUESTS: usize = 256;
/// The same for pages, of about 1 MiB each.
const MAX_PAGES: usize = 4;
/// Bytes that a send counts for beside its body.
const SEND_OVERHEAD: usize = 256;
/// Commands on their way to the task.
const COMMANDS: usize = 256;

/// Asks and sends. Cheap to clone; all clones speak for one session.
///
/// ```no_run
/// # use client::{Client, Options, RequestError};
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let (client, events) = Client::connect(Options::new("127.0.0.1:17000", "amy".parse()?))?;
/// drop(events); // only sends
///
/// let garden = "garden".parse()?;
/// match client.join_topic(&garden).await {
///     Err(RequestError::Refused { .. }) => client.create_topic(&garden).await?,
///     joined => joined?,
/// };
/// client.send_topic(&garden, "it rains").await?;
/// client.close(std::time::Duration::from_secs(5)).await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    commands: mpsc::Sender<Command>,
    status: watch::Receiver<Status>,
    /// Room in the outbox, in bytes.
    outbox: Arc<Semaphore>,
    outbox_bytes: usize,
    requests: Arc<Semaphore>,
    pages: Arc<Semaphore>,
    max_frame_bytes: usize,
    user: UserId,
}

/// There is no tokio runtime to run in.
#[derive(Debug, thiserror::Error)]
#[error("a client runs in a tokio runtime: {0}")]
pub struct NoRuntime(#[from] tokio::runtime::TryCurrentError);

impl Client {
    /// Starts a client, in the tokio runtime of the caller. It connects by itself, and comes back by itself:
    /// [`Client::connected`] waits for the first time.
    ///
    /// # Errors
    /// [`NoRuntime`] outside of a tokio runtime.
    pub fn connect(options: Options) -> Result<(Self, Events), NoRuntime> {
        let runtime = tokio::runtime::Handle::try_current()?;
        let (commands, taken) = mpsc::channel(COMMANDS);
        let (status, watched) = watch::channel(Status::Down(None));
        let (sender, events) = queue(options.event_bytes);
        let outbox_bytes = options.outbox_bytes.clamp(1, u32::MAX as usize).min(Semaphore::MAX_PERMITS);
        let shared = Shared {
            commands,
            status: watched,
            outbox: Arc::new(Semaphore::new(outbox_bytes)),
            outbox_bytes,
            requests: Arc::new(Semaphore::new(MAX_REQUESTS)),
            pages: Arc::new(Semaphore::new(MAX_PAGES)),
            max_frame_bytes: options.max_frame_bytes,
            user: options.user.clone(),
        };
        let session = Session::new(options, rand::random());
        runtime.spawn(Driver::new(session, taken, sender, status).run());
        Ok((Self { shared: Arc::new(shared) }, events))
    }

    /// Who one is.
    pub fn user(&self) -> &UserId {
        &self.shared.user
    }

    /// Waits until there is a session.
    ///
    /// # Errors
    /// The [`Reason`] for which the client has ended.
    pub async fn connected(&self) -> Result<(), Reason> {
        let mut status = self.shared.status.clone();
        let reached = status.wait_for(|status| !matches!(status, Status::Down(_))).await;
        match reached.as_deref() {
            Ok(Status::Ended(reason)) => Err(reason.clone()),
            Ok(_) => Ok(()),
            Err(_) => Err(Reason::Closed),
        }
    }

    /// Why there is no session at the moment; `None`: there is one, or the first attempt is under way.
    pub fn trouble(&self) -> Option<Reason> {
        match &*self.shared.status.borrow() {
            Status::Down(reason) => reason.clone(),
            Status::Up => None,
            Status::Ended(reason) => Some(reason.clone()),
        }
    }

    /// Sends a durable message to a person; returns when it is on disk. Waits through broken connections; dropping
    /// the future does not take the message back.
    ///
    /// # Errors
    /// [`SendError`], if it is refused for good, or the client ends.
    pub async fn send_p2p(&self, to: &UserId, body: impl Into<Body>) -> Result<Sent, SendError> {
        self.post(Target::User(to.clone()), body).await?.await
    }

    /// Sends a durable message to a topic; returns when it is on disk. Otherwise as [`Client::send_p2p`].
    ///
    /// # Errors
    /// [`SendError`], if it is refused for good (not a member, no such topic …), or the client ends.
    pub async fn send_topic(&self, topic: &TopicName, body: impl Into<Body>) -> Result<Sent, SendError> {
        self.post(Target::Topic(topic.clone()), body).await?.await
    }

    /// Puts a durable message into the outbox, and returns as soon as it has room there. Messages to one target
    /// are stored in the order in which they were posted.
    ///
    /// # Errors
    /// [`SendError`], if it is too large, or the client has ended. Whether it was stored, the [`Pending`] tells.
    pub async fn post(&self, target: Target, body: impl Into<Body>) -> Result<Pending, SendError> {
        let id = uuid::Uuid::now_v7().to_string();
        let id = MessageId::new(&id).unwrap_or_else(|error| unreachable!("a UUID is a message id: {error}"));
        self.post_with_id(id, target, body).await
    }

    /// As [`Client::post`], with an id that the program chose (and wrote down): sent again with the same id, also by
    /// a later run of the program, the message is stored once.
    ///
    /// # Errors
    /// As [`Client::post`].
    pub async fn post_with_id(
        &self,
        id: MessageId,
        target: Target,
        body: impl Into<Body>,
    ) -> Result<Pending, SendError> {
        let outgoing = Outgoing { target, id: id.clone(), body: body.into() };
        let limit = self.shared.max_frame_bytes;
        let bytes = wire::send_size(&outgoing);
        if bytes > limit {
            return Err(SendError::TooLarge { bytes, limit });
        }
        let weight = (outgoing.body.bytes.len() + SEND_OVERHEAD).min(self.shared.outbox_bytes) as u32;
        let room = self.shared.outbox.clone().acquire_many_owned(weight).await;
        let permit = room.map_err(|_| self.not_sent())?;
        let (reply, answer) = oneshot::channel();
        let command = Command::Send(outgoing, reply, permit);
        self.shared.commands.send(command).await.map_err(|_| self.not_sent())?;
        Ok(Pending { id, answer, status: self.shared.status.clone() })
    }

    fn not_sent(&self) -> SendError {
        SendError::Ended { reason: ended(&self.shared.status), maybe_stored: false }
    }

    /// Sends a volatile message: at most once, not stored, gone if nobody is there to hear it. Returns when the mesh
    /// has passed it on.
    ///
    /// # Errors
    /// [`RequestError::NotConnected`] at once where there is no session; otherwise as the mesh refuses it.
    pub async fn volatile(&self, target: Target, body: impl Into<Body>) -> Result<(), RequestError> {
        self.ask(Request::Volatile { target, body: body.into() }).await.map(drop)
    }

    /// Creates a topic, and is its first member. A member who creates it again changes nothing.
    ///
    /// # Errors
    /// [`RequestError::Refused`] with code 4008 if it is somebody else's.
    pub async fn create_topic(&self, topic: &TopicName) -> Result<TopicState, RequestError> {
        self.topic(Request::Create { topic: topic.clone(), volatile: false }).await
    }

    /// Creates a topic without a log, whose messages are all volatile.
    ///
    /// # Errors
    /// As [`Client::create_topic`].
    pub async fn create_volatile_topic(&self, topic: &TopicName) -> Result<TopicState, RequestError> {
        self.topic(Request::Create { topic: topic.clone(), volatile: true }).await
    }

    /// Joins a topic: what is sent to it from now on comes as [`crate::Event::Message`].
    ///
    /// # Errors
    /// [`RequestError::Refused`] with code 4004 if there is none of that name.
    pub async fn join_topic(&self, topic: &TopicName) -> Result<TopicState, RequestError> {
        self.topic(Request::Join { topic: topic.clone() }).await
    }

    /// Leaves a topic.
    ///
    /// # Errors
    /// [`RequestError`], as the mesh refuses it.
    pub async fn leave_topic(&self, topic: &TopicName) -> Result<(), RequestError> {
        self.ask(Request::Leave { topic: topic.clone() }).await.map(drop)
    }

    /// The topics that one is a member of.
    ///
    /// # Errors
    /// [`RequestError`], as the mesh refuses it.
    pub async fn topics(&self) -> Result<Vec<LogState>, RequestError> {
        match self.ask(Request::Topics).await? {
            Answer::Topics(topics) => Ok(topics),
            other => Err(unfit(&other)),
        }
    }

    /// Members of a topic in the order of their names, after this name (`None`: from the first); at most 1,000.
    ///
    /// # Errors
    /// [`RequestError`], as the mesh refuses it.
    pub async fn members(
        &self,
        topic: &TopicName,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<MembersPage, RequestError> {
        let request = Request::Members { topic: topic.clone(), after: after.cloned(), limit };
        match self.ask(request).await? {
            Answer::Members(page) => Ok(page),
            other => Err(unfit(&other)),
        }
    }

    /// Who of these (at most 8) is online.
    ///
    /// # Errors
    /// [`RequestError`], as the mesh refuses it.
    pub async fn presence(&self, users: &[UserId]) -> Result<BTreeMap<UserId, bool>, RequestError> {
        match self.ask(Request::Presence { users: users.to_vec() }).await? {
            Answer::Presence(online) => Ok(online),
            other => Err(unfit(&other)),
        }
    }

    /// Reads a log after a version: at most `limit` entries (1,000), and about 1 MiB. Moves nothing: neither what is
    /// pushed nor what is acknowledged.
    ///
    /// # Errors
    /// [`RequestError::Refused`] if the log is not one's own to read.
    pub async fn sync(&self, log: &LogName, after: Version, limit: usize) -> Result<Page, RequestError> {
        let page = self.shared.pages.acquire().await;
        let _page = page.map_err(|_| RequestError::Ended(ended(&self.shared.status)))?;
        match self.ask(Request::Sync { log: log.clone(), after, limit }).await? {
            Answer::Page(page) => Ok(page),
            other => Err(unfit(&other)),
        }
    }

    /// Says that everything of this log up to `version` was handled. Goes to the mesh with the next batch, and
    /// survives a broken connection. Only needed with [`crate::Acks::Manual`].
    pub async fn ack(&self, log: &LogName, version: Version) {
        // Where the client has ended, there is nobody to tell.
        let _ = self.shared.commands.send(Command::Handled(log.clone(), version)).await;
    }

    /// Says that the user has read this log up to `version`. Senders of p2p messages hear of it.
    ///
    /// # Errors
    /// [`RequestError`], as the mesh refuses it.
    pub async fn read(&self, log: &LogName, version: Version) -> Result<(), RequestError> {
        self.ask(Request::Read { log: log.clone(), version }).await.map(drop)
    }

    /// How far everything was handled in each log, to go on from there another time ([`Options::resume`]).
    pub async fn positions(&self) -> Positions {
        let (reply, answer) = oneshot::channel();
        let _ = self.shared.commands.send(Command::Positions(reply)).await;
        answer.await.unwrap_or_default()
    }

    /// Ends the client: sends and acknowledges what waits, for at most `within`. What is not answered by then is
    /// told by its [`Pending`].
    pub async fn close(&self, within: Duration) {
        let _ = self.shared.commands.send(Command::Close(within)).await;
        let mut status = self.shared.status.clone();
        let _ = status.wait_for(|status| matches!(status, Status::Ended(_))).await;
    }

    async fn topic(&self, request: Request) -> Result<TopicState, RequestError> {
        match self.ask(request).await? {
            Answer::Topic(topic) => Ok(topic),
            other => Err(unfit(&other)),
        }
    }

    async fn ask(&self, request: Request) -> Result<Answer, RequestError> {
        let over = || RequestError::Ended(ended(&self.shared.status));
        let limit = self.shared.max_frame_bytes;
        let bytes = wire::request_size(&request);
        if bytes > limit {
            return Err(RequestError::TooLarge { bytes, limit });
        }
        let permit = self.shared.requests.clone().acquire_owned().await.map_err(|_| over())?;
        let (reply, answer) = oneshot::channel();
        self.shared.commands.send(Command::Request(request, reply, permit)).await.map_err(|_| over())?;
        answer.await.unwrap_or_else(|_| Err(over()))
    }
}

fn unfit(answer: &Answer) -> RequestError {
    RequestError::BadAnswer(format!("{answer:?}"))
}

fn ended(status: &watch::Receiver<Status>) -> Reason {
    match &*status.borrow() {
        Status::Ended(reason) => reason.clone(),
        _ => Reason::Closed,
    }
}

/// A durable message in the outbox. As a future, it resolves when the message is on disk, or refused for good.
/// Dropping it does not take the message back.
#[must_use = "whether the message was stored, only awaiting it tells"]
pub struct Pending {
    id: MessageId,
    answer: oneshot::Receiver<Result<Sent, SendError>>,
    status: watch::Receiver<Status>,
}

impl Pending {
    /// The message's id: receipts name it.
    pub fn id(&self) -> &MessageId {
        &self.id
    }
}

impl Future for Pending {
    type Output = Result<Sent, SendError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.answer).poll(context).map(|answer| {
            answer
                .unwrap_or_else(|_| Err(SendError::Ended { reason: ended(&self.status), maybe_stored: true }))
        })
    }
}
