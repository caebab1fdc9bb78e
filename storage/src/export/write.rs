//! Exporting.

use std::io::{self, Write};

use protocol::ids::{LogName, TopicName, Version};
use xxhash_rust::xxh3::Xxh3Default;

use super::item::Item;
use super::{Counts, MAGIC, VERSION};
use crate::codec::put_int;
use crate::{Account, Answer, ReadRange, Restored, Store, StoreError, Topic};

/// Names asked for at once.
const NAMES: usize = 1_000;
/// Bytes of content asked for at once.
const PAGE_BYTES: usize = 1 << 20;
/// Progress is told after so many items.
const TELL: u64 = 10_000;

/// Why an export failed. What was written so far is no export.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The output took no more.
    #[error("the export cannot be written: {0}")]
    Io(#[from] io::Error),
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Retention took entries of a log while it was read.
    #[error("retention shortened {0} during the export: start it again")]
    Shortened(LogName),
}

/// Writes all that the store holds. `progress` is called now and then with what was written so far. To hold every
/// message in both inboxes or in neither, the store is to be used by nobody else meanwhile, and its open pairs
/// completed before ([`crate::pair::complete_open_pairs`]).
///
/// # Errors
/// [`ExportError`]: what was written is to be thrown away.
pub async fn export<W: Write>(
    store: &dyn Store,
    mut out: W,
    progress: impl FnMut(&Counts),
) -> Result<Counts, ExportError> {
    out.write_all(MAGIC)?;
    out.write_all(&[VERSION])?;
    let mut encoder = zstd::Encoder::new(out, 0)?;
    encoder.include_checksum(true)?;
    let mut writer = Writer {
        out: encoder,
        hash: Xxh3Default::new(),
        counts: Counts::default(),
        written: 0,
        progress,
        buffer: Vec::new(),
    };
    writer.put(&Item::Store(store.id()))?;
    accounts(store, &mut writer).await?;
    topics(store, &mut writer).await?;
    logs(store, &mut writer).await?;
    cursors(store, &mut writer).await?;
    writer.end()
}

struct Writer<W: Write, P> {
    out: zstd::Encoder<'static, W>,
    hash: Xxh3Default,
    counts: Counts,
    written: u64,
    progress: P,
    buffer: Vec<u8>,
}

impl<W: Write, P: FnMut(&Counts)> Writer<W, P> {
    fn put(&mut self, item: &Item) -> io::Result<()> {
        item.count(&mut self.counts);
        self.write(item)?;
        self.written += 1;
        if self.written.is_multiple_of(TELL) {
            (self.progress)(&self.counts);
        }
        Ok(())
    }

    fn write(&mut self, item: &Item) -> io::Result<()> {
        self.buffer.clear();
        item.encode(&mut self.buffer);
        let mut length = Vec::with_capacity(4);
        put_int(&mut length, self.buffer.len() as u64);
        for bytes in [&length, &self.buffer] {
            self.hash.update(bytes);
            self.out.write_all(bytes)?;
        }
        Ok(())
    }

    fn end(mut self) -> Result<Counts, ExportError> {
        let end = Item::End { counts: self.counts, hash: self.hash.digest128() };
        self.write(&end)?;
        self.out.finish()?.flush()?;
        (self.progress)(&self.counts);
        Ok(self.counts)
    }
}

async fn accounts<W: Write, P: FnMut(&Counts)>(
    store: &dyn Store,
    out: &mut Writer<W, P>,
) -> Result<(), ExportError> {
    let put = async |account| Ok(out.put(&Item::Other(Restored::Account(Box::new(account))))?);
    for_each(|after| store.accounts(after, NAMES), |account| account.user.clone(), put).await
}

async fn topics<W: Write, P: FnMut(&Counts)>(
    store: &dyn Store,
    out: &mut Writer<W, P>,
) -> Result<(), ExportError> {
    let put = async |topic: Topic| {
        let name = topic.name.clone();
        out.put(&Item::Other(Restored::Topic(topic)))?;
        relations(store, name, out).await
    };
    for_each(|after| store.topics(after, NAMES), |topic| topic.name.clone(), put).await
}

async fn relations<W: Write, P: FnMut(&Counts)>(
    store: &dyn Store,
    topic: TopicName,
    out: &mut Writer<W, P>,
) -> Result<(), ExportError> {
    let put = async |(user, relation)| {
        Ok(out.put(&Item::Other(Restored::Relation(topic.clone(), user, relation)))?)
    };
    for_each(|after| store.relations(topic.clone(), after, NAMES), |(user, _)| user.clone(), put).await
}

async fn logs<W: Write, P: FnMut(&Counts)>(
    store: &dyn Store,
    out: &mut Writer<W, P>,
) -> Result<(), ExportError> {
    let put = async |log| entries(store, log, out).await;
    for_each(|after| store.logs(after, NAMES), LogName::clone, put).await
}

async fn cursors<W: Write, P: FnMut(&Counts)>(
    store: &dyn Store,
    out: &mut Writer<W, P>,
) -> Result<(), ExportError> {
    let put = async |account: Account| {
        for cursor in store.cursors_of(account.user).await? {
            out.put(&Item::Other(Restored::Cursor(cursor)))?;
        }
        Ok(())
    };
    for_each(|after| store.accounts(after, NAMES), |account| account.user.clone(), put).await
}

/// Goes through a list that the store gives page by page, each page being what comes after a name.
async fn for_each<T, N>(
    page_after: impl Fn(Option<N>) -> Answer<Result<Vec<T>, StoreError>>,
    name: impl Fn(&T) -> N,
    mut take: impl AsyncFnMut(T) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    let mut after = None;
    loop {
        let page = page_after(after).await?;
        let Some(last) = page.last().map(&name) else { return Ok(()) };
        for thing in page {
            take(thing).await?;
        }
        after = Some(last);
    }
}

async fn entries<W: Write, P: FnMut(&Counts)>(
    store: &dyn Store,
    log: LogName,
    out: &mut Writer<W, P>,
) -> Result<(), ExportError> {
    let mut after: Option<Version> = None;
    loop {
        let range = ReadRange {
            log: log.clone(),
            after: after.unwrap_or_default(),
            max_entries: NAMES,
            max_bytes: PAGE_BYTES,
        };
        let page = store.read(range).await?;
        let mut last = after.unwrap_or(Version(page.first.0.saturating_sub(1)));
        if after.is_none() {
            out.put(&Item::Log(log.clone(), page.first))?;
        }
        if page.entries.is_empty() {
            return Ok(());
        }
        for entry in page.entries {
            if entry.version != last.next() {
                return Err(ExportError::Shortened(log));
            }
            last = entry.version;
            out.put(&Item::Entry(entry))?;
        }
        after = Some(last);
    }
}
