//! Topics' rules: who may do what, by the one table; invitations; what begins with its reader; what is dissolved.
#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

use protocol::access::{Act, Join, Standing, may};
use serde_json::{Value, json};
use testbed::{Mesh, NewClient, text};

/// How bob, or amy, came to stand to a topic that amy made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Came {
    NotAtAll,
    Invited,
    In,
    AsCreator,
    Out,
    Left,
    CreatorLeft,
    Dissolved,
}

impl Came {
    const ALL: [Self; 8] = [
        Self::NotAtAll,
        Self::Invited,
        Self::In,
        Self::AsCreator,
        Self::Out,
        Self::Left,
        Self::CreatorLeft,
        Self::Dissolved,
    ];

    fn standing(self) -> Standing {
        match self {
            Self::NotAtAll | Self::Left => Standing::Stranger,
            Self::Invited | Self::CreatorLeft => Standing::Invited,
            Self::In => Standing::Member,
            Self::AsCreator | Self::Dissolved => Standing::Creator,
            Self::Out => Standing::Removed,
        }
    }

    fn is_by_amy(self) -> bool {
        matches!(self, Self::AsCreator | Self::CreatorLeft | Self::Dissolved)
    }
}

const COMMANDS: [(&str, Act); 10] = [
    ("CREATE_TOPIC", Act::Create),
    ("JOIN_TOPIC", Act::Join),
    ("LEAVE_TOPIC", Act::Leave),
    ("SEND_MESSAGE_TOPIC", Act::Send),
    ("SYNC", Act::Read),
    ("ACK", Act::Read),
    ("MEMBERS", Act::Members),
    ("INVITE_TOPIC", Act::Invite),
    ("REMOVE_FROM_TOPIC", Act::Remove),
    ("DISSOLVE_TOPIC", Act::Dissolve),
];

/// A topic of amy's to which bob stands in this way.
async fn arrange(topic: &str, join: Join, came: Came, amy: &mut NewClient, bob: &mut NewClient) {
    amy.ok_with("CREATE_TOPIC", &[topic], json!({"Join": join})).await;
    match came {
        Came::NotAtAll | Came::AsCreator => {}
        Came::Out => drop(amy.ok("REMOVE_FROM_TOPIC", &[topic, "bob"]).await),
        Came::CreatorLeft => drop(amy.ok("LEAVE_TOPIC", &[topic]).await),
        Came::Dissolved => drop(amy.ok("DISSOLVE_TOPIC", &[topic]).await),
        Came::Invited | Came::In | Came::Left => {
            amy.ok("INVITE_TOPIC", &[topic, "bob"]).await;
            if came != Came::Invited {
                bob.ok("JOIN_TOPIC", &[topic]).await;
            }
            if came == Came::Left {
                bob.ok("LEAVE_TOPIC", &[topic]).await;
            }
        }
    }
}

async fn attempt(command: &str, topic: &str, who: &mut NewClient) -> Value {
    let log = format!("t/{topic}");
    let args = match command {
        "SYNC" => vec![&*log, "0", "10"],
        "ACK" => vec![&*log, "1"],
        "SEND_MESSAGE_TOPIC" => vec![topic, "hi"],
        "INVITE_TOPIC" | "REMOVE_FROM_TOPIC" => vec![topic, "eve"],
        _ => vec![topic],
    };
    who.request_with(command, &args, json!({"MsgId": "m"})).await
}

/// The code that is expected; `None`: `OK`.
fn expected(act: Act, came: Came, join: Join) -> Option<u64> {
    let member = matches!(came.standing(), Standing::Member | Standing::Creator);
    match act {
        _ if came == Came::Dissolved => Some(4009),
        Act::Create if !member => Some(4008),
        _ => may(act, came.standing(), join).err().map(|code| code.number().into()),
    }
}

#[tokio::test]
async fn each_command_is_taken_where_the_table_says_and_nowhere_else() {
    let mesh = Mesh::builder().start().await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    let mut bob = NewClient::attach(mesh.msg_server_addr(1), "bob").await;
    NewClient::login(mesh.msg_server_addr(1), "eve").await;
    let mut wrong = Vec::new();
    for join in [Join::Open, Join::Invite] {
        for came in Came::ALL {
            for (command, act) in COMMANDS {
                let topic = format!("{join:?} {came:?} {command}");
                arrange(&topic, join, came, &mut amy, &mut bob).await;
                let who = if came.is_by_amy() { &mut amy } else { &mut bob };
                let answer = attempt(command, &topic, who).await;
                if answer["Code"].as_u64() != expected(act, came, join) {
                    wrong.push(format!("{topic}: {answer}, not {:?}", expected(act, came, join)));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn who_is_invited_is_told_at_once_and_at_the_next_login() {
    let mesh = Mesh::builder().start().await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    let mut bob = NewClient::attach(mesh.msg_server_addr(1), "bob").await;
    amy.ok_with("CREATE_TOPIC", &["club"], json!({"Join": "invite"})).await;
    amy.refused(4005, "INVITE_TOPIC", &["club", "nobody"]).await;
    amy.refused(4000, "CREATE_TOPIC", &[""]).await;
    amy.refused_with(4000, "CREATE_TOPIC", &["other"], json!({"Join": "everybody"})).await;
    amy.sees_online("bob").await;
    amy.ok("INVITE_TOPIC", &["club", "bob"]).await;
    let invited = bob.push_where(|push| push["CmdName"] == "INVITED").await;
    assert_eq!(invited["Args"], json!(["club", "amy", ""]));
    amy.ok("INVITE_TOPIC", &["club", "bob"]).await;
    let invites = json!([{"Topic": "club", "By": "amy"}]);
    assert_eq!(bob.ok("TOPICS", &[]).await["Invites"], invites);
    let mut laptop = NewClient::connect(mesh.msg_server_addr(0)).await;
    let login = laptop.ok_with("SEND_CLIENT_ID", &["bob"], json!({"Device": "laptop"})).await;
    assert_eq!(login["Invites"], invites);
    bob.ok("JOIN_TOPIC", &["club"]).await;
    assert_eq!(bob.ok("TOPICS", &[]).await["Invites"], Value::Null);
    bob.fence().await;
    assert_eq!(bob.pushed_meanwhile(), Vec::<Value>::new(), "told once");
}

#[tokio::test]
async fn whoever_joins_a_topic_that_begins_with_them_sees_nothing_from_before() {
    let mesh = Mesh::builder().start().await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    amy.ok_with("CREATE_TOPIC", &["club"], json!({"History": "from-join"})).await;
    for n in 1..=3 {
        amy.send_topic("club", "secret", &format!("s{n}")).await;
    }
    let mut bob = NewClient::attach(mesh.msg_server_addr(1), "bob").await;
    let joined = bob.ok("JOIN_TOPIC", &["club"]).await;
    assert_eq!((&joined["First"], &joined["Head"]), (&json!(4), &json!(3)));
    let empty = bob.ok("SYNC", &["t/club", "0", "10"]).await;
    assert_eq!((&empty["First"], &empty["Next"], &empty["Complete"]), (&json!(4), &json!(3), &json!(true)));
    for n in 4..=5 {
        amy.send_topic("club", "hello", &format!("h{n}")).await;
    }
    assert_eq!(bob.texts("t/club", 2).await, ["hello", "hello"]);
    bob.ok("SYNC", &["t/club", "0", "10"]).await;
    assert_eq!(bob.texts("t/club", 2).await, ["hello", "hello"], "and no GAP before them");
    // The same for a device that comes later, whatever it resumes from.
    let mut laptop = NewClient::login_as(mesh.msg_server_addr(0), "bob", "laptop").await;
    let club = laptop.logs.as_array().expect("logs").iter().find(|log| log["Log"] == "t/club").cloned();
    let club = club.expect("the club");
    assert_eq!((&club["First"], &club["Head"], &club["Since"]), (&json!(4), &json!(5), &json!(3)));
    laptop.resume(json!({"t/club": 0})).await;
    assert_eq!(laptop.texts("t/club", 2).await, ["hello", "hello"]);
    bob.ok("LEAVE_TOPIC", &["club"]).await;
    amy.send_topic("club", "secret", "s6").await;
    bob.ok("JOIN_TOPIC", &["club"]).await;
    amy.send_topic("club", "hello", "h7").await;
    let next = bob.push_where(|push| push["CmdName"] == "RESP_MESSAGE_TOPIC").await;
    assert_eq!((text(&next), &next["Version"]), ("hello", &json!(7)));
}

#[tokio::test]
async fn a_dissolved_topic_is_gone_for_everybody_for_ever() {
    let mesh = Mesh::builder().start().await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    let mut bob = NewClient::attach(mesh.msg_server_addr(1), "bob").await;
    amy.ok("CREATE_TOPIC", &["ruin"]).await;
    bob.ok("JOIN_TOPIC", &["ruin"]).await;
    amy.send_topic("ruin", "hello", "m1").await;
    assert_eq!(bob.texts("t/ruin", 1).await, ["hello"]);
    amy.ok("DISSOLVE_TOPIC", &["ruin"]).await;
    for client in [&mut amy, &mut bob] {
        client.refused_with(4009, "SEND_MESSAGE_TOPIC", &["ruin", "hi"], json!({"MsgId": "late"})).await;
        client.refused(4009, "SYNC", &["t/ruin", "0", "10"]).await;
        client.refused(4009, "CREATE_TOPIC", &["ruin"]).await;
        assert_eq!(client.ok("TOPICS", &[]).await["Topics"], json!([]));
        client.fence().await;
        assert_eq!(client.pushed_meanwhile(), Vec::<Value>::new());
    }
    let laptop = NewClient::login_as(mesh.msg_server_addr(0), "bob", "laptop").await;
    assert_eq!(laptop.logs.as_array().map(Vec::len), Some(1), "the inbox is left");
}
