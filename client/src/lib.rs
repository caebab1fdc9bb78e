//! Talks to a Shoal mesh: connects through the gateway, stays connected, and neither loses nor repeats a message.
//!
//! ```no_run
//! use client::{Client, Event, Options};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let (client, mut events) = Client::connect(Options::new("127.0.0.1:17000", "amy".parse()?))?;
//!
//! let sent = client.send_p2p(&"bob".parse()?, "hi").await?; // returns when "hi" is on disk
//! println!("stored as version {} of {}", sent.version, sent.log);
//!
//! while let Some(event) = events.next().await {
//!     if let Event::Message(message) = event {
//!         println!("{}: {}", message.from, message.text_lossy());
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`Client`] is the handle that asks and sends; it is cheap to clone. [`Events`] is what happens, in order.
//! One task does the work for both, until [`Client::close`], or until all handles and the [`Events`] are dropped.
//!
//! # What it keeps
//!
//! - **A send is stored once.** A durable send has an id of its own (UUIDv7) and waits in an outbox until the mesh said
//!   that it is on disk, or that it never will be. After a broken connection, or a "not now", it is sent again, under
//!   the same id and in order.
//! - **A message is told once, in order, without a hole.** Per log, the client knows up to which version it has
//!   everything, resumes from there after each reconnect, and drops what it has seen. What retention took in the
//!   meantime is told as [`Event::Gap`].
//! - **What was not handled comes again.** The mesh is told that this device has a message ([`Acks::Handled`]) when
//!   the program asks for the event after it, so that a program that dies in between sees it again.
//! - **Memory is bounded.** The outbox and the queue of events are bounded in bytes. With the outbox full, sending
//!   waits; with the queue of events full, the connection is not read. So events have to be read while
//!   something else waits for an answer: from a task of their own, or in one `select!`.
//! - **A dead connection is found,** by a ping that is not answered; and the client comes back as the mesh asked:
//!   at once, later, or not at all ([`Event::Ended`]).
//!
//! # Inside
//!
//! What decides is `session`, without sockets, tasks or a clock: events and time in, actions out. `driver` has the socket
//! and the clock, and decides nothing. `docs/protocol.md` describes the wire.

mod backoff;
mod body;
mod driver;
mod error;
mod event;
mod handle;
mod options;
mod outbox;
mod positions;
#[cfg(feature = "programs")]
pub mod programs;
mod progress;
mod queue;
mod request;
mod session;
mod tracker;
mod wire;

pub use body::Body;
pub use error::{Reason, RequestError, SendError};
pub use event::{Event, LogState, Mark, Message, Page, PageItem, Sent, TopicState};
pub use handle::{Client, NoRuntime, Pending};
pub use options::{Acks, Options, Start, Target, Timings};
pub use positions::Positions;
pub use protocol::ids::{DeviceId, LogKind, LogName, MessageId, NameError, Time, TopicName, UserId, Version};
pub use queue::{Empty, Events};
pub use request::MembersPage;
