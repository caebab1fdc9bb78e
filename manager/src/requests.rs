//! What a msg_server asks, answered by the store.

use protocol::code::ErrorCode;
use protocol::ids::{DeviceId, LogName, TopicName, UserId, Version};
use protocol::link::request::{LogBounds, LogState, Mark, Receipt, Reply, Request};
use storage::{CursorMove, Membership, ReadRange, Store, Topic};

use crate::answers::Refusal;
use crate::desk::Desk;
use crate::reads::may_read;
use crate::receipts::{self, Receipts};

/// Logs that one question about bounds may name, and members that one answer may.
const MOST: usize = 1_000;

/// Reads a question.
///
/// # Errors
/// The refusal to answer with, where it is none that this version knows.
pub fn parse(json: &[u8]) -> Result<Request, Reply> {
    serde_json::from_slice(json).map_err(|error| Reply::Refused {
        code: ErrorCode::UnknownCommand.number(),
        message: format!("this manager cannot read the question: {error}"),
    })
}

/// Answers a question; always.
pub async fn answer(request: Request, desk: &Desk) -> Reply {
    decide(request, desk).await.unwrap_or_else(|refusal| {
        if let Refusal::Store(error) = &refusal {
            tracing::warn!(%error, "a question was not answered");
        }
        refusal.into_reply()
    })
}

async fn decide(request: Request, desk: &Desk) -> Result<Reply, Refusal> {
    let store = &**desk.store();
    Ok(match request {
        Request::Login { user, device } => {
            let found = store.log_in(user, device).await?;
            Reply::LoggedIn { stamp: desk.stamp(), logs: found.logs, revision: found.revision, welcome: None }
        }
        Request::Bounds { logs } if logs.len() > MOST => return Err(ErrorCode::LimitReached.into()),
        Request::Bounds { logs } => Reply::Bounds { bounds: store.bounds(logs).await? },
        Request::CreateTopic { topic, user, volatile } => {
            joined(store.create_topic(topic, user, volatile).await?)
        }
        Request::JoinTopic { topic, user, device } => joined(store.join_topic(topic, user, device).await?),
        Request::LeaveTopic { topic, user } => {
            store.leave_topic(topic, user).await?;
            Reply::Left
        }
        Request::Topics { user } => {
            let topics = store.topics_of(user).await?;
            Reply::Topics { topics: topics.into_iter().map(without_cursors).collect() }
        }
        Request::Members { topic, user, after, limit } => members(store, topic, user, after, limit).await?,
        Request::MoveCursor { user, device, log, mark, version } => {
            let receipts = move_cursor(desk, Place { user, device, log, mark }, version).await?;
            Reply::Moved { receipts }
        }
        Request::Account { .. } => return Err(ErrorCode::NoAccounts.into()),
    })
}

fn joined(membership: Membership) -> Reply {
    Reply::Joined { log: membership.log, already: membership.already }
}

fn without_cursors((topic, bounds): (Topic, LogBounds)) -> LogState {
    LogState {
        log: LogName::topic(&topic.name),
        first: bounds.first,
        head: bounds.head,
        cursor: Version::ZERO,
        read: Version::ZERO,
        volatile: topic.volatile,
    }
}

async fn members(
    store: &dyn Store,
    topic: TopicName,
    user: UserId,
    after: Option<UserId>,
    limit: u32,
) -> Result<Reply, Refusal> {
    if !store.is_member(topic.clone(), user).await? {
        let code = match store.topic(topic).await? {
            Some(_) => ErrorCode::NotAMember,
            None => ErrorCode::UnknownTopic,
        };
        return Err(code.into());
    }
    let limit = (limit as usize).clamp(1, MOST);
    // One more than wanted tells whether there are more.
    let mut members = store.members(topic, after, limit + 1).await?;
    let more = members.len() > limit;
    members.truncate(limit);
    Ok(Reply::Members { members, more })
}

/// Which cursor.
struct Place {
    user: UserId,
    device: Option<DeviceId>,
    log: LogName,
    mark: Mark,
}

/// Moves the cursor; whoever sent what it passed in an inbox is to hear of it.
async fn move_cursor(desk: &Desk, place: Place, version: Version) -> Result<Vec<Receipt>, Refusal> {
    let store = &**desk.store();
    let Place { user, device, log, mark } = place;
    may_read(store, &log, user.clone()).await?;
    let cursor = CursorMove { user: user.clone(), device, log: log.clone(), mark, version };
    let stood = store.move_cursors(vec![cursor]).await.into_iter().next();
    // A store answers as many as it was asked.
    let Some(stood) = stood.transpose()? else { return Ok(Vec::new()) };
    if version <= stood || log.user().is_none() {
        return Ok(Vec::new());
    }
    passed(desk, log, user, stood, version).await
}

async fn passed(
    desk: &Desk,
    log: LogName,
    user: UserId,
    stood: Version,
    version: Version,
) -> Result<Vec<Receipt>, Refusal> {
    let store = &**desk.store();
    let bounds = store.bounds(vec![log.clone()]).await?;
    let head = bounds.first().map_or(Version::ZERO, |bounds| bounds.head);
    let Some(mut after) = receipts::begins_after(stood, version, head) else { return Ok(Vec::new()) };
    let upto = version.min(head);
    let mut receipts = Receipts::new(user);
    while after < upto {
        let max_entries = usize::try_from(upto.0 - after.0).unwrap_or(MOST).min(MOST);
        let range = ReadRange { log: log.clone(), after, max_entries, max_bytes: desk.page_bytes() };
        let page = store.read(range).await?;
        let Some(last) = page.entries.last() else { break };
        after = last.version;
        page.entries.iter().filter(|entry| entry.version <= upto).for_each(|entry| receipts.passed(entry));
    }
    Ok(receipts.into_vec())
}
