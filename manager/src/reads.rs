//! Pages of logs: who may read, how much at once, and never more than its reader takes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mesh::outbox::{Outbox, Turn};
use protocol::access::Act;
use protocol::code::ErrorCode;
use protocol::ids::{LogKind, LogName, UserId, Version};
use protocol::link::{Frame, Page, PageEntry, Read};
use storage::{ReadRange, Store};
use tokio::sync::Semaphore;

use crate::answers::Refusal;
use crate::budget::Share;
use crate::desk::{Desk, push};

/// Entries that one page may have.
const PAGE_ENTRIES: usize = 1_000;

/// Pages that are read for one link at the same time.
pub const READS_AT_ONCE: usize = 4;

/// A read that waited longer for its turn is refused: whoever asked will not wait for it either.
const WAITS_FOR: Duration = Duration::from_secs(4);

/// A read that makes sense.
pub struct Wanted {
    ask: u64,
    range: ReadRange,
    reader: Option<UserId>,
}

/// What a read found.
struct Told {
    page: storage::Page,
    /// Its reader sees nothing up to here.
    since: Version,
}

/// Checks a read, and bounds it.
///
/// # Errors
/// The code to refuse it with.
pub fn parse(read: &Read<'_>, page_bytes: usize) -> Result<Wanted, ErrorCode> {
    let bad = |_| ErrorCode::BadRequest;
    let log = LogName::new(read.log).map_err(bad)?;
    let reader = read.reader.map(UserId::new).transpose().map_err(bad)?;
    let bounded = |wanted: u64, limit: usize| usize::try_from(wanted).unwrap_or(limit).clamp(1, limit);
    let range = ReadRange {
        log,
        after: Version(read.after),
        max_entries: bounded(read.max_entries, PAGE_ENTRIES),
        max_bytes: bounded(read.max_bytes, page_bytes),
    };
    Ok(Wanted { ask: read.ask, range, reader })
}

/// Reads a page once it is this one's turn and the link has room for it.
pub async fn answer(wanted: Wanted, desk: Desk, outbox: Arc<Outbox>, reading: Arc<Semaphore>, share: Share) {
    let its_turn = async {
        // Never closed; without a permit the read would only be one more at once.
        let permit = reading.acquire().await.ok();
        has_room(&outbox, desk.page_room()).await;
        permit
    };
    let ask = wanted.ask;
    let (permit, page) = match tokio::time::timeout(WAITS_FOR, its_turn).await {
        Ok(permit) => (permit, read(wanted, &**desk.store()).await),
        Err(_) => (None, Err(ErrorCode::Busy.into())),
    };
    let frame = match page {
        Ok(page) => encode(ask, &page),
        Err(refusal) => refused(ask, &refusal, &desk),
    };
    let mut turn = Turn::default();
    push(&outbox, frame, &mut turn);
    turn.flush().await;
    drop((permit, share));
}

fn refused(ask: u64, refusal: &Refusal, desk: &Desk) -> Bytes {
    desk.vitals().refused(1);
    if let Refusal::Store(error) = refusal {
        tracing::warn!(%error, "a page was not read");
    }
    Frame::Page(Page { ask, refused: refusal.code().number(), ..Page::default() }).to_bytes()
}

/// Waits until less than so many bytes wait for the link, or it ends.
async fn has_room(outbox: &Outbox, bytes: usize) {
    const LOOK: Duration = Duration::from_millis(5);
    while outbox.waiting() > bytes && !outbox.is_closing() {
        tokio::time::sleep(LOOK).await;
    }
}

async fn read(wanted: Wanted, store: &dyn Store) -> Result<Told, Refusal> {
    let Wanted { mut range, reader, .. } = wanted;
    let since = match reader {
        Some(reader) => may_read(store, &range.log, reader).await?,
        None => Version::ZERO,
    };
    range.after = range.after.max(since);
    let page = store.read(range).await?;
    // It may have been dissolved since it was looked whether the reader may read it; or nobody in particular reads.
    if page.gone { Err(ErrorCode::NameGone.into()) } else { Ok(Told { page, since }) }
}

/// Whether the user may read this log: their own inbox, and the topics that they are a member of. After which version.
///
/// # Errors
/// Why not.
pub async fn may_read(store: &dyn Store, log: &LogName, reader: UserId) -> Result<Version, Refusal> {
    match (log.kind(), log.topic_name()) {
        (LogKind::Inbox(owner), _) if owner == reader.as_str() => Ok(Version::ZERO),
        (_, Some(topic)) => Ok(store.may(Act::Read, topic, reader).await?),
        (_, None) => Err(ErrorCode::NotYourLog.into()),
    }
}

fn encode(ask: u64, told: &Told) -> Bytes {
    let Told { page, since } = told;
    let entries = page.entries.iter();
    let entries = entries.map(|entry| PageEntry {
        version: entry.version.0,
        time: entry.time.0,
        content: &entry.content,
    });
    let page = Page {
        ask,
        first: page.first.max(since.next()).0,
        head: page.head.0,
        entries: entries.collect(),
        refused: 0,
        revision: page.revision,
        since: since.0,
    };
    Frame::Page(page).to_bytes()
}
