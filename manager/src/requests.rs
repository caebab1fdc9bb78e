//! What a msg_server asks, answered by the store.

use mesh::config::AuthMode;
use mesh::report::now;
use protocol::code::ErrorCode;
use protocol::ids::{DeviceId, LogName, Time, UserId, Version};
use protocol::link::request::{Mark, Receipt, Reply, Request};
use storage::{CursorMove, LoggedIn, NewTopic, ReadRange, TopicsOf};

use crate::accounts::Accounts;
use crate::answers::Refusal;
use crate::desk::Desk;
use crate::reads::may_read;
use crate::receipts::{self, Receipts};
use crate::{topic_limit, topics};

/// Logs that one question about bounds may name, users that one about members may, and entries that are read at once.
const MOST: usize = 1_000;

/// Reads a question.
///
/// # Errors
/// The refusal to answer with, where it is none that this version knows.
pub fn parse(json: &[u8]) -> Result<Request, Reply> {
    serde_json::from_slice(json).map_err(|error| Reply::Refused {
        code: ErrorCode::UnknownCommand.number(),
        // Not in the words of the error, which quote what stands there: a hash perhaps.
        message: format!("this manager cannot read the question from column {} on", error.column()),
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
        Request::Login { .. } if desk.mode() == AuthMode::Accounts => {
            return Err(ErrorCode::LoginRefused.into());
        }
        Request::Login { user, device } => {
            let found = store.log_in(user, device).await?;
            let LoggedIn { logs, revision, invites, .. } = found;
            Reply::LoggedIn { stamp: desk.stamp(), logs, revision, invites, welcome: None }
        }
        Request::Bounds { logs } if logs.len() > MOST => return Err(ErrorCode::LimitReached.into()),
        Request::Bounds { logs } => Reply::Bounds { bounds: store.bounds(logs).await? },
        Request::CreateTopic { topic, user, volatile, join, history, otherwise } => {
            topic_limit::admit(&user, &topic, desk).await?;
            let new = NewTopic { name: topic, creator: user.clone(), volatile, join, history, otherwise };
            let reply = topics::create(new, store).await?;
            topic_limit::note(&user, &reply, desk).await?;
            reply
        }
        Request::JoinTopic { topic, user, device } => {
            topic_limit::admit(&user, &topic, desk).await?;
            let reply = topics::joined(store.join_topic(topic, user.clone(), device).await?);
            topic_limit::note(&user, &reply, desk).await?;
            reply
        }
        Request::LeaveTopic { topic, user } => topics::leave(topic, user, desk).await?,
        Request::InviteTopic { topic, user, by } => {
            Reply::Invited { news: store.invite(topic, user, by).await? }
        }
        Request::RemoveFromTopic { topic, user, by } => topics::remove(topic, user, by, desk).await?,
        Request::DissolveTopic { topic, by } => {
            let reply = topics::dissolve(topic, by, desk).await?;
            desk.topic_quota().topic_dissolved();
            reply
        }
        Request::Topics { user } => {
            let TopicsOf { topics, invites } = store.topics_of(user).await?;
            Reply::Topics { topics, invites }
        }
        Request::Members { topic, user, after, limit } => {
            topics::members(topic, user, after, limit, store).await?
        }
        Request::MembersAmong { users, .. } if users.len() > MOST => {
            return Err(ErrorCode::LimitReached.into());
        }
        Request::MembersAmong { topic, users } => topics::among(topic, users, store).await?,
        Request::MoveCursor { user, device, log, mark, version } => {
            let receipts = move_cursor(desk, Place { user, device, log, mark }, version).await?;
            Reply::Moved { receipts }
        }
        Request::Account { question } => {
            let accounts = Accounts { store, mode: desk.mode(), now: Time(now()), stamp: &|| desk.stamp() };
            accounts.answer(question).await?
        }
    })
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
