//! The faults that a test may ask for, and when they happen.

use std::io;

/// A fault of a disk in memory.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The disk has room for this many more bytes. Rewriting bytes that a file has takes none.
    Full {
        /// How many bytes.
        bytes: u64,
    },
    /// No write call takes more than this many bytes.
    ShortWrites {
        /// How many bytes; at least 1.
        bytes: usize,
    },
    /// The nth write call from now on (1 is the next) fails, a part of its bytes being written.
    FailWrite {
        /// Which call.
        nth: u64,
    },
    /// The nth sync call from now on (1 is the next), of a file or a folder, fails.
    FailSync {
        /// Which call.
        nth: u64,
    },
    /// The machine stops in the nth call from now on (1 is the next) that changes something or syncs: that call and all
    /// later ones fail. What is left is for [`power_cut`](super::SimFiles::power_cut) to say.
    Stop {
        /// Which call.
        nth: u64,
    },
}

/// What kind of call it is that changes something.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) enum Call {
    Write,
    Sync,
    Name,
}

/// What becomes of a call.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    Go,
    /// It fails, having done a part of its work if `partly`.
    Fail {
        partly: bool,
    },
}

/// Which faults are to come.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    calls: u64,
    writes: u64,
    syncs: u64,
    capacity: Option<u64>,
    longest_write: Option<usize>,
    fail_write: Option<u64>,
    fail_sync: Option<u64>,
    stop: Option<u64>,
}

impl Verdict {
    pub fn or_broken(self) -> io::Result<()> {
        if self == Self::Go { Ok(()) } else { Err(broken()) }
    }
}

impl Plan {
    /// Adds a fault, the disk holding `used` bytes now.
    pub fn add(&mut self, fault: Fault, used: u64) {
        match fault {
            Fault::Full { bytes } => self.capacity = Some(used + bytes),
            Fault::ShortWrites { bytes } => self.longest_write = Some(bytes.max(1)),
            Fault::FailWrite { nth } => self.fail_write = Some(self.writes + nth),
            Fault::FailSync { nth } => self.fail_sync = Some(self.syncs + nth),
            Fault::Stop { nth } => self.stop = Some(self.calls + nth),
        }
    }

    pub fn clear(&mut self) {
        *self = Self { calls: self.calls, writes: self.writes, syncs: self.syncs, ..Self::default() };
    }

    pub fn calls(&self) -> u64 {
        self.calls
    }

    pub fn longest_write(&self) -> usize {
        self.longest_write.unwrap_or(usize::MAX)
    }

    /// How many bytes the disk still has room for.
    pub fn room(&self, used: u64) -> u64 {
        self.capacity.map_or(u64::MAX / 2, |capacity| capacity.saturating_sub(used))
    }

    /// Counts a call and says what becomes of it.
    pub fn enter(&mut self, call: Call) -> io::Result<Verdict> {
        self.calls += 1;
        self.writes += u64::from(call == Call::Write);
        self.syncs += u64::from(call == Call::Sync);
        if let Some(stop) = self.stop.filter(|stop| self.calls >= *stop) {
            // A call made after the machine has stopped does nothing at all.
            let is_in_it = self.calls == stop && call != Call::Name;
            return if is_in_it { Ok(Verdict::Fail { partly: true }) } else { Err(broken()) };
        }
        let fails = match call {
            Call::Write => self.fail_write == Some(self.writes),
            Call::Sync => self.fail_sync == Some(self.syncs),
            Call::Name => false,
        };
        Ok(if fails { Verdict::Fail { partly: true } } else { Verdict::Go })
    }
}

/// The error of a disk that does not answer.
pub(super) fn broken() -> io::Error {
    io::Error::other("injected input/output error")
}
