//! The numbers of errors and disconnects on the wire.
//!
//! A client may act on the range alone, so that codes can be added:
//!
//! | range | in | meaning |
//! | --- | --- | --- |
//! | 1000–1999 | `DISCONNECT` | come back through the gateway, after a short random wait |
//! | 2000–2999 | `DISCONNECT` | come back, but not within 10 seconds; no code has it yet |
//! | 3000–3999 | `DISCONNECT` | do not come back by yourself: a person or a program has to change something |
//! | 4000–4999 | `ERROR` | the request is wrong: the same one will be refused again |
//! | 5000–5999 | `ERROR` | not now: the same request may succeed after `Retry` milliseconds |

use std::time::Duration;

macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $number:literal, $text:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum $name { $($(#[$vdoc])* $variant = $number,)* }

        impl $name {
            /// Every code, in the order of its numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The number on the wire.
            pub fn number(self) -> u16 {
                self as u16
            }

            /// What it means, for people.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The code with this number, if it is one of ours.
            pub fn from_number(number: u16) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| code.number() == number)
            }
        }
    };
}

codes! {
    /// Why a request was refused.
    ErrorCode {
        /// An argument or key is missing or malformed.
        BadRequest = 4000, "an argument or key is missing or malformed";
        /// The session has not said who it is.
        NotLoggedIn = 4001, "say who you are first: SEND_CLIENT_ID";
        /// The session is somebody else already.
        OtherIdentity = 4002, "this connection is logged in as somebody else";
        /// Only members send to a topic and read it.
        NotAMember = 4003, "you are not a member of this topic: JOIN_TOPIC first";
        /// There is no topic of that name.
        UnknownTopic = 4004, "there is no topic of that name: CREATE_TOPIC makes one";
        /// Nobody of that name has ever logged in.
        UnknownUser = 4005, "nobody of that name has logged in here yet";
        /// The command is not one that a client may send.
        UnknownCommand = 4006, "there is no such command";
        /// The message id was used before, for another message.
        IdReused = 4007, "this MsgId was used for another message: choose a new one";
        /// The topic exists, and not as asked for.
        TopicExists = 4008, "a topic of that name exists already";
        /// The name is not given any more.
        NameGone = 4009, "this name was used and is not given again";
        /// The message is larger than the limit.
        TooLarge = 4010, "larger than this mesh allows";
        /// A durable message to a volatile topic, or the other way round.
        WrongDurability = 4011, "a topic is volatile or durable from its creation";
        /// The log is not one that this session may read.
        NotYourLog = 4012, "this log is not yours to read";
        /// A limit on a number of things was reached.
        LimitReached = 4013, "a limit of this mesh is reached";
        /// Unknown user, wrong password, unknown or expired token: all the same, so that nobody learns which.
        LoginRefused = 4014, "this name and this password or token do not go together";
        /// The name, or one that looks like it, belongs to somebody.
        NameTaken = 4015, "this name, or one that looks like it, is taken";
        /// Only the topic's creator may do it.
        NotAllowed = 4016, "this is not yours to do";
        /// The topic takes only those whom its creator invited.
        NotInvited = 4017, "this topic takes only whom its creator has invited";
        /// A password or token over a connection that others may read.
        Plaintext = 4018, "passwords and tokens are taken over TLS only, or from this machine: connect with TLS";
        /// Nobody may register here.
        RegistrationClosed = 4019, "accounts are made by the operator of this mesh";
        /// The token allows less than that.
        OutOfScope = 4020, "this token does not allow that";
        /// A mesh in mode `open`.
        NoAccounts = 4021, "there are no accounts here: this mesh is in mode open";
        /// A fault of ours.
        Internal = 5000, "a fault in the server";
        /// No manager is linked.
        NoManager = 5001, "no manager is reachable at the moment";
        /// The store could not take it.
        StoreFailed = 5002, "the store cannot write at the moment";
        /// No msg_server is live.
        NoMsgServer = 5003, "no msg_server is reachable at the moment";
        /// No answer within the bounded wait.
        TimedOut = 5004, "no answer within the time allowed";
        /// No router is linked.
        NoRouter = 5005, "no router is reachable at the moment";
        /// The process is ending.
        Draining = 5006, "this server is going down: come back through the gateway";
        /// Too many requests wait already.
        Busy = 5007, "too much waits already: send again a little later";
        /// Too many logins or registrations failed, or came at once.
        Throttled = 5008, "too many attempts: wait a little";
    }
}

impl ErrorCode {
    /// How long to wait before the same request is worth sending again; `None`: never.
    pub fn retry(self) -> Option<Duration> {
        (self.number() >= 5000).then(|| Duration::from_millis(1000))
    }
}

codes! {
    /// Why a session was ended by the server.
    DisconnectCode {
        /// The process drains: others take over.
        Draining = 1000, "this server is going down";
        /// The client does not read what it is sent.
        SlowReader = 1001, "you read too slowly";
        /// No heartbeat for too long.
        Silent = 1002, "nothing was heard from you for too long";
        /// A send could not be decided within the bounded wait.
        Unanswered = 1003, "a message could not be stored in time";
        /// What was resumed without a manager does not fit the logs that it has.
        LogsChanged = 1004, "the logs are not as you resumed them: log in again";
        /// The same client and device logged in again.
        Replaced = 3000, "the same device logged in again elsewhere";
        /// A frame that cannot be read.
        BadFrame = 3001, "a frame could not be read";
        /// A frame above the limit.
        FrameTooLarge = 3002, "a frame is larger than the limit";
        /// No login in time.
        LoginTimeout = 3003, "no login in time";
        /// A link was asked for that this process does not give.
        LinkRefused = 3004, "this link is refused";
        /// The device was logged out, here or from another one.
        LoggedOut = 3005, "this device was logged out";
        /// The account was disabled or deleted.
        AccountEnded = 3006, "this account was disabled or deleted";
        /// The token that the session was begun with.
        TokenExpired = 3007, "the token has expired: log in again";
        /// Between machines, links with a process that has a certificate speak TLS.
        PlainLink = 3008, "a link from another machine has to speak TLS here";
    }
}

impl DisconnectCode {
    /// Whether a client should come back by itself.
    pub fn come_back(self) -> bool {
        self.number() < 3000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_tells_by_its_range_whether_a_retry_helps() {
        for code in ErrorCode::ALL {
            assert!((4000..6000).contains(&code.number()));
            assert_eq!(code.retry().is_some(), code.number() >= 5000);
            assert_eq!(ErrorCode::from_number(code.number()), Some(*code));
        }
        for code in DisconnectCode::ALL {
            assert!((1000..4000).contains(&code.number()));
            assert_eq!(code.come_back(), code.number() < 3000);
        }
        assert_eq!(ErrorCode::from_number(1), None);
    }
}
