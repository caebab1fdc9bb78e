//! The newest messages of a log, read backwards page by page.

use crate::{Client, LogName, Message, RequestError, Version};

/// Entries that are read in one step back.
const STEP: u64 = 200;
/// Steps back, at most: whoever says little among many is not looked for through years.
const STEPS: usize = 20;

/// The newest `wanted` messages of a log that `keep` keeps, oldest first.
///
/// # Errors
/// [`RequestError`], as the mesh refuses it.
pub async fn newest(
    client: &Client,
    log: &LogName,
    wanted: usize,
    keep: impl Fn(&Message) -> bool,
) -> Result<Vec<Message>, RequestError> {
    let about = client.sync(log, Version::ZERO, 1).await?;
    let (mut before, first) = (about.head.next(), about.first);
    let mut found: Vec<Message> = Vec::new();
    for _ in 0..STEPS {
        if found.len() >= wanted || before <= first {
            break;
        }
        let after = Version(before.0.saturating_sub(STEP + 1));
        let mut page = between(client, log, after, before).await?;
        page.retain(&keep);
        page.append(&mut found);
        found = page;
        before = after.next();
    }
    Ok(found.split_off(found.len().saturating_sub(wanted)))
}

/// All messages after one version and before another.
async fn between(
    client: &Client,
    log: &LogName,
    after: Version,
    before: Version,
) -> Result<Vec<Message>, RequestError> {
    let mut messages = Vec::new();
    let mut at = after;
    while at.next() < before {
        let page = client.sync(log, at, (before.0 - at.0 - 1) as usize).await?;
        messages.extend(page.messages().filter(|it| it.version.is_some_and(|v| v < before)).cloned());
        if page.complete || page.next <= at {
            break;
        }
        at = page.next;
    }
    Ok(messages)
}
