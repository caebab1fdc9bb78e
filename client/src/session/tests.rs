use std::time::Duration;

use protocol::ids::{LogName, MessageId, UserId, Version};
use protocol::packet;
use serde_json::{Value, json};

use super::{Action, Session};
use crate::outbox::Outgoing;
use crate::request::{Answer, Request};
use crate::{Event, Options, PageItem, Reason, RequestError, SendError, Target};

const S: Duration = Duration::from_secs(1);

fn amy() -> Options {
    Options::new("gateway:1", UserId::new("amy").unwrap())
}

fn inbox() -> LogName {
    LogName::new("u/amy").unwrap()
}

fn to_bob(id: &str) -> Outgoing {
    let target = Target::User(UserId::new("bob").unwrap());
    Outgoing { target, id: MessageId::new(id).unwrap(), body: id.into() }
}

/// A session and what it wrote, one script step after the other.
struct Script {
    session: Session,
    now: Duration,
    actions: Vec<Action>,
}

impl Script {
    fn new(options: Options) -> Self {
        Self { session: Session::new(options, 1), now: Duration::ZERO, actions: Vec::new() }
    }

    /// Up, with an inbox of which `cursor` of `head` are acknowledged.
    fn up(options: Options, cursor: u64, head: u64) -> Self {
        let mut script = Self::new(options);
        script.reach_login();
        script.login(cursor, head);
        script.answer("RESUME", json!({"CmdName": "OK"}));
        assert!(script.session.is_up());
        script
    }

    fn reach_login(&mut self) {
        while !matches!(self.take_actions().as_slice(), [.., Action::Dial(_)]) {
            self.now = self.session.wake_at().unwrap();
            self.session.tick(self.now);
        }
        self.session.dialed(self.now);
        self.answer("REQ_MSG_SERVER", json!({"CmdName": "OK", "Addr": "server:2"}));
        assert_eq!(self.take_actions(), [Action::Hangup, Action::Dial("server:2".into())]);
        self.session.dialed(self.now);
    }

    fn login(&mut self, cursor: u64, head: u64) {
        let logs = json!([{"Log": "u/amy", "First": 1, "Head": head, "Cursor": cursor, "Read": 0}]);
        self.answer("SEND_CLIENT_ID", json!({"CmdName": "OK", "Logs": logs}));
    }

    /// What was written since the last time.
    fn written(&mut self) -> Vec<Value> {
        let output = std::mem::take(self.session.output());
        let mut rest = &output[..];
        let mut packets = Vec::new();
        while let Some((body, used)) = packet::split(rest, 1 << 20).unwrap() {
            packets.push(serde_json::from_slice(body).unwrap());
            rest = &rest[used..];
        }
        packets
    }

    /// The one packet that was written, which has to be this request; and answers it.
    fn answer(&mut self, request: &str, mut answer: Value) -> Value {
        let written = self.written();
        assert_eq!(written.len(), 1, "{written:?}");
        assert_eq!(written[0]["CmdName"], request);
        answer["Seq"] = written[0]["Seq"].clone();
        self.receive(answer);
        written[0].clone()
    }

    fn receive(&mut self, packet: Value) {
        self.session.received(self.now, packet.to_string().as_bytes());
    }

    fn push(&mut self, version: u64) {
        self.receive(json!({"CmdName": "RESP_MESSAGE_P2P", "Args": ["hi", "bob", "u"], "Log": "u/amy", "Version": version, "MsgId": "b"}));
    }

    fn take_actions(&mut self) -> Vec<Action> {
        self.actions.clear();
        std::iter::from_fn(|| self.session.next_action()).collect()
    }

    fn told(&mut self) -> Vec<Event> {
        let actions = self.take_actions();
        let told = actions.into_iter().filter_map(|action| match action {
            Action::Tell(event) => Some(event),
            _ => None,
        });
        told.collect()
    }

    fn wait(&mut self, wait: Duration) {
        self.now += wait;
        self.session.tick(self.now);
    }
}

fn versions(events: &[Event]) -> Vec<u64> {
    let versions = events.iter().filter_map(|event| match event {
        Event::Message(message) => Some(message.version.unwrap().0),
        _ => None,
    });
    versions.collect()
}

#[test]
fn it_resumes_from_the_cursor_first_and_from_what_it_has_after() {
    let mut script = Script::new(amy());
    script.reach_login();
    script.login(2, 4);
    let resume = script.answer("RESUME", json!({"CmdName": "OK"}));
    assert_eq!(resume["Logs"], json!({"u/amy": 2}));
    script.push(3);
    script.push(4);
    assert_eq!(versions(&script.told()), [3, 4]);
    script.session.lost(script.now, Reason::Broken("cut".into()));
    script.reach_login();
    script.login(2, 4);
    assert_eq!(script.written()[0]["Logs"], json!({"u/amy": 4}));
}

#[test]
fn positions_of_the_program_go_before_the_cursor() {
    let mut options = amy();
    options.resume.set(inbox(), Version(3));
    let mut script = Script::new(options);
    script.reach_login();
    script.login(1, 4);
    assert_eq!(script.written()[0]["Logs"], json!({"u/amy": 3}));
}

#[test]
fn a_repeat_is_dropped_and_a_gap_is_told() {
    let mut script = Script::up(amy(), 0, 9);
    script.told();
    script.push(1);
    script.push(1);
    script.receive(json!({"CmdName": "GAP", "Args": ["u/amy", "2", "7"], "Log": "u/amy", "Version": 7}));
    script.receive(
        json!({"CmdName": "ENTRY", "Args": ["u/amy", "", ""], "Log": "u/amy", "Version": 8, "Kind": "void"}),
    );
    script.push(9);
    let told = script.told();
    assert_eq!(versions(&told), [1, 9]);
    assert_eq!(told[1], Event::Gap { log: inbox(), first: Version(2), last: Version(7) });
}

#[test]
fn a_hole_is_read_again_and_one_that_stays_is_told_as_a_gap() {
    let mut script = Script::up(amy(), 0, 5);
    script.told();
    script.push(1);
    script.push(3);
    let told = script.told();
    assert_eq!(versions(&told), [1]);
    assert!(matches!(&told[1], Event::Disconnected { reason: Reason::Hole { version: Version(3), .. }, .. }));
    script.reach_login();
    script.login(0, 5);
    script.answer("RESUME", json!({"CmdName": "OK"}));
    script.told();
    script.push(3);
    let told = script.told();
    assert_eq!(told[0], Event::Gap { log: inbox(), first: Version(2), last: Version(2) });
    assert_eq!(versions(&told), [3]);
}

#[test]
fn a_hole_may_be_a_send_of_its_own_whose_answer_is_on_its_way() {
    let mut script = Script::up(amy(), 0, 0);
    script.session.send(script.now, 1, to_bob("m"));
    script.push(2);
    assert_eq!(versions(&script.told()), [2]);
    script.answer("SEND_MESSAGE_P2P", json!({"CmdName": "OK", "Log": "u/amy", "Version": 1}));
    assert_eq!(script.session.positions().get(&inbox()), Some(Version(0)), "version 2 is not handled yet");
    script.session.handled(script.now, &inbox(), Version(2));
    assert_eq!(script.session.positions().get(&inbox()), Some(Version(2)));
}

#[test]
fn an_unanswered_send_goes_again_under_its_id() {
    let mut script = Script::up(amy(), 0, 0);
    script.session.send(script.now, 1, to_bob("m"));
    assert_eq!(script.written()[0]["MsgId"], "m");
    script.session.lost(script.now, Reason::Broken("cut".into()));
    script.reach_login();
    script.login(0, 1);
    script.answer("RESUME", json!({"CmdName": "OK"}));
    script.receive(json!({"CmdName": "RESP_MESSAGE_P2P", "Args": ["m", "amy", "u"], "Log": "u/amy", "Version": 1, "MsgId": "m", "To": "bob"}));
    assert_eq!(versions(&script.told()), [] as [u64; 0], "the answer is its delivery");
    let again = script.answer("SEND_MESSAGE_P2P", json!({"CmdName": "OK", "Log": "u/amy", "Version": 1}));
    assert_eq!(again["MsgId"], "m");
    assert!(matches!(script.take_actions()[..], [Action::Sent(1, Ok(_))]));
}

#[test]
fn not_now_is_sent_again_by_itself_and_told_once() {
    let mut script = Script::up(amy(), 0, 0);
    script.take_actions();
    let busy = json!({"CmdName": "ERROR", "Args": ["busy", "5007", ""], "Code": 5007, "Retry": 1000, "Stored": "no"});
    script.session.send(script.now, 1, to_bob("m"));
    for delays_told in [1, 0] {
        assert_eq!(script.answer("SEND_MESSAGE_P2P", busy.clone())["MsgId"], "m");
        assert_eq!(script.told().len(), delays_told);
        script.wait(S / 2);
        assert_eq!(script.written().len(), 0);
        script.wait(S);
    }
    script.answer("SEND_MESSAGE_P2P", json!({"CmdName": "OK", "Log": "u/amy", "Version": 1}));
    assert!(matches!(script.take_actions()[..], [Action::Sent(1, Ok(_))]));
}

#[test]
fn a_refused_send_is_answered_with_code_and_message() {
    let mut script = Script::up(amy(), 0, 0);
    script.take_actions();
    script.session.send(script.now, 1, to_bob("m"));
    let unknown = json!({"CmdName": "ERROR", "Args": ["nobody", "4005", ""], "Code": 4005, "Stored": "no"});
    script.answer("SEND_MESSAGE_P2P", unknown);
    let refused = SendError::Refused { code: 4005, message: "nobody".into() };
    assert_eq!(script.take_actions(), [Action::Sent(1, Err(refused))]);
}

#[test]
fn it_comes_back_as_the_code_says() {
    for (code, least, most) in [(1000, 0, 1), (2000, 10, 15)] {
        let mut script = Script::up(amy(), 0, 0);
        script.told();
        script.receive(json!({"CmdName": "DISCONNECT", "Args": ["x", code.to_string(), ""], "Code": code}));
        let told = script.told();
        let [Event::Disconnected { coming_back_in, .. }] = &told[..] else { panic!("{told:?}") };
        assert!((S * least..=S * most).contains(coming_back_in), "{code}: {coming_back_in:?}");
    }
    let mut script = Script::up(amy(), 0, 0);
    script.session.send(script.now, 1, to_bob("m"));
    script.take_actions();
    script.receive(json!({"CmdName": "DISCONNECT", "Args": ["replaced", "3000", ""], "Code": 3000}));
    let reason = Reason::Told { code: 3000, message: "replaced".into() };
    let error = SendError::Ended { reason: reason.clone(), maybe_stored: true };
    let want =
        [Action::Hangup, Action::Hangup, Action::Sent(1, Err(error)), Action::Tell(Event::Ended(reason))];
    assert_eq!(script.take_actions(), want);
    assert_eq!(script.session.wake_at(), None);
}

#[test]
fn a_gateway_without_servers_is_asked_again_after_what_it_says() {
    let mut script = Script::new(amy());
    script.wait(Duration::ZERO);
    script.session.dialed(script.now);
    let none = json!({"CmdName": "ERROR", "Args": ["none", "5003", ""], "Code": 5003, "Retry": 3000});
    script.answer("REQ_MSG_SERVER", none);
    let told = script.told();
    let [Event::Retrying { coming_back_in, reason: Reason::NotNow { code: 5003, .. } }] = &told[..] else {
        panic!("{told:?}")
    };
    assert!(*coming_back_in >= S * 3);
}

#[test]
fn a_connection_that_does_not_answer_a_ping_is_dead() {
    let mut script = Script::up(amy(), 0, 0);
    script.told();
    script.wait(S * 20);
    script.answer("SEND_PING", json!({"CmdName": "OK"}));
    script.wait(S * 20);
    assert_eq!(script.written()[0]["CmdName"], "SEND_PING");
    script.wait(S * 9);
    assert!(script.session.is_up());
    script.wait(S);
    assert!(matches!(&script.told()[..], [Event::Disconnected { reason: Reason::Silent(_), .. }]));
}

#[test]
fn an_unanswered_send_is_reason_to_ping_soon() {
    let mut script = Script::up(amy(), 0, 0);
    script.wait(S * 10);
    script.session.send(script.now, 1, to_bob("m"));
    script.written();
    script.wait(S * 4);
    assert_eq!(script.written().len(), 0);
    script.wait(S);
    assert_eq!(script.written()[0]["CmdName"], "SEND_PING");
}

#[test]
fn while_the_program_takes_no_events_nothing_is_held_against_the_server() {
    let mut script = Script::up(amy(), 0, 0);
    script.told();
    script.session.pause(script.now, true);
    script.wait(S * 300);
    assert!(script.session.is_up());
    script.session.pause(script.now, false);
    script.wait(Duration::ZERO);
    assert!(script.session.is_up());
}

#[test]
fn without_logs_and_positions_it_connects_again_and_volatile_goes_meanwhile() {
    let mut script = Script::new(amy());
    script.reach_login();
    script.answer("SEND_CLIENT_ID", json!({"CmdName": "OK", "Logs": null}));
    assert_eq!(script.told(), [Event::Connected { server: "server:2".into(), logs: None }]);
    let target = Target::User(UserId::new("bob").unwrap());
    script.session.request(script.now, 1, Request::Volatile { target, body: "x".into() });
    script.answer("SEND_MESSAGE_P2P", json!({"CmdName": "OK"}));
    assert_eq!(script.take_actions(), [Action::Answered(1, Ok(Answer::Done))]);
    script.wait(S * 8);
    assert!(matches!(
        &script.told()[..],
        [Event::Disconnected { reason: Reason::NotNow { code: 5001, .. }, .. }]
    ));
    script.reach_login();
    script.login(2, 2);
    assert_eq!(script.answer("RESUME", json!({"CmdName": "OK"}))["Logs"], json!({"u/amy": 2}));
}

#[test]
fn without_logs_it_resumes_from_what_it_has() {
    let mut script = Script::up(amy(), 2, 2);
    script.push(3);
    script.session.lost(script.now, Reason::Broken("cut".into()));
    script.reach_login();
    script.answer("SEND_CLIENT_ID", json!({"CmdName": "OK", "Logs": null}));
    assert_eq!(script.answer("RESUME", json!({"CmdName": "OK"}))["Logs"], json!({"u/amy": 3}));
    script.told();
    script.push(4);
    assert_eq!(versions(&script.told()), [4]);
}

#[test]
fn a_store_that_was_set_back_is_told_and_followed() {
    let mut script = Script::up(amy(), 9, 9);
    script.session.lost(script.now, Reason::Broken("cut".into()));
    script.reach_login();
    script.login(0, 4);
    let refused = json!({"CmdName": "ERROR", "Args": ["beyond the head", "4000", ""], "Code": 4000});
    assert_eq!(script.answer("RESUME", refused)["Logs"], json!({"u/amy": 9}));
    script.reach_login();
    script.told();
    script.login(0, 4);
    assert_eq!(script.written()[0]["Logs"], json!({"u/amy": 4}));
    assert_eq!(script.told(), [Event::Rewound { log: inbox(), had: Version(9), head: Version(4) }]);
}

#[test]
fn a_volatile_message_is_never_sent_twice() {
    let mut script = Script::up(amy(), 0, 0);
    let target = Target::User(UserId::new("bob").unwrap());
    let volatile = || Request::Volatile { target: target.clone(), body: "x".into() };
    script.session.request(script.now, 1, volatile());
    script.written();
    script.session.lost(script.now, Reason::Broken("cut".into()));
    script.session.request(script.now, 2, volatile());
    let answered = script.take_actions();
    for ticket in [1, 2] {
        assert!(answered.contains(&Action::Answered(ticket, Err(RequestError::NotConnected))));
    }
}

#[test]
fn a_request_survives_a_broken_connection_and_ends_at_its_deadline() {
    let mut script = Script::up(amy(), 0, 0);
    let sync = Request::Sync { log: inbox(), after: Version(0), limit: 10 };
    script.session.request(script.now, 1, sync.clone());
    let seq = script.written()[0]["Seq"].clone();
    script.receive(json!({"CmdName": "RESP_MESSAGE_P2P", "Args": ["a", "bob", "u"], "Log": "u/amy", "Version": 1, "Seq": seq}));
    script.session.lost(script.now, Reason::Broken("cut".into()));
    script.reach_login();
    script.login(0, 2);
    script.answer("RESUME", json!({"CmdName": "OK"}));
    script.take_actions();
    let seq = script.written()[0]["Seq"].clone();
    script.receive(
        json!({"CmdName": "GAP", "Args": ["u/amy", "1", "2"], "Log": "u/amy", "Version": 2, "Seq": seq}),
    );
    script.receive(json!({"CmdName": "OK", "Seq": seq, "First": 3, "Next": 2, "Head": 2, "Complete": true}));
    let answered = script.take_actions();
    let [Action::Answered(1, Ok(Answer::Page(page)))] = &answered[..] else { panic!("{answered:?}") };
    assert_eq!(page.items, [PageItem::Gap { first: Version(1), last: Version(2) }]);
    assert!(page.complete);
    script.session.request(script.now, 2, sync);
    script.wait(S * 15);
    let late = script.take_actions();
    assert!(matches!(&late[0], Action::Answered(2, Err(RequestError::TimedOut(_)))), "{late:?}");
}

#[test]
fn what_is_handled_is_acknowledged_in_batches() {
    let mut script = Script::up(amy(), 0, 3);
    (1..=3).for_each(|version| script.push(version));
    script.session.handled(script.now, &inbox(), Version(1));
    script.session.handled(script.now, &inbox(), Version(2));
    assert_eq!(script.written().len(), 0);
    script.wait(S / 4);
    let ack = script
        .answer("ACK", json!({"CmdName": "ERROR", "Args": ["x", "5001", ""], "Code": 5001, "Retry": 1000}));
    assert_eq!(ack["Args"], json!(["u/amy", "2"]));
    script.wait(S * 2);
    assert_eq!(script.answer("ACK", json!({"CmdName": "OK"}))["Args"], json!(["u/amy", "2"]));
}

#[test]
fn closing_waits_for_answers_and_no_longer_than_it_was_told() {
    let mut script = Script::up(amy(), 0, 0);
    script.session.send(script.now, 1, to_bob("m"));
    script.session.close(script.now, S);
    assert_eq!(script.session.ended(), None);
    script.answer("SEND_MESSAGE_P2P", json!({"CmdName": "OK", "Log": "u/amy", "Version": 1}));
    script.wait(S / 4);
    script.answer("ACK", json!({"CmdName": "OK"}));
    assert_eq!(script.session.ended(), Some(&Reason::Closed));

    let mut script = Script::up(amy(), 0, 0);
    script.session.send(script.now, 1, to_bob("m"));
    script.session.close(script.now, S);
    script.wait(S);
    assert_eq!(script.session.ended(), Some(&Reason::Closed));
}

#[test]
fn what_cannot_be_read_ends_the_connection_and_not_the_client() {
    for bad in [
        json!({"CmdName": "RESP_MESSAGE_P2P", "Args": ["hi"], "Log": "u/amy", "Version": 1}),
        json!({"CmdName": "GAP", "Args": ["u/amy", "9", "1"], "Log": "u/amy"}),
        json!({"Cmd": "what"}),
    ] {
        let mut script = Script::up(amy(), 0, 0);
        script.told();
        script.receive(bad);
        let told = script.told();
        assert!(matches!(&told[..], [Event::Disconnected { reason: Reason::BadPacket(_), .. }]), "{told:?}");
    }
}
