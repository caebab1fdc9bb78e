//! A message between two inboxes: both entries in one record, so that there is never half of it.

use bytes::Bytes;
use protocol::content::Content;
use protocol::ids::{LogName, UserId, Version};

use super::accounts::{make_account, refuses, refuses_half};
use super::append::{Decided, Found, Limits, find, parse};
use crate::embedded::state::change::Change;
use crate::embedded::state::draft::Draft;
use crate::embedded::state::keys;
use crate::embedded::state::view::View;
use crate::{AppendError, Appended, Certainty, OpenPair, PairAppended, StoreError};

/// Appends the message to both inboxes, to whichever does not have it yet. Whoever sends was let in by the mesh: an
/// account is made for them where there is none.
pub(crate) fn append_pair<V: View>(
    draft: &mut Draft<'_, V>,
    limits: Limits,
    message: &Bytes,
) -> Decided<PairAppended> {
    let parsed = match parse(limits, message) {
        Ok(parsed) => parsed,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let Some((sender, recipient)) = inboxes(&parsed) else { return Ok(Err(not_a_pair())) };
    let first = find(draft, limits, sender.as_str(), &parsed)?;
    let second = match sender == recipient {
        true => None,
        false => Some(find(draft, limits, recipient.as_str(), &parsed)?),
    };
    if let Some(refusal) = refusal(draft, &parsed, (&first, second.as_ref()))? {
        return Ok(Err(refusal));
    }
    if !matches!((&first, &second), (Found::Same(_), None | Some(Found::Same(_)))) {
        make_account(draft, parsed.sender)?;
    }
    Ok(Ok(match (first, second) {
        (Found::Same(sender), Some(Found::Same(recipient))) => PairAppended { sender, recipient },
        (Found::Same(sender), Some(_)) => {
            PairAppended { sender, recipient: append_one(draft, &recipient, message)? }
        }
        (_, Some(Found::Same(recipient))) => {
            PairAppended { sender: append_one(draft, &sender, message)?, recipient }
        }
        (_, Some(_)) => append_both(draft, &sender, &recipient, message)?,
        (Found::Same(entry), None) => PairAppended { sender: entry, recipient: entry },
        (_, None) => {
            let entry = append_one(draft, &sender, message)?;
            PairAppended { sender: entry, recipient: entry }
        }
    }))
}

/// Why the message is not taken. Where half of it is there, only a name that is gone may refuse the other half.
fn refusal<V: View>(
    draft: &Draft<'_, V>,
    message: &Content<'_>,
    found: (&Found, Option<&Found>),
) -> Result<Option<AppendError>, StoreError> {
    match found {
        (Found::Other, _) | (_, Some(Found::Other)) => Ok(Some(AppendError::IdReused)),
        (Found::Nothing, None) => refuses(draft, message.sender, None),
        (Found::Nothing, Some(Found::Nothing)) => refuses(draft, message.sender, message.to),
        (Found::Nothing, Some(Found::Same(_))) => refuses_half(draft, message.sender),
        (Found::Same(_), Some(Found::Nothing)) => refuses_half(draft, message.to.unwrap_or_default()),
        (Found::Same(_), None | Some(Found::Same(_))) => Ok(None),
    }
}

/// Says that an open entry of the sender's inbox is whole; nothing for one that is not open.
pub(crate) fn close_pair<V: View>(draft: &mut Draft<'_, V>, pair: &OpenPair) -> Result<(), StoreError> {
    let Ok(content) = Content::parse(&pair.content) else { return Ok(()) };
    let Ok(sender) = UserId::new(content.sender) else { return Ok(()) };
    let inbox = LogName::inbox(&sender);
    let Some(log) = draft.log_meta(inbox.as_str())? else { return Ok(()) };
    let Some(entry) = draft.entry(log.id, pair.version.0)? else { return Ok(()) };
    if !draft.has(&keys::open(entry.time.0, log.id, pair.version.0))? {
        return Ok(());
    }
    let mut place = draft.next_place(inbox.as_str())?;
    place.version = pair.version.0;
    draft.write(Change::Closed { place })
}

fn inboxes(content: &Content<'_>) -> Option<(LogName, LogName)> {
    let sender = UserId::new(content.sender).ok()?;
    let recipient = UserId::new(content.to?).ok()?;
    Some((LogName::inbox(&sender), LogName::inbox(&recipient)))
}

fn not_a_pair() -> AppendError {
    let error = StoreError::Unwritable("a p2p message names its sender and its recipient".to_owned());
    AppendError::Failed { error, certainty: Certainty::Not }
}

fn append_one<V: View>(
    draft: &mut Draft<'_, V>,
    log: &LogName,
    content: &Bytes,
) -> Result<Appended, StoreError> {
    let place = draft.next_place(log.as_str())?;
    let time = draft.time;
    draft.write(Change::Entry { place, time, open: false, content })?;
    Ok(Appended { version: Version(place.version), time, duplicate: false, revision: 0 })
}

fn append_both<V: View>(
    draft: &mut Draft<'_, V>,
    sender: &LogName,
    recipient: &LogName,
    content: &Bytes,
) -> Result<PairAppended, StoreError> {
    let sender = draft.next_place(sender.as_str())?;
    let recipient = draft.next_place(recipient.as_str())?;
    let time = draft.time;
    draft.write(Change::Pair { sender, recipient, time, content })?;
    let stored = |version| Appended { version: Version(version), time, duplicate: false, revision: 0 };
    Ok(PairAppended { sender: stored(sender.version), recipient: stored(recipient.version) })
}
