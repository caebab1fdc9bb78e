//! A running manager over a store in a temporary folder, and the msg_server's end of its link.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use manager::{ManagerError, OpenStore};
use mesh::config::{ManagerConfig, RoleConfig};
use mesh::link::Secrecy;
use mesh::process::Shutdown;
use protocol::access::Join;
use protocol::content::Content;
use protocol::event::Stored as Certain;
use protocol::ids::{LogName, TopicName, UserId, Version};
use protocol::link::request::{Notice, Reply, Request};
use protocol::link::{Append, Frame, Outcome, Read, Stored};
use serde_json::{Value, json};
use storage::embedded::OpenError;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::link_end::{LinkEnd, Links, PATIENCE};

/// A manager in this process.
pub struct Manager {
    pub shutdown: Shutdown,
    pub running: JoinHandle<Result<(), ManagerError>>,
}

/// A config file's text for a manager whose store lies in `folder`.
pub fn config(servers: &[&Links], folder: &Path, keys: Value) -> Value {
    let list: Vec<&str> = servers.iter().map(|links| &*links.addr).collect();
    let store = json!({"Kind": "embedded", "Path": folder, "SegmentBytes": 4 << 20});
    let mut file = json!({"Listen": "127.0.0.1:0", "UUID": "18000", "MsgServerList": list, "Store": store});
    file.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    file
}

impl Manager {
    /// Over a store on this machine's disk.
    pub async fn start(config: Value) -> Self {
        let config = ManagerConfig::parse(&config.to_string(), "manager.json").unwrap().config;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shutdown = Shutdown::new(Duration::from_secs(10));
        let running = tokio::spawn(manager::run(config, listener, shutdown.clone()));
        Self { shutdown, running }
    }

    /// Over the store that `open` opens.
    pub async fn start_with(
        config: Value,
        open: impl FnOnce(&ManagerConfig) -> Result<OpenStore, OpenError> + Send + 'static,
    ) -> Self {
        let config = ManagerConfig::parse(&config.to_string(), "manager.json").unwrap().config;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shutdown = Shutdown::new(Duration::from_secs(10));
        let running = tokio::spawn(manager::run_with(open, config, listener, shutdown.clone()));
        Self { shutdown, running }
    }

    /// Drains it, and waits until nothing of it runs.
    pub async fn drained(self) {
        self.shutdown.drain();
        timeout(PATIENCE, self.running).await.expect("an end in time").unwrap().unwrap();
        assert_eq!(self.shutdown.running_tasks(), 0);
    }

    /// Waits for an end by itself, and until nothing of it runs.
    pub async fn failed(self) -> ManagerError {
        let error = timeout(PATIENCE, self.running).await.expect("an end in time").unwrap().unwrap_err();
        self.shutdown.cancel();
        timeout(PATIENCE, self.shutdown.tasks_ended()).await.expect("an end of its tasks in time");
        error
    }
}

/// A msg_server, a manager linked to it, and the folder of its store.
pub struct Pair {
    pub folder: tempfile::TempDir,
    pub links: Links,
    pub manager: Manager,
    pub server: Server,
}

impl Pair {
    /// With a new store.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let links = Links::start(Secrecy::default()).await;
        let manager = Manager::start(config(&[&links], folder.path(), json!({}))).await;
        let server = Server::linked(&links).await;
        Self { folder, links, manager, server }
    }
}

/// The msg_server's end of one link, speaking as msg_servers do.
pub struct Server {
    pub link: LinkEnd,
    /// What it was told unasked.
    pub news: Vec<Notice>,
    /// Of the page that was read last: first, since, revision.
    pub page: (u64, u64, u64),
    next: u64,
}

/// What an append came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Came {
    /// Stored: version, and version in the recipient's inbox.
    Stored(u64, u64),
    /// Refused: code, and whether it may be stored.
    Refused(u16, Certain),
}

/// A page, as far as tests look at it.
#[derive(Debug, PartialEq, Eq)]
pub struct PageRead {
    pub head: u64,
    /// Version and message id.
    pub entries: Vec<(u64, String)>,
    pub refused: u16,
}

impl Server {
    /// Waits for the manager's next link.
    pub async fn linked(links: &Links) -> Self {
        Self { link: links.link().await, news: Vec::new(), page: (0, 0, 0), next: 1 }
    }

    /// The next frame that is no news.
    pub async fn frame(&mut self) -> std::io::Result<Vec<u8>> {
        loop {
            let body = self.link.next().await?;
            match Frame::parse(&body).unwrap() {
                Frame::Notice(json) => self.news.push(serde_json::from_slice(json).unwrap()),
                _ => return Ok(body),
            }
        }
    }

    /// Asks and waits for the answer.
    pub async fn ask(&mut self, request: &Request) -> Reply {
        self.ask_json(&serde_json::to_vec(request).unwrap()).await
    }

    /// As [`Server::ask`], with any bytes.
    pub async fn ask_json(&mut self, json: &[u8]) -> Reply {
        self.next += 1;
        self.link.send(Frame::Ask(self.next, json)).await;
        let body = self.frame().await.unwrap();
        let Frame::Answer(ask, json) = Frame::parse(&body).unwrap() else { panic!("no answer: {body:?}") };
        assert_eq!(ask, self.next);
        serde_json::from_slice(json).unwrap()
    }

    /// Logs these users in.
    pub async fn log_in(&mut self, users: &[&str]) {
        for name in users {
            let reply = self.ask(&Request::Login { user: user(name), device: None }).await;
            assert!(matches!(reply, Reply::LoggedIn { .. }), "{reply:?}");
        }
    }

    /// Sends p2p messages from sender to recipient under these ids in one write; the answers in the order of the messages.
    pub async fn send(&mut self, messages: &[(&str, &str, &str)]) -> Vec<Came> {
        let first = self.send_unanswered(messages).await;
        self.answers(first, messages.len()).await
    }

    /// As [`Server::send`], without waiting; the number of the first.
    pub async fn send_unanswered(&mut self, messages: &[(&str, &str, &str)]) -> u64 {
        let contents: Vec<_> = messages.iter().map(|(from, to, id)| p2p(from, to, id)).collect();
        let logs: Vec<_> = messages.iter().map(|(from, ..)| format!("u/{from}")).collect();
        let first = self.next + 1;
        let frames = contents.iter().zip(&logs).enumerate().map(|(at, (content, log))| {
            Frame::Append(Append { ask: first + at as u64, log, pair: true, content })
        });
        self.next += messages.len() as u64;
        self.link.send_all(&frames.collect::<Vec<_>>()).await;
        first
    }

    /// Sends a message to a topic.
    pub async fn publish(&mut self, from: &str, topic: &str, id: &str) -> Came {
        let content = Content::text(from, id, None, "hi").to_bytes();
        let log = format!("t/{topic}");
        self.append(&log, false, &content).await
    }

    /// Appends and waits for the answer.
    pub async fn append(&mut self, log: &str, pair: bool, content: &[u8]) -> Came {
        self.next += 1;
        self.link.send(Frame::Append(Append { ask: self.next, log, pair, content })).await;
        self.answers(self.next, 1).await.remove(0)
    }

    /// The answers to so many appends from number `first` on.
    pub async fn answers(&mut self, first: u64, count: usize) -> Vec<Came> {
        let mut came = BTreeMap::new();
        while came.len() < count {
            let (ask, answer) = self.answer().await.unwrap();
            assert!((first..first + count as u64).contains(&ask), "{ask} was not asked");
            assert_eq!(came.insert(ask, answer), None, "{ask} was answered twice");
        }
        came.into_values().collect()
    }

    /// The next answer to an append.
    pub async fn answer(&mut self) -> std::io::Result<(u64, Came)> {
        let body = self.frame().await?;
        let Frame::Appended(appended) = Frame::parse(&body).unwrap() else { panic!("{body:?}") };
        let came = match appended.outcome {
            Outcome::Stored(Stored { version, peer_version, time, .. }) => {
                assert!(time > 1_600_000_000_000, "{time} is no time");
                Came::Stored(version, peer_version)
            }
            Outcome::Refused { code, message, stored } => {
                assert!(!message.is_empty());
                Came::Refused(code, stored)
            }
        };
        Ok((appended.ask, came))
    }

    /// Reads up to so many entries after a version, as `reader`.
    pub async fn read(&mut self, log: &str, reader: Option<&str>, after: u64, max_entries: u64) -> PageRead {
        self.next += 1;
        let read = Read { ask: self.next, log, reader, after, max_entries, max_bytes: 1 << 30 };
        self.link.send(Frame::Read(read)).await;
        let body = self.frame().await.unwrap();
        let Frame::Page(page) = Frame::parse(&body).unwrap() else { panic!("{body:?}") };
        assert_eq!(page.ask, self.next);
        self.page = (page.first, page.since, page.revision);
        let id = |content| Content::parse(content).unwrap().id.to_owned();
        let entries = page.entries.iter().map(|entry| (entry.version, id(entry.content)));
        PageRead { head: page.head, entries: entries.collect(), refused: page.refused }
    }
}

/// A p2p message.
pub fn p2p(from: &str, to: &str, id: &str) -> bytes::Bytes {
    Content::text(from, id, Some(to), "hi").to_bytes()
}

/// Making a topic that is open to everybody.
pub fn create(name: &str, creator: &str, volatile: bool) -> Request {
    Request::CreateTopic {
        topic: topic(name),
        user: user(creator),
        volatile,
        join: None,
        history: None,
        otherwise: Join::Open,
    }
}

pub fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

pub fn topic(name: &str) -> TopicName {
    TopicName::new(name).unwrap()
}

pub fn log(name: &str) -> LogName {
    LogName::new(name).unwrap()
}

/// Cursor-moving in an inbox or topic.
pub fn received(who: &str, log_name: &str, version: u64) -> Request {
    Request::MoveCursor {
        user: user(who),
        device: None,
        log: log(log_name),
        mark: protocol::link::request::Mark::Received,
        version: Version(version),
    }
}
