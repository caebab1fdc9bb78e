//! Events as JSON, one object a line, for `--json`.

use serde_json::{Map, Value, json};

use crate::{Event, Message, MessageId, SendError, Sent, Target};

/// For `--help`.
pub const HELP: &str = "\
Lines of --json: an object with \"event\", and beside it
  message       log, version, id, from, to, device, time, text, type, body64, volatile
  sent          id, to or topic, log, version, time     (one for each line of standard input)
  refused       id, to or topic, code, message
  delayed       id, code, message                       (it is sent again by itself)
  receipt       peer, id, mark (delivered, read)        (that message and all before it)
  gap           log, first, last                        (what retention took)
  rewound       log, had, head
  connected     server
  disconnected  reason, coming_back_ms
  retrying      reason, coming_back_ms
  ended         reason
Keys that have no value are left out. time is in milliseconds since 1970.";

fn object(event: &str, keys: Value) -> Value {
    let mut all = Map::from_iter([("event".to_owned(), event.into())]);
    if let Value::Object(keys) = keys {
        all.extend(keys.into_iter().filter(|(_, value)| !value.is_null()));
    }
    Value::Object(all)
}

/// An event of the client.
pub fn event(event: &Event) -> Value {
    let millis = |wait: &std::time::Duration| wait.as_millis() as u64;
    match event {
        Event::Message(it) => message(it),
        Event::Connected { server, .. } => object("connected", json!({"server": server})),
        Event::Disconnected { reason, coming_back_in } => {
            let keys = json!({"reason": reason.to_string(), "coming_back_ms": millis(coming_back_in)});
            object("disconnected", keys)
        }
        Event::Retrying { reason, coming_back_in } => {
            let keys = json!({"reason": reason.to_string(), "coming_back_ms": millis(coming_back_in)});
            object("retrying", keys)
        }
        Event::Ended(reason) => object("ended", json!({"reason": reason.to_string()})),
        Event::Gap { log, first, last } => object("gap", json!({"log": log, "first": first, "last": last})),
        Event::Rewound { log, had, head } => object("rewound", json!({"log": log, "had": had, "head": head})),
        Event::Receipt { peer, id, mark } => {
            object("receipt", json!({"peer": peer, "id": id, "mark": mark.word()}))
        }
        Event::Delayed { id, code, message } => {
            object("delayed", json!({"id": id, "code": code, "message": message}))
        }
    }
}

fn message(message: &Message) -> Value {
    use base64::Engine as _;
    let text = message.body.text();
    let body64 = || base64::engine::general_purpose::STANDARD.encode(&message.body.bytes);
    object(
        "message",
        json!({
            "log": message.log, "version": message.version, "id": message.id,
            "from": message.from, "to": message.to, "device": message.device, "time": message.time,
            "text": text, "type": message.body.content_type, "body64": text.is_none().then(body64),
            "volatile": message.is_volatile().then_some(true),
        }),
    )
}

/// What became of a message that was sent.
pub fn outcome(id: Option<&MessageId>, target: &Target, outcome: &Result<Option<Sent>, SendError>) -> Value {
    let (to, topic) = match target {
        Target::User(user) => (Some(user), None),
        Target::Topic(topic) => (None, Some(topic)),
    };
    match outcome {
        Ok(sent) => {
            let sent = sent.as_ref();
            let keys = json!({
                "id": id, "to": to, "topic": topic, "log": sent.map(|sent| &sent.log),
                "version": sent.map(|sent| sent.version), "time": sent.and_then(|sent| sent.time),
            });
            object("sent", keys)
        }
        Err(error) => {
            let code = match error {
                SendError::Refused { code, .. } => Some(*code),
                _ => None,
            };
            let keys =
                json!({"id": id, "to": to, "topic": topic, "code": code, "message": error.to_string()});
            object("refused", keys)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Body, LogName, Time, UserId, Version};

    #[test]
    fn a_message_is_an_object_without_empty_keys() {
        let message = Message {
            log: LogName::new("u/bob").unwrap(),
            version: Some(Version(3)),
            id: None,
            from: UserId::new("amy").unwrap(),
            to: None,
            device: None,
            time: Some(Time(7)),
            body: Body::from("h\"i"),
        };
        let line = event(&Event::Message(message)).to_string();
        assert_eq!(
            line,
            r#"{"event":"message","from":"amy","log":"u/bob","text":"h\"i","time":7,"version":3}"#
        );
    }

    #[test]
    fn a_refusal_has_its_code() {
        let target = Target::User(UserId::new("bob").unwrap());
        let error = SendError::Refused { code: 4005, message: "nobody".into() };
        let line = outcome(None, &target, &Err(error)).to_string();
        assert_eq!(line, r#"{"code":4005,"event":"refused","message":"refused (4005): nobody","to":"bob"}"#);
    }
}
