//! Why something did not work, and what helps.

use std::time::Duration;

use protocol::ids::{LogName, Version};

/// Why there is no session, or no longer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Nothing answers at an address.
    #[error("cannot connect to {at}: {cause}")]
    Unreachable {
        /// `the gateway 127.0.0.1:17000`.
        at: String,
        /// What the system says.
        cause: String,
    },
    /// The gateway or the server says: not now.
    #[error("not now: {message}")]
    NotNow {
        /// The number of the error.
        code: u16,
        /// What the mesh says.
        message: String,
        /// How long it asks to wait.
        retry: Duration,
    },
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The server ended the session, and said why.
    #[error("the server ended the session: {message}")]
    Told {
        /// The number; its range says whether to come back.
        code: u16,
        /// What the server says.
        message: String,
    },
    /// A ping was not answered.
    #[error("the connection is dead: no answer within {0:?}")]
    Silent(Duration),
    /// The other side did not answer a step of connecting in time.
    #[error("no answer to {0} in time")]
    TimedOut(&'static str),
    /// What came is not what `docs/protocol.md` describes.
    #[error("the server sent what cannot be read: {0}")]
    BadPacket(String),
    /// A push left out versions: connecting again reads them.
    #[error("{log} came with a hole before version {version}")]
    Hole {
        /// In which log.
        log: LogName,
        /// The version that came too early.
        version: Version,
    },
    /// The mesh does not let this user or device in.
    #[error("the login was refused: {message}")]
    Refused {
        /// The number of the error.
        code: u16,
        /// What the server says.
        message: String,
    },
    /// [`crate::Client::close`] was called, or the last handle dropped.
    #[error("the client was closed")]
    Closed,
}

/// Why a durable message was not acknowledged, and will not be by itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The mesh refused it: the same message will be refused again.
    #[error("refused ({code}): {message}")]
    Refused {
        /// The number of the error: [`protocol::code::ErrorCode`].
        code: u16,
        /// What the mesh says, and what would help.
        message: String,
    },
    /// It is longer than a packet may be.
    #[error("the message makes a packet of {bytes} bytes, the mesh takes {limit}: send it in parts")]
    TooLarge {
        /// Bytes of its packet.
        bytes: usize,
        /// [`crate::Options::max_frame_bytes`].
        limit: usize,
    },
    /// The client ended before the answer came.
    #[error("{reason}; the message {}", if *.maybe_stored { "may have been stored all the same: send it again under the same id" } else { "was not sent" })]
    Ended {
        /// Why it ended.
        reason: Reason,
        /// Whether it may have been stored all the same.
        maybe_stored: bool,
    },
}

impl SendError {
    /// Whether the same message may succeed another time.
    pub fn may_succeed_later(&self) -> bool {
        matches!(self, Self::Ended { .. })
    }
}

/// Why a request was not answered as hoped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The mesh refused it: the same request will be refused again.
    #[error("refused ({code}): {message}")]
    Refused {
        /// The number of the error: [`protocol::code::ErrorCode`].
        code: u16,
        /// What the mesh says, and what would help.
        message: String,
    },
    /// The mesh could not do it just now.
    #[error("not now ({code}): {message}")]
    NotNow {
        /// The number of the error: [`protocol::code::ErrorCode`].
        code: u16,
        /// What the mesh says.
        message: String,
    },
    /// No answer within [`crate::Timings::request`]; where there was no connection in that time, try again later.
    #[error("no answer within {0:?}: try again later")]
    TimedOut(Duration),
    /// There is no connection, and a volatile message does not wait for one.
    #[error("there is no connection at the moment, and a volatile message does not wait for one")]
    NotConnected,
    /// It is longer than a packet may be.
    #[error("this makes a packet of {bytes} bytes, the mesh takes {limit}")]
    TooLarge {
        /// Bytes of the packet.
        bytes: usize,
        /// [`crate::Options::max_frame_bytes`].
        limit: usize,
    },
    /// The answer is not what `docs/protocol.md` describes.
    #[error("the server answered what cannot be read: {0}")]
    BadAnswer(String),
    /// The client has ended.
    #[error("{0}")]
    Ended(Reason),
}
