//! Making a compacted segment: a smaller file that stands for a run of segments which nothing is appended to any more.
//!
//! 1. The run is read, each record checked. Whoever makes it decides what is left of them, and says so in merged records.
//! 2. They go into a file of their own, which is synced and read back.
//! 3. The file gets its name, and the folder is synced. From here on it counts, and the run is superseded.
//! 4. Once nobody needs positions in the run any more, its files are removed ([`LogReader::remove_superseded`]).
//!
//! Wherever that is broken off, the log holds either the run or what stands for it, and opening finds out which.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use super::layout::Name;
use super::reader::LogFile;
use super::record::{self, Header, Kind};
use super::segment::{self, Head, Segment, Stretch, failed};
use super::segments::Segments;
use super::walk::{Found, Walk, Window};
use super::{Damage, LogError, LogReader, Position, Record};
use crate::embedded::files::{File, write_all_at};

/// So many bytes are written before they are synced, so that the disk's queue stays short for whoever appends meanwhile.
const SYNC_BYTES: u32 = 1 << 20;

/// A compacted segment in the making. Dropping it before it is published leaves nothing behind.
#[derive(Debug)]
pub struct Compaction {
    segments: Arc<Segments>,
    name: Name,
    input: Walk,
    stretch: Option<Stretch>,
    file: Arc<dyn File>,
    /// Where the file lies until it has its name.
    path: PathBuf,
    salt: u64,
    /// Where the next record goes.
    offset: u32,
    synced: u32,
    /// The sequence number that the next record begins with.
    sequence: u64,
    /// The check of the last record written.
    previous: u64,
    is_published: bool,
}

impl LogReader {
    /// Begins to make a compacted segment of these files, which follow one another and are all sealed. One at a time
    /// may be made.
    ///
    /// # Errors
    /// Where the file cannot be created.
    pub fn compact(&self, run: &[LogFile]) -> Result<Compaction, LogError> {
        let (Some(first), Some(last)) = (run.first(), run.last()) else {
            return Err(LogError::BadOptions("nothing is to be compacted"));
        };
        if run.iter().any(|file| !file.is_sealed) {
            return Err(LogError::BadOptions("a segment in use cannot be compacted"));
        }
        Compaction::begin(Arc::clone(&self.segments), first.name, last.name)
    }

    /// Removes the files that compacted segments stand for, and says how many bytes that were. To be called when nobody
    /// asks for positions in them any more.
    ///
    /// # Errors
    /// A file cannot be removed, or the folder not be synced: the files may come back, which does no harm.
    pub fn remove_superseded(&self) -> Result<u64, LogError> {
        let segments = &self.segments;
        let superseded = segments.take_superseded();
        let mut bytes = 0;
        for name in &superseded {
            let path = segments.dir.join(name.file());
            let file = segments.files.open(&path).map_err(failed("cannot open", &path))?;
            bytes += file.len().map_err(failed("cannot look at", &path))?;
            segments.files.remove(&path).map_err(failed("cannot remove", &path))?;
        }
        if !superseded.is_empty() {
            segment::sync_dir(&*segments.files, &segments.dir)?;
        }
        Ok(bytes)
    }
}

impl Compaction {
    fn begin(segments: Arc<Segments>, first: Name, last: Name) -> Result<Self, LogError> {
        let name = Name::compacted(segments.layout().next_compacted(), first.first, last.last);
        let place = Position { segment: first.number, offset: segment::HEADER_BYTES };
        let input = Walk::new(Arc::clone(&segments), place, last.last, None, None)?;
        let path = segment::unnamed(&segments.dir, &name);
        let file = segment::create_anew(&*segments.files, &path).map_err(failed("cannot create", &path))?;
        Ok(Self {
            segments,
            name,
            input,
            stretch: None,
            file,
            path,
            salt: segment::random_salt(),
            offset: segment::HEADER_BYTES,
            synced: segment::HEADER_BYTES,
            sequence: 0,
            previous: 0,
            is_published: false,
        })
    }

    /// The next record of the run; `None` at its end.
    ///
    /// # Errors
    /// [`LogError::Damaged`] where a record of the run is bad: then it is to be left as it is.
    pub fn read(&mut self) -> Result<Option<Record>, LogError> {
        while let Some(stop) = self.input.step()? {
            if self.stretch.is_none() {
                self.begins_with(stop.segment)?;
                (self.sequence, self.previous) = (stop.header.sequence, stop.header.previous);
                let (sequence, before) = (stop.header.sequence, stop.header.previous);
                self.stretch = Some(Stretch { sequence, before, ..Stretch::default() });
            }
            // What a repair gave up stays lost: the record that stands for those around it stands for that too.
            if stop.header.is_record() {
                return Ok(Some(Record::new(&stop, Bytes::copy_from_slice(self.input.payload(&stop)))));
            }
        }
        self.join().map(|()| None)
    }

    /// Fails where the first record of the run is bad, so that the first good one is another segment's.
    fn begins_with(&self, number: u32) -> Result<(), LogError> {
        let begin = self.segments.get(number)?;
        if begin.name.first == self.name.first {
            return Ok(());
        }
        let layout = self.segments.layout();
        let first = layout.index_of(self.name.first).map(|at| layout.names()[at]);
        let first = self.segments.get(first.map_or(self.name.first, |name| name.number))?;
        Err(Damage::here(&first, segment::HEADER_BYTES, "the segment's first record".into()).into())
    }

    /// Finds how the log goes on after the run, which shows that all of the run was read.
    fn join(&mut self) -> Result<(), LogError> {
        let next_sequence = self.input.mark().sequence;
        let last = Arc::clone(self.input.segment());
        let next = self.segments.after(&last.name)?;
        let found = match &next {
            Some(next) => Window::exact().find(next, segment::HEADER_BYTES)?,
            None => Found::Nothing,
        };
        let expected = last.stretch.map_or(self.input.previous(), |stretch| stretch.after);
        match (found, &mut self.stretch) {
            (Found::Good { header, .. }, Some(stretch))
                if last.name.last == self.name.last
                    && header.sequence == next_sequence
                    && (self.input.previous() == 0 || header.previous == expected) =>
            {
                (stretch.next_sequence, stretch.after) = (next_sequence, header.previous);
                Ok(())
            }
            _ => {
                let what = format!("record {next_sequence}");
                Err(Damage::here(&last, self.input.offset(), what).into())
            }
        }
    }

    /// Writes a record that stands for all sequence numbers after those of the last one, up to `next`, itself not
    /// included.
    ///
    /// # Errors
    /// Where it cannot be written, or the file would become larger than a segment may be.
    pub fn put(&mut self, payload: &[u8], next: u64) -> Result<(), LogError> {
        let stride = record::stride(payload.len() as u64);
        let end = u64::from(self.offset) + stride;
        let too_large = || LogError::TooLarge { bytes: end, limit: segment::MAX_BYTES };
        let end = u32::try_from(end).ok().filter(|end| *end <= segment::MAX_BYTES).ok_or_else(too_large)?;
        let header = Header {
            length: payload.len() as u32,
            kind: Kind::Merged { sequences: u32::try_from(next - self.sequence).map_err(|_| too_large())? },
            sequence: self.sequence,
            payload_crc: record::crc(&[payload]),
            previous: self.previous,
        };
        let place = record::Place { salt: self.salt, segment: self.name.number, offset: self.offset };
        let (bytes, check) = header.encode(place);
        let zeros = [0; record::ALIGN as usize];
        let padding = &zeros[..(stride - u64::from(record::HEADER_BYTES)) as usize - payload.len()];
        write_all_at(&*self.file, &[&bytes, payload, padding], u64::from(self.offset))
            .map_err(failed("cannot write", &self.path))?;
        (self.offset, self.sequence, self.previous) = (end, next, check);
        if self.offset - self.synced >= SYNC_BYTES {
            self.sync()?;
        }
        Ok(())
    }

    /// The sequence number after the run's last; known once all of it was read.
    pub fn end(&self) -> u64 {
        self.input.mark().sequence
    }

    /// Bytes that the file has so far.
    pub fn bytes(&self) -> u64 {
        u64::from(self.offset)
    }

    /// Completes the file and lets it count; `note` is told with it from now on ([`LogFile::note`]).
    ///
    /// # Errors
    /// [`LogError::Unpublished`] where the file may have its name or not: the run's files must stay then, and no other
    /// run may be compacted until the log was opened anew. After any other error all is as before.
    pub fn publish(mut self, note: u64) -> Result<LogFile, LogError> {
        let stretch = self.stretch.filter(|stretch| stretch.next_sequence == self.sequence);
        let Some(stretch) = stretch else {
            return Err(LogError::BadOptions("a compacted segment must stand for all of its run"));
        };
        let head = Head {
            name: self.name,
            store_id: self.input.segment().store_id,
            salt: self.salt,
            bytes: self.offset,
            stretch: Some(Stretch { note, ..stretch }),
        };
        write_all_at(&*self.file, &[&head.encode()], 0).map_err(failed("cannot write", &self.path))?;
        self.sync()?;
        let mut segment = self.read_back()?;
        let path = self.segments.dir.join(self.name.file());
        let unpublished = |error: LogError| LogError::Unpublished { cause: error.to_string() };
        // From here on the file is not ours to remove.
        self.is_published = true;
        self.segments
            .files
            .rename(&self.path, &path)
            .map_err(failed("cannot rename", &path))
            .map_err(unpublished)?;
        segment::sync_dir(&*self.segments.files, &self.segments.dir).map_err(unpublished)?;
        segment.path = path;
        self.segments.supersede(segment);
        Ok(LogFile { name: self.name, bytes: u64::from(self.offset), note: Some(note), is_sealed: true })
    }

    /// Reads what was written, as an opening would: what is to be removed for it must not be removed for nothing.
    fn read_back(&self) -> Result<Segment, LogError> {
        let segment = Segment::open_at(&*self.segments.files, self.path.clone(), self.name)?;
        let stretch = segment.stretch.unwrap_or_default();
        let mut window = Window::default();
        let (mut offset, mut sequence, mut previous) =
            (segment::HEADER_BYTES, stretch.sequence, stretch.before);
        while offset < segment.bytes {
            match window.find(&segment, offset)? {
                Found::Good { header, check, .. }
                    if (header.sequence, header.previous) == (sequence, previous) =>
                {
                    // It fits into the segment, whose size is a u32.
                    offset += header.stride() as u32;
                    (sequence, previous) = (header.next_sequence(), check);
                }
                _ => return Err(Damage::here(&segment, offset, format!("record {sequence}")).into()),
            }
        }
        Ok(segment)
    }

    fn sync(&mut self) -> Result<(), LogError> {
        self.file.sync().map_err(failed("cannot sync", &self.path))?;
        self.synced = self.offset;
        Ok(())
    }
}

impl Drop for Compaction {
    fn drop(&mut self) {
        if !self.is_published {
            // If even that fails, the next opening removes it.
            let _ = self.segments.files.remove(&self.path);
        }
    }
}
