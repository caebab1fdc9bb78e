//! The signals that a process listens to.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::exit;

/// What somebody outside wants of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    /// To end; with this exit code where it is asked to a second time.
    End(u8),
    /// To read its config file again.
    Reload,
}

/// SIGINT, SIGTERM and SIGHUP, from now on heard instead of obeyed by the system.
#[derive(Debug)]
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Begins to listen; to be called within a runtime.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// The next request.
    pub async fn next(&mut self) -> Request {
        tokio::select! {
            Some(()) = self.interrupt.recv() => Request::End(exit::INTERRUPTED),
            Some(()) = self.terminate.recv() => Request::End(exit::TERMINATED),
            Some(()) = self.hang_up.recv() => Request::Reload,
            else => std::future::pending().await,
        }
    }
}
