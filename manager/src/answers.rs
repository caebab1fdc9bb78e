//! What the store says, in the words of the wire: the one place where errors become codes.

use protocol::code::ErrorCode;
use protocol::event::Stored as Certain;
use protocol::link::request::Reply;
use protocol::link::{self, Frame, Outcome, Stored};
use storage::{
    AccountError, AccountState, AppendError, Appended, Certainty, PairAppended, StoreError, TopicError,
};

/// What became of an append, or of a pair.
pub trait IntoStored {
    /// Where it was stored, as the wire says it. A message to oneself has no version for anybody else.
    fn into_stored(self, to_oneself: bool) -> Stored;

    /// Whether it was there before.
    fn is_duplicate(&self) -> bool;
}

impl IntoStored for Appended {
    fn into_stored(self, _: bool) -> Stored {
        Stored { version: self.version.0, peer_version: 0, time: self.time.0, revision: self.revision }
    }

    fn is_duplicate(&self) -> bool {
        self.duplicate
    }
}

impl IntoStored for PairAppended {
    fn into_stored(self, to_oneself: bool) -> Stored {
        let peer_version = if to_oneself { 0 } else { self.recipient.version.0 };
        Stored { peer_version, ..self.sender.into_stored(to_oneself) }
    }

    fn is_duplicate(&self) -> bool {
        self.sender.duplicate && self.recipient.duplicate
    }
}

/// Writes the answer to an append.
pub fn put_stored(out: &mut Vec<u8>, ask: u64, stored: Stored) {
    Frame::Appended(link::Appended { ask, outcome: Outcome::Stored(stored) }).encode(out);
}

/// Writes the refusal of an append by the store.
pub fn put_error(out: &mut Vec<u8>, ask: u64, error: &AppendError) {
    let (code, stored) = code_of(error);
    match error {
        // It says more than the code does: the limit. Why a store failed is for its operator, in the log: it names paths.
        AppendError::TooLarge { .. } => put_refusal(out, ask, code, &error.to_string(), stored),
        _ => put_refusal(out, ask, code, code.meaning(), stored),
    }
}

/// Writes the refusal of an append.
pub fn put_refusal(out: &mut Vec<u8>, ask: u64, code: ErrorCode, message: &str, stored: Certain) {
    let outcome = Outcome::Refused { code: code.number(), message, stored };
    Frame::Appended(link::Appended { ask, outcome }).encode(out);
}

fn code_of(error: &AppendError) -> (ErrorCode, Certain) {
    let code = match error {
        AppendError::Refused(code) => *code,
        AppendError::UnknownRecipient => ErrorCode::UnknownUser,
        AppendError::IdReused => ErrorCode::IdReused,
        AppendError::TooLarge { .. } => ErrorCode::TooLarge,
        AppendError::Failed { certainty: Certainty::Maybe, .. } => {
            return (ErrorCode::StoreFailed, Certain::Maybe);
        }
        AppendError::Failed { certainty: Certainty::Not, .. } => ErrorCode::StoreFailed,
    };
    (code, Certain::No)
}

/// Why a question is not answered as it was asked.
#[derive(Debug)]
pub enum Refusal {
    /// For this reason.
    Code(ErrorCode),
    /// For this reason, which the text says more exactly.
    Because(ErrorCode, String),
    /// The store failed.
    Store(StoreError),
}

impl Refusal {
    /// For this reason, in words of its own.
    pub fn because(code: ErrorCode, text: &str) -> Self {
        Self::Because(code, text.to_owned())
    }

    /// The reason, as a number of the wire.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Code(code) | Self::Because(code, _) => *code,
            Self::Store(_) => ErrorCode::StoreFailed,
        }
    }

    /// The refusal as an answer.
    pub fn into_reply(self) -> Reply {
        match self {
            Self::Code(code) => Reply::refused(code),
            Self::Because(code, message) => Reply::Refused { code: code.number(), message },
            Self::Store(_) => Reply::refused(ErrorCode::StoreFailed),
        }
    }
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Self::Code(code)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<AccountError> for Refusal {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Changed => Self::Code(ErrorCode::Busy),
            AccountError::Lookalike(_) => Self::Because(ErrorCode::NameTaken, error.to_string()),
            AccountError::Ended(AccountState::Deleted) => Self::Code(ErrorCode::NameGone),
            AccountError::Ended(_) => Self::because(ErrorCode::NotAllowed, "this account is locked"),
            AccountError::Store(error) => Self::Store(error),
        }
    }
}

impl From<TopicError> for Refusal {
    fn from(error: TopicError) -> Self {
        match error {
            TopicError::Refused(code) => Self::Code(code),
            TopicError::Store(error) => Self::Store(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::ids::{Time, Version};

    #[track_caller]
    fn refused(error: &AppendError) -> (u16, Certain) {
        let mut out = Vec::new();
        put_error(&mut out, 7, error);
        match Frame::parse(&out[4..]).unwrap() {
            Frame::Appended(link::Appended { ask: 7, outcome: Outcome::Refused { code, stored, .. } }) => {
                (code, stored)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_refusal_says_whether_it_may_be_stored() {
        let failed =
            |certainty| AppendError::Failed { error: StoreError::Unwritable("full".into()), certainty };
        assert_eq!(refused(&failed(Certainty::Maybe)), (5002, Certain::Maybe));
        assert_eq!(refused(&failed(Certainty::Not)), (5002, Certain::No));
        assert_eq!(refused(&AppendError::IdReused), (4007, Certain::No));
        assert_eq!(refused(&AppendError::UnknownRecipient), (4005, Certain::No));
        assert_eq!(refused(&AppendError::Refused(ErrorCode::WrongDurability)), (4011, Certain::No));
        assert_eq!(refused(&AppendError::TooLarge { bytes: 2, limit: 1 }), (4010, Certain::No));
    }

    #[test]
    fn where_the_store_lies_is_not_told_to_clients() {
        let error =
            || StoreError::Unwritable("no room for the next segment /srv/store/log/00000010.log".into());
        let failed = AppendError::Failed { error: error(), certainty: Certainty::Not };
        let mut out = Vec::new();
        put_error(&mut out, 7, &failed);
        assert!(!String::from_utf8_lossy(&out).contains("/srv"));
        assert_eq!(Refusal::Store(error()).into_reply(), Reply::refused(ErrorCode::StoreFailed));
    }

    #[test]
    fn a_message_to_oneself_has_one_version() {
        let at = |version, duplicate| Appended {
            version: Version(version),
            time: Time(9),
            duplicate,
            revision: 0,
        };
        let stored = |version, peer_version| Stored { version, peer_version, time: 9, revision: 0 };
        let first = PairAppended { sender: at(1, false), recipient: at(1, false) };
        assert_eq!(first.into_stored(true), stored(1, 0));
        assert_eq!(first.into_stored(false), stored(1, 1));
        let half = PairAppended { sender: at(3, true), recipient: at(8, false) };
        assert!(!half.is_duplicate());
        assert_eq!(half.into_stored(false), stored(3, 8));
    }
}
