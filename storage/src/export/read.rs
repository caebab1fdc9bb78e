//! Importing.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use bytes::Bytes;
use protocol::ids::LogName;
use xxhash_rust::xxh3::Xxh3Default;

use super::item::Item;
use super::{Counts, MAGIC, VERSION};
use crate::codec::{Malformed, put_int};
use crate::{Restored, Store, StoreError};

/// Things restored at once, and bytes of content in them.
const BATCH: usize = 1_000;
const BATCH_BYTES: usize = 1 << 20;
/// No item is longer: a longer length is damage.
const ITEM_BYTES: u64 = 64 << 20;

/// Why an import failed.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read.
    #[error("the export cannot be read: {0}")]
    Io(io::Error),
    /// It does not begin as an export does.
    #[error("this is no export of a Shoal store")]
    NotAnExport,
    /// A newer version of this program made it.
    #[error("the export has format {found}, this program reads up to {VERSION}: use a newer program")]
    NewerFormat {
        /// The format it has.
        found: u8,
    },
    /// It was cut or changed. Nothing was imported.
    #[error("the export is damaged after {items} items: {what}; nothing was imported, use another copy")]
    Damaged {
        /// Good items before the damage.
        items: u64,
        /// What is wrong.
        what: String,
    },
    /// The store refused something: most often it is not empty, and holds something else. Parts of the export may be in
    /// the store.
    #[error("the import ended: {0}")]
    Store(#[from] StoreError),
}

/// Reads a whole export, and says what is in it.
///
/// # Errors
/// Every [`ImportError`] but of the store.
pub fn verify<R: Read>(input: R) -> Result<Counts, ImportError> {
    let mut items = Items::open(input)?;
    while items.next()?.is_some() {}
    Ok(items.counts)
}

/// Puts all that an export holds into the store, once the whole file was read and found good. What the store holds
/// already is left, so an import that was interrupted is begun again and completes. `progress` is called now and then
/// with what was restored so far.
///
/// # Errors
/// [`ImportError`]. A store that holds something else under the same names refuses, and may then hold parts of both:
/// import into an empty one.
pub async fn import<R: Read + Seek>(
    store: &dyn Store,
    mut input: R,
    mut progress: impl FnMut(&Counts),
) -> Result<Counts, ImportError> {
    let start = input.stream_position().map_err(ImportError::Io)?;
    verify(&mut input)?;
    input.seek(SeekFrom::Start(start)).map_err(ImportError::Io)?;
    let mut items = Items::open(&mut input)?;
    let mut log: Option<LogName> = None;
    let (mut batch, mut bytes) = (Vec::new(), 0);
    while let Some(item) = items.next()? {
        match item {
            Item::Log(name, first) => {
                batch.push(Restored::First(name.clone(), first));
                log = Some(name);
            }
            Item::Entry(entry) => {
                let log = log.clone().ok_or_else(|| items.damaged("an entry of no log".to_owned()))?;
                bytes += entry.content.len();
                batch.push(Restored::Entry(log, entry));
            }
            Item::Other(thing) => batch.push(thing),
            Item::Store(_) | Item::End { .. } => {}
        }
        if batch.len() >= BATCH || bytes >= BATCH_BYTES {
            store.restore(std::mem::take(&mut batch)).await?;
            bytes = 0;
            progress(&items.counts);
        }
    }
    store.restore(batch).await?;
    progress(&items.counts);
    Ok(items.counts)
}

/// Reads the items of an export, and checks them.
struct Items<R: Read> {
    input: zstd::Decoder<'static, BufReader<R>>,
    hash: Xxh3Default,
    counts: Counts,
    read: u64,
    ended: bool,
}

impl<R: Read> Items<R> {
    fn open(mut input: R) -> Result<Self, ImportError> {
        let mut begin = [0; MAGIC.len() + 1];
        input.read_exact(&mut begin).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => ImportError::NotAnExport,
            _ => ImportError::Io(error),
        })?;
        match begin.split_last() {
            Some((1..=VERSION, magic)) if magic == MAGIC => {}
            Some((&found, magic)) if magic == MAGIC && found > VERSION => {
                return Err(ImportError::NewerFormat { found });
            }
            _ => return Err(ImportError::NotAnExport),
        }
        let input = zstd::Decoder::new(input).map_err(ImportError::Io)?;
        Ok(Self { input, hash: Xxh3Default::new(), counts: Counts::default(), read: 0, ended: false })
    }

    fn damaged(&self, what: String) -> ImportError {
        ImportError::Damaged { items: self.read, what }
    }

    /// Errors of the system are told from those of the decompression, which come from damage.
    fn broken(&self, error: io::Error) -> ImportError {
        if error.raw_os_error().is_some() { ImportError::Io(error) } else { self.damaged(error.to_string()) }
    }

    /// The next item; `None` after the last one, which said that all were there.
    fn next(&mut self) -> Result<Option<Item>, ImportError> {
        if self.ended {
            return Ok(None);
        }
        let expected = self.hash.digest128();
        let bytes = self.item_bytes()?;
        let item =
            Item::decode(&bytes).map_err(|Malformed(what)| self.damaged(format!("expected was {what}")))?;
        if let Item::End { counts, hash } = item {
            if counts != self.counts || hash != expected {
                return Err(self.damaged("it does not hold what it says at its end".to_owned()));
            }
            self.ended = true;
            return self.nothing_more().map(|()| None);
        }
        item.count(&mut self.counts);
        self.read += 1;
        Ok(Some(item))
    }

    fn item_bytes(&mut self) -> Result<Bytes, ImportError> {
        let length = self.length()?;
        let mut bytes = Vec::new();
        let read = (&mut self.input).take(length).read_to_end(&mut bytes);
        let read = read.map_err(|error| self.broken(error))?;
        if (read as u64) < length {
            return Err(self.damaged("it ends in the middle of an item".to_owned()));
        }
        let mut prefix = Vec::with_capacity(4);
        put_int(&mut prefix, length);
        self.hash.update(&prefix);
        self.hash.update(&bytes);
        Ok(bytes.into())
    }

    fn length(&mut self) -> Result<u64, ImportError> {
        let mut length = 0u64;
        for shift in (0..35).step_by(7) {
            let mut byte = [0];
            self.input.read_exact(&mut byte).map_err(|error| self.broken(error))?;
            length |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] & 0x80 == 0 && length <= ITEM_BYTES {
                return Ok(length);
            }
        }
        Err(self.damaged("an item is too long".to_owned()))
    }

    fn nothing_more(&mut self) -> Result<(), ImportError> {
        match self.input.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(self.damaged("something follows its end".to_owned())),
            Err(error) => Err(self.broken(error)),
        }
    }
}
