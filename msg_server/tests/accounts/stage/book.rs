//! A manager that keeps accounts in a map: as little of one as a msg_server needs.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use protocol::account::{Device, Profile};
use protocol::code::ErrorCode;
use protocol::ids::{DeviceId, LogName, Time, UserId, Version};
use protocol::link::Frame;
use protocol::link::accounts::{Answer, NewToken, PasswordHash, Proof, Question, TokenHash, Welcome};
use protocol::link::request::{LogBounds, LogState, Reply, Request};
use tokio::task::JoinHandle;

use super::Link;

/// Shared by the test and its manager.
#[derive(Clone, Default)]
pub struct Book(Arc<Mutex<Pages>>);

#[derive(Default)]
pub struct Pages {
    pub accounts: HashMap<UserId, Account>,
    /// What was asked, by its kind.
    pub asked: Vec<String>,
    /// Whether every login by a token hands out a new one.
    pub rotates: bool,
    stamp: u64,
}

pub struct Account {
    pub password: Option<PasswordHash>,
    pub generation: u64,
    pub devices: BTreeMap<DeviceId, TokenHash>,
    pub active: bool,
    pub revision: u64,
}

impl Book {
    /// Links as a manager, and answers until the link ends or the task is aborted.
    pub async fn serve(&self, address: SocketAddr) -> JoinHandle<()> {
        let mut link = Link::dial(address, "manager", &["/store/message", "/store/client-info"]).await;
        let book = self.clone();
        // What is asked from now on is answered, however soon: the subscriptions are on their way before.
        tokio::spawn(async move {
            while let Some(body) = link.read().await {
                if let Frame::Ask(ask, json) = Frame::parse(&body).unwrap() {
                    let reply = book.answer(serde_json::from_slice(json).unwrap());
                    link.send(Frame::Answer(ask, &serde_json::to_vec(&reply).unwrap())).await;
                }
            }
        })
    }

    pub fn write<T>(&self, act: impl FnOnce(&mut Pages) -> T) -> T {
        act(&mut self.0.lock())
    }

    /// How often something of this kind was asked.
    pub fn asked(&self, kind: &str) -> usize {
        self.0.lock().asked.iter().filter(|asked| *asked == kind).count()
    }

    fn answer(&self, request: Request) -> Reply {
        let mut pages = self.0.lock();
        let json = serde_json::to_value(&request).unwrap();
        let kind =
            json["question"]["Asks"].as_str().or(json["Question"]["Asks"].as_str()).or(json["Do"].as_str());
        pages.asked.push(kind.unwrap().to_owned());
        match request {
            Request::Bounds { logs } => {
                Reply::Bounds { bounds: logs.iter().map(|log| bounds(&pages, log)).collect() }
            }
            Request::Topics { .. } => Reply::Topics { topics: Vec::new(), invites: Vec::new() },
            Request::Account { question } => pages.account(question).unwrap_or_else(Reply::refused),
            _ => Reply::refused(ErrorCode::Internal),
        }
    }
}

fn bounds(pages: &Pages, log: &LogName) -> LogBounds {
    let revision =
        log.user().and_then(|user| pages.accounts.get(&user)).map_or(0, |account| account.revision);
    LogBounds { first: Version(1), head: Version::ZERO, revision, gone: false }
}

impl Pages {
    fn account(&mut self, question: Question) -> Result<Reply, ErrorCode> {
        self.stamp += 10;
        let stamp = self.stamp;
        let answer = match question {
            Question::Register { user, .. } if self.accounts.contains_key(&user) => {
                return Err(ErrorCode::NameTaken);
            }
            Question::Register { user, password, device, token, .. } => {
                let account = Account {
                    password: Some(password),
                    generation: 1,
                    devices: BTreeMap::new(),
                    active: true,
                    revision: 1,
                };
                self.accounts.insert(user.clone(), account);
                return self.takes(&user, device, token);
            }
            Question::Login { user, device, proof } => return self.login(user, device, proof),
            Question::Credentials { user } => {
                let account = self.accounts.get(&user);
                Answer::Credentials {
                    password: account.and_then(|account| account.password.clone()),
                    generation: account.map_or(0, |account| account.generation),
                }
            }
            Question::SetPassword { user, password, generation, device, token } => {
                let account = self.accounts.get_mut(&user).ok_or(ErrorCode::LoginRefused)?;
                if account.generation != generation {
                    return Err(ErrorCode::LoginRefused);
                }
                account.password = Some(password);
                account.generation += 1;
                account.devices = BTreeMap::from([(device, token.hash)]);
                Answer::Ended { stamp }
            }
            Question::EndDevice { user, device } => {
                let account = self.accounts.get_mut(&user).ok_or(ErrorCode::UnknownUser)?;
                account.devices.retain(|known, _| device.as_ref().is_some_and(|device| device != known));
                Answer::Ended { stamp }
            }
            Question::Delete { user, .. } | Question::Disable { user, disabled: true } => {
                self.accounts.get_mut(&user).ok_or(ErrorCode::UnknownUser)?.active = false;
                Answer::Ended { stamp }
            }
            Question::Devices { user } => {
                let devices = self.accounts.get(&user).ok_or(ErrorCode::UnknownUser)?.devices.keys();
                let shown = |device: &DeviceId| Device { device: device.clone(), seen: 7, this: false };
                Answer::Devices { devices: devices.map(shown).collect() }
            }
            Question::Access { user } => {
                let account = self.accounts.get(&user).ok_or(ErrorCode::UnknownUser)?;
                Answer::Access { active: account.active, devices: account.devices.keys().cloned().collect() }
            }
            Question::Profile { user } => {
                self.accounts.get(&user).ok_or(ErrorCode::UnknownUser)?;
                Answer::Profile { profile: Profile { user, display: "Amy".into(), about: String::new() } }
            }
            Question::List { .. } => Answer::Accounts { accounts: Vec::new(), more: false },
            other => panic!("{other:?}"),
        };
        Ok(Reply::Account { answer })
    }

    fn login(&mut self, user: UserId, device: DeviceId, proof: Proof) -> Result<Reply, ErrorCode> {
        if let Proof::Foreign { expires, .. } = proof {
            return Ok(self.welcome(&user, Welcome { renewed: false, expires }));
        }
        let account =
            self.accounts.get(&user).filter(|account| account.active).ok_or(ErrorCode::LoginRefused)?;
        match proof {
            Proof::Password { generation, token, .. } if generation == account.generation => {
                self.takes(&user, device, token)
            }
            Proof::Token { hash, next } if account.devices.get(&device) == Some(&hash) => {
                if self.rotates {
                    return self.takes(&user, device, next);
                }
                let expires = Time(mesh::report::now() + next.good_for);
                Ok(self.welcome(&user, Welcome { renewed: false, expires }))
            }
            _ => Err(ErrorCode::LoginRefused),
        }
    }

    fn takes(&mut self, user: &UserId, device: DeviceId, token: NewToken) -> Result<Reply, ErrorCode> {
        let account = self.accounts.get_mut(user).ok_or(ErrorCode::LoginRefused)?;
        account.devices.insert(device, token.hash);
        let expires = Time(mesh::report::now() + token.good_for);
        Ok(self.welcome(user, Welcome { renewed: true, expires }))
    }

    fn welcome(&mut self, user: &UserId, welcome: Welcome) -> Reply {
        let log = LogState {
            log: LogName::inbox(user),
            first: Version(1),
            head: Version::ZERO,
            cursor: Version::ZERO,
            read: Version::ZERO,
            volatile: false,
            since: Version::ZERO,
        };
        let revision = self.accounts.get(user).map_or(1, |account| account.revision);
        Reply::LoggedIn {
            stamp: self.stamp,
            logs: vec![log],
            revision,
            invites: Vec::new(),
            welcome: Some(welcome),
        }
    }
}
