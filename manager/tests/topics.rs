//! Topics' rules at the manager: who is told what, in which order, and what a reader gets.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "the helpers of tests fail as tests do")]

#[allow(dead_code, reason = "shared by the tests of this crate, each of which uses a part")]
mod harness;
#[path = "../../mesh/tests/link_end/mod.rs"]
mod link_end;

use harness::{Came, Manager, Pair, Server, config, create, log, received, topic, user};
use link_end::Links;
use mesh::link::Secrecy;
use protocol::access::{History, Join};
use protocol::account::Invite;
use protocol::code::ErrorCode;
use protocol::content::Content;
use protocol::event::Stored as Certain;
use protocol::link::request::{Notice, Reply, Request};
use protocol::link::{Append, Appended, Frame, Outcome, Stored};
use serde_json::json;

fn join(name: &str, who: &str) -> Request {
    Request::JoinTopic { topic: topic(name), user: user(who), device: None }
}

fn leave(name: &str, who: &str) -> Request {
    Request::LeaveTopic { topic: topic(name), user: user(who) }
}

fn invite(name: &str, who: &str) -> Request {
    Request::InviteTopic { topic: topic(name), user: user(who), by: user("amy") }
}

fn remove(name: &str, who: &str) -> Request {
    Request::RemoveFromTopic { topic: topic(name), user: user(who), by: user("amy") }
}

fn dissolve(name: &str) -> Request {
    Request::DissolveTopic { topic: topic(name), by: user("amy") }
}

fn ended(name: &str, who: &str, revision: u64) -> Notice {
    Notice::MembershipEnded { topic: topic(name), user: user(who), revision }
}

#[track_caller]
fn refused(reply: Reply, expected: ErrorCode) {
    let Reply::Refused { code, .. } = reply else { panic!("{reply:?} is no refusal") };
    assert_eq!(ErrorCode::from_number(code), Some(expected));
}

#[tokio::test]
async fn every_msg_server_hears_of_an_ended_membership_before_its_end_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let links = [Links::start(Secrecy::default()).await, Links::start(Secrecy::default()).await];
    let manager = Manager::start(config(&[&links[0], &links[1]], folder.path(), json!({}))).await;
    let (mut here, mut there) = (Server::linked(&links[0]).await, Server::linked(&links[1]).await);
    here.log_in(&["amy", "bob", "eve"]).await;
    here.ask(&create("garden", "amy", false)).await;
    for who in ["bob", "eve"] {
        here.ask(&join("garden", who)).await;
    }
    assert_eq!(here.ask(&leave("garden", "bob")).await, Reply::Left);
    assert_eq!(here.news, [ended("garden", "bob", 1)]);
    assert_eq!(here.ask(&leave("garden", "bob")).await, Reply::Left);
    assert_eq!(here.ask(&remove("garden", "eve")).await, Reply::Done);
    assert_eq!(here.ask(&remove("garden", "bob")).await, Reply::Done);
    assert_eq!(here.ask(&dissolve("garden")).await, Reply::Done);
    let told = [
        ended("garden", "bob", 1),
        ended("garden", "eve", 2),
        Notice::TopicDissolved { topic: topic("garden") },
    ];
    assert_eq!(here.news, told, "what ends no membership is no news");
    refused(there.ask(&join("garden", "bob")).await, ErrorCode::NameGone);
    assert_eq!(there.news, told);
    manager.drained().await;
}

#[tokio::test]
async fn what_was_sent_before_somebody_is_put_out_is_stored_and_what_comes_after_is_not() {
    let Pair { folder: _folder, manager, mut server, .. } = Pair::start().await;
    server.log_in(&["amy", "bob"]).await;
    for (name, end) in [("x", remove("x", "bob")), ("y", dissolve("y")), ("z", leave("z", "bob"))] {
        server.ask(&create(name, "amy", false)).await;
        server.ask(&join(name, "bob")).await;
        let end = serde_json::to_vec(&end).unwrap();
        let (log, contents) = (format!("t/{name}"), ["1", "2"]);
        let contents = contents.map(|id| Content::text("bob", id, None, "hi").to_bytes());
        let append = |ask, content| Frame::Append(Append { ask, log: &log, pair: false, content });
        let asked = [append(1_001, &contents[0]), Frame::Ask(1_002, &end), append(1_003, &contents[1])];
        server.link.send_all(&asked).await;
        let mut stored = Vec::new();
        for _ in asked {
            if let Frame::Appended(Appended { ask, outcome }) =
                Frame::parse(&server.frame().await.unwrap()).unwrap()
            {
                stored.push((ask, matches!(outcome, Outcome::Stored(_))));
            }
        }
        stored.sort_unstable();
        assert_eq!(stored, [(1_001, true), (1_003, false)], "{name}");
    }
    manager.drained().await;
}

#[tokio::test]
async fn whoever_joins_a_topic_that_begins_with_them_is_given_nothing_from_before() {
    let Pair { folder: _folder, manager, mut server, .. } = Pair::start().await;
    server.log_in(&["amy", "bob"]).await;
    let Request::CreateTopic { topic, user, volatile, join: _, otherwise, .. } = create("club", "amy", false)
    else {
        unreachable!()
    };
    let (club, history) = (Some(Join::Invite), Some(History::FromJoin));
    server.ask(&Request::CreateTopic { topic, user, volatile, join: club, history, otherwise }).await;
    for id in ["1", "2"] {
        server.publish("amy", "club", id).await;
    }
    refused(server.ask(&join("club", "bob")).await, ErrorCode::NotInvited);
    for news in [true, false] {
        assert_eq!(server.ask(&invite("club", "bob")).await, Reply::Invited { news });
    }
    let invites = vec![Invite { topic: harness::topic("club"), by: harness::user("amy") }];
    let topics = server.ask(&Request::Topics { user: harness::user("bob") }).await;
    assert_eq!(topics, Reply::Topics { topics: Vec::new(), invites: invites.clone() });
    let login = server.ask(&Request::Login { user: harness::user("bob"), device: None }).await;
    assert!(matches!(login, Reply::LoggedIn { invites: told, .. } if told == invites));
    let Reply::Joined { log: joined, .. } = server.ask(&join("club", "bob")).await else {
        panic!("not joined")
    };
    assert_eq!((joined.since.0, joined.first.0, joined.head.0), (2, 3, 2));
    let page = server.read("t/club", Some("bob"), 0, 9).await;
    assert_eq!((page.head, page.entries.len(), server.page), (2, 0, (3, 2, 0)));
    server.publish("amy", "club", "3").await;
    let page = server.read("t/club", Some("bob"), 1, 9).await;
    assert_eq!((page.entries, server.page), (vec![(3, "3".to_owned())], (3, 2, 0)));
    assert_eq!(server.read("t/club", Some("amy"), 0, 9).await.entries.len(), 3);
    assert_eq!(server.page, (1, 0, 0));
    manager.drained().await;
}

#[tokio::test]
async fn answers_about_a_topic_say_how_many_memberships_of_it_have_ended() {
    let Pair { folder: _folder, manager, mut server, .. } = Pair::start().await;
    server.log_in(&["amy", "bob", "eve"]).await;
    server.ask(&create("garden", "amy", false)).await;
    for who in ["bob", "eve"] {
        server.ask(&join("garden", who)).await;
    }
    server.ask(&remove("garden", "eve")).await;
    server.read("t/garden", None, 0, 9).await;
    assert_eq!(server.page.2, 1);
    let bounds = server.ask(&Request::Bounds { logs: vec![log("t/garden")] }).await;
    assert!(matches!(bounds, Reply::Bounds { bounds } if bounds[0].revision == 1 && !bounds[0].gone));
    let content = Content::text("bob", "1", None, "hi").to_bytes();
    server
        .link
        .send(Frame::Append(Append { ask: 77, log: "t/garden", pair: false, content: &content }))
        .await;
    let body = server.frame().await.unwrap();
    let Frame::Appended(Appended { outcome: Outcome::Stored(Stored { revision, .. }), .. }) =
        Frame::parse(&body).unwrap()
    else {
        panic!("not stored")
    };
    assert_eq!(revision, 1);
    let users = ["amy", "bob", "eve", "nobody"].map(user).to_vec();
    let among = server.ask(&Request::MembersAmong { topic: topic("garden"), users }).await;
    assert_eq!(among, Reply::Among { members: vec![user("amy"), user("bob")], revision: 1 });
    manager.drained().await;
}

#[tokio::test]
async fn nothing_of_a_dissolved_topic_is_given_out_to_anybody() {
    let Pair { folder: _folder, manager, mut server, .. } = Pair::start().await;
    server.log_in(&["amy", "bob"]).await;
    server.ask(&create("ruin", "amy", false)).await;
    server.ask(&join("ruin", "bob")).await;
    server.publish("amy", "ruin", "1").await;
    server.ask(&dissolve("ruin")).await;
    let gone = ErrorCode::NameGone;
    for reader in [Some("amy"), Some("bob"), Some("eve"), None] {
        assert_eq!(server.read("t/ruin", reader, 0, 9).await.refused, gone.number());
    }
    assert_eq!(server.publish("amy", "ruin", "2").await, Came::Refused(gone.number(), Certain::No));
    assert_eq!(server.publish("amy", "ruin", "1").await, Came::Stored(1, 0), "it was stored in its time");
    refused(server.ask(&create("ruin", "bob", false)).await, gone);
    refused(server.ask(&received("amy", "t/ruin", 1)).await, gone);
    let members = Request::Members { topic: topic("ruin"), user: user("amy"), after: None, limit: 9 };
    refused(server.ask(&members).await, gone);
    let bounds = server.ask(&Request::Bounds { logs: vec![log("t/ruin")] }).await;
    assert!(matches!(bounds, Reply::Bounds { bounds } if bounds[0].gone));
    manager.drained().await;
}
