//! Appending a message to one log.

use std::time::Duration;

use bytes::Bytes;
use protocol::access::Act;
use protocol::code::ErrorCode;
use protocol::content::Content;
use protocol::ids::{LogKind, LogName, Time, Version};

use super::accounts::refuses_half;
use crate::embedded::state::admission::admit;
use crate::embedded::state::change::Change;
use crate::embedded::state::draft::Draft;
use crate::embedded::state::pending::message_of;
use crate::embedded::state::values::Seen;
use crate::embedded::state::view::View;
use crate::{Append, AppendError, Appended, Certainty, StoreError};

/// What the store's options say about messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Bytes that one content may have.
    pub entry_bytes: usize,
    /// For how long a message that retention took is still known when it is sent again; `None`: for ever.
    pub dedupe: Option<Duration>,
}

/// What is done about a message, or why nothing.
pub(crate) type Decided<T> = Result<Result<T, AppendError>, StoreError>;

/// Appends the message to its log unless it is there, or something refuses it.
pub(crate) fn append<V: View>(
    draft: &mut Draft<'_, V>,
    limits: Limits,
    message: &Append,
) -> Decided<Appended> {
    let log = message.log.as_str();
    let parsed = match parse(limits, &message.content) {
        Ok(parsed) => parsed,
        Err(refusal) => return Ok(Err(refusal)),
    };
    // A repeat is known before anything may refuse it: its sender may have left since, and it is stored all the same.
    let found = find(draft, limits, log, &parsed)?;
    if let Found::Same(seen) = found {
        return Ok(Ok(Appended { revision: revision(draft, &message.log)?, ..seen }));
    }
    let revision = match message.log.kind() {
        LogKind::Inbox(owner) => match refuses_half(draft, owner)? {
            Some(refusal) => return Ok(Err(refusal)),
            None => 0,
        },
        LogKind::Topic(topic) => match admit(draft, Act::Send, topic, parsed.sender)? {
            Ok(admitted) if admitted.topic.rules.volatile => return refused(ErrorCode::WrongDurability),
            Ok(admitted) => admitted.topic.revision,
            Err(code) => return refused(code),
        },
    };
    if let Found::Other = found {
        return Ok(Err(AppendError::IdReused));
    }
    let place = draft.next_place(log)?;
    let (time, open) = (draft.time, message.open);
    draft.write(Change::Entry { place, time, open, content: &message.content })?;
    Ok(Ok(Appended { version: Version(place.version), time, duplicate: false, revision }))
}

fn refused(code: ErrorCode) -> Decided<Appended> {
    Ok(Err(AppendError::Refused(code)))
}

/// How many memberships of the log's topic have ended.
fn revision<V: View>(draft: &Draft<'_, V>, log: &LogName) -> Result<u64, StoreError> {
    let LogKind::Topic(topic) = log.kind() else { return Ok(0) };
    Ok(draft.topic(topic)?.map_or(0, |topic| topic.revision))
}

/// Reads a content whose size is allowed.
pub(super) fn parse(limits: Limits, content: &Bytes) -> Result<Content<'_>, AppendError> {
    if content.len() > limits.entry_bytes {
        return Err(AppendError::TooLarge { bytes: content.len(), limit: limits.entry_bytes });
    }
    Content::parse(content).map_err(|error| AppendError::Failed {
        error: StoreError::Unwritable(format!("the message is no content: {error}")),
        certainty: Certainty::Not,
    })
}

/// What a log knows of a message.
pub(super) enum Found {
    /// It is there.
    Same(Appended),
    /// Another message of that sender and id is there.
    Other,
    /// It is new.
    Nothing,
}

/// Looks whether the log has the message, or had it not too long ago.
pub(super) fn find<V: View>(
    draft: &Draft<'_, V>,
    limits: Limits,
    log: &str,
    content: &Content<'_>,
) -> Result<Found, StoreError> {
    let Some(hash) = message_of(content) else { return Ok(Found::Nothing) };
    let Some(meta) = draft.log_meta(log)? else { return Ok(Found::Nothing) };
    let Some(seen) = draft.seen(meta.id, hash)? else { return Ok(Found::Nothing) };
    if seen.version < meta.first && is_over(limits.dedupe, seen.time, draft.time) {
        return Ok(Found::Nothing);
    }
    if seen.fingerprint != content.fingerprint() {
        return Ok(Found::Other);
    }
    Ok(Found::Same(appended(seen)))
}

/// Whether a message of the time `taken` need not be known any more.
pub(super) fn is_over(dedupe: Option<Duration>, taken: Time, now: Time) -> bool {
    dedupe.is_some_and(|dedupe| u128::from(now.0.saturating_sub(taken.0)) >= dedupe.as_millis())
}

fn appended(seen: Seen) -> Appended {
    Appended { version: Version(seen.version), time: seen.time, duplicate: true, revision: 0 }
}
