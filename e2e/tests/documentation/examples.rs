//! The examples: requests are sent in the order of the page, and whatever stands there as said by the mesh has to be said.

use serde_json::{Value, json};
use testbed::{Mesh, NewClient, OldClient, PATIENCE, Part, Wire, eventually};
use tokio::time::timeout;

use crate::PAGE;

/// What only a server says.
const SAID: [&str; 11] = [
    "OK",
    "ERROR",
    "DISCONNECT",
    "RESP_MESSAGE_P2P",
    "RESP_MESSAGE_TOPIC",
    "ENTRY",
    "GAP",
    "RECEIPT",
    "LOCATE_TOPIC_MSG_ADDR",
    "SELECT_MSG_SERVER_FOR_CLIENT",
    "LINK_OK",
];

/// Keys whose value is compared, and not only its type.
const COMPARED: [&str; 9] =
    ["CmdName", "Code", "Stored", "Complete", "Members", "Online", "Volatile", "Kind", "Body64"];

#[tokio::test]
async fn every_example_on_the_page_is_so() {
    let mesh = Mesh::builder().start().await;
    let mut story = Story::begin(&mesh).await;
    for block in blocks("json") {
        story.tell(&block).await;
    }
    story.end(&mesh).await;
    for said in blocks("json").into_iter().flatten().filter(is_said) {
        let heard = story.heard.iter().find(|heard| alike(&said, heard));
        assert!(
            heard.is_some(),
            "the page says {said}\nbut of its name was only heard:\n{}",
            story.of_name(&said)
        );
    }
}

/// Each block is a connection of its own, and the token is the one that was handed out last.
#[tokio::test]
async fn every_example_of_accounts_is_so() {
    let mesh = Mesh::builder().set_all("AuthMode", "accounts").start().await;
    let (mut token, mut blocks_told) = (Value::Null, 0);
    for block in blocks("json accounts") {
        let mut wire = Wire::connect(mesh.msg_server_addr(0)).await;
        for packet in &block {
            if !is_said(packet) {
                let mut request = packet.clone();
                if request["Token"].is_string() {
                    request["Token"] = token.clone();
                }
                wire.send(request.to_string().as_bytes()).await;
                continue;
            }
            let body = timeout(PATIENCE, wire.next()).await.expect("a packet in time").expect("a packet");
            let heard: Value = serde_json::from_slice(&body).expect("JSON");
            assert!(alike(packet, &heard), "the page says {packet}\nthe mesh said {heard}");
            if heard["Token"].is_string() {
                token = heard["Token"].clone();
            }
        }
        blocks_told += 1;
    }
    assert_eq!(blocks_told, 4);
}

/// The packets of each block of this kind on the page.
fn blocks(kind: &str) -> Vec<Vec<Value>> {
    let block = |block: &str| {
        let end = block.find("```").expect("a block ends");
        let packets = block[..end].lines().filter(|line| !line.trim().is_empty());
        packets
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect()
    };
    PAGE.split(&format!("```{kind}\n")).skip(1).map(block).collect()
}

fn is_said(packet: &Value) -> bool {
    SAID.iter().any(|name| packet["CmdName"] == *name)
}

/// Whether what was heard has the shape of what the page says.
fn alike(page: &Value, heard: &Value) -> bool {
    let (Some(wanted), Some(keys)) = (page.as_object(), heard.as_object()) else { return false };
    let same_keys = wanted.len() == keys.len() && wanted.keys().all(|key| keys.contains_key(key));
    let told = page["CmdName"] == "ERROR" || page["CmdName"] == "DISCONNECT";
    same_keys
        && wanted.iter().all(|(key, value)| same_type(value, &heard[key]))
        && COMPARED.iter().all(|key| page[*key] == heard[*key])
        && page["Args"].as_array().map(Vec::len) == heard["Args"].as_array().map(Vec::len)
        && (!told || page["Args"] == heard["Args"])
}

fn same_type(page: &Value, heard: &Value) -> bool {
    match (page, heard) {
        (Value::Array(page), Value::Array(heard)) => {
            page.iter().all(|page| heard.iter().any(|heard| same_type(page, heard)))
        }
        (Value::Object(page), Value::Object(heard)) => {
            page.len() == heard.len()
                && page.iter().all(|(key, page)| heard.get(key).is_some_and(|heard| same_type(page, heard)))
        }
        _ => std::mem::discriminant(page) == std::mem::discriminant(heard),
    }
}

/// amy's phone, which does what stands on the page, and the others who make it so.
struct Story {
    gateway: Wire,
    phone: Wire,
    laptop: NewClient,
    bob: NewClient,
    heard: Vec<Value>,
}

impl Story {
    /// What the page takes for granted: amy has twelve messages and has seen nine, the garden has three.
    async fn begin(mesh: &Mesh) -> Self {
        let none = || json!({});
        let mut laptop = NewClient::attach_as(mesh.msg_server_addr(0), "amy", "laptop", none()).await;
        let mut bob = NewClient::attach_as(mesh.msg_server_addr(1), "bob", "desk", none()).await;
        laptop.ok("CREATE_TOPIC", &["garden"]).await;
        bob.ok("JOIN_TOPIC", &["garden"]).await;
        for n in 1..=12 {
            bob.send_p2p("amy", "before", &format!("before-{n}")).await;
        }
        for n in 1..=3 {
            bob.send_topic("garden", "before", &format!("garden-{n}")).await;
        }
        let mut phone = NewClient::login_as(mesh.msg_server_addr(0), "amy", "phone").await;
        phone.ok("ACK", &["u/amy", "9"]).await;
        phone.ok("READ", &["u/amy", "9"]).await;
        phone.ok("ACK", &["t/garden", "3"]).await;
        let gateway = Wire::connect(mesh.gateway_addr()).await;
        let phone = Wire::connect(mesh.msg_server_addr(0)).await;
        Self { gateway, phone, laptop, bob, heard: Vec::new() }
    }

    /// Sends the requests of a block, each once the one before it is answered.
    async fn tell(&mut self, block: &[Value]) {
        for (at, request) in block.iter().enumerate().filter(|(_, packet)| !is_said(packet)) {
            if request["CmdName"] == "REQ_MSG_SERVER" {
                self.ask_gateway(request).await;
                continue;
            }
            self.phone.send(request.to_string().as_bytes()).await;
            if request["Seq"].is_null() {
                continue;
            }
            let answer = self.answer(&request["Seq"]).await;
            let page = block[at + 1..].iter().find(|said| {
                said["Seq"] == request["Seq"] && (said["CmdName"] == "OK" || said["CmdName"] == "ERROR")
            });
            let page = page.unwrap_or_else(|| panic!("the page has no answer to {request}"));
            assert!(alike(page, &answer), "{request}\nthe page says {page}\nthe mesh said {answer}");
            if request["CmdName"] == "RESUME" {
                self.others_talk().await;
            }
        }
    }

    async fn ask_gateway(&mut self, request: &Value) {
        if request["Seq"].is_null() {
            // An old client is one from its first packet on.
            let address = self.gateway.peer_addr();
            self.gateway = Wire::connect(address).await;
        }
        self.gateway.send(request.to_string().as_bytes()).await;
        let body = self.gateway.frame().await.expect("an answer");
        self.heard.push(serde_json::from_slice(&body).expect("JSON"));
    }

    async fn answer(&mut self, seq: &Value) -> Value {
        loop {
            let packet = self.hear().await;
            if packet["Seq"] == *seq && (packet["CmdName"] == "OK" || packet["CmdName"] == "ERROR") {
                return packet;
            }
        }
    }

    async fn hear(&mut self) -> Value {
        let body = timeout(PATIENCE, self.phone.next()).await.expect("a packet in time").expect("a packet");
        let packet: Value = serde_json::from_slice(&body).expect("JSON");
        self.heard.push(packet.clone());
        packet
    }

    /// What comes of its own accord.
    async fn others_talk(&mut self) {
        self.bob.send_p2p("amy", "hi", "0197-a1").await;
        self.laptop.send_p2p("bob", "hello", "77").await;
        self.bob.send_topic("garden", "it rains", "0197-a2").await;
        let picture = json!({"MsgId": "0197-a3", "Type": "image/png", "Body64": "iVBORw0KGgo="});
        self.bob.ok_with("SEND_MESSAGE_P2P", &["amy", ""], picture).await;
        let volatile = json!({"MsgId": "0197-a4", "Volatile": true});
        self.bob.ok_with("SEND_MESSAGE_P2P", &["amy", "is typing"], volatile).await;
    }

    /// What no request of the page brings about; what the code alone can make; and the end.
    async fn end(&mut self, mesh: &Mesh) {
        let head = self.bob.ok("SYNC", &["u/bob", "0", "1"]).await["Head"].to_string();
        self.bob.ok("ACK", &["u/bob", &head]).await;
        self.bob.ok("CREATE_TOPIC", &["bobs"]).await;
        let refused =
            json!({"CmdName": "SEND_MESSAGE_TOPIC", "Args": ["bobs", "hi"], "Seq": 100, "MsgId": "x"});
        self.phone.send(refused.to_string().as_bytes()).await;
        self.answer(&json!(100)).await;
        while !self.heard.iter().any(|heard| heard["CmdName"] == "RECEIPT") {
            self.hear().await;
        }
        self.old_client_hears(mesh).await;
        self.heard.extend(only_after_retention());
        mesh.terminate(Part::MsgServer(0));
        while self.hear().await["CmdName"] != "DISCONNECT" {}
    }

    async fn old_client_hears(&mut self, mesh: &Mesh) {
        let mut carl = OldClient::login(mesh.msg_server_addr(0), "carl").await;
        eventually("carl is known", async || {
            let sent =
                self.bob.request_with("SEND_MESSAGE_P2P", &["carl", "hi"], json!({"MsgId": "c"})).await;
            (sent["CmdName"] == "OK").then_some(())
        })
        .await;
        self.heard.push(carl.json().await);
        carl.send("JOIN_TOPIC", &["garden", "carl"]).await;
        self.heard.push(carl.json().await);
        self.heard.push(carl.json().await);
    }

    fn of_name(&self, said: &Value) -> String {
        let heard = self.heard.iter().filter(|heard| heard["CmdName"] == said["CmdName"]);
        heard.map(Value::to_string).collect::<Vec<_>>().join("\n")
    }
}

/// Packets that take retention, or damage, to come about: as the code writes them.
fn only_after_retention() -> [Value; 2] {
    use protocol::content::{Content, Entry};
    use protocol::event::{Dialect, gap, pushed};
    use protocol::ids::{LogName, Time, Version};
    let log = LogName::new("t/garden").expect("a log");
    let void = Entry { version: Version(16), time: Time(1), content: Content::void().to_bytes() };
    let entry = pushed(Dialect::New, &log, &void, None).expect("a packet");
    [entry, gap(&log, Version(4), Version(9), None)]
        .map(|frame| serde_json::from_slice(&frame[4..]).expect("JSON"))
}
