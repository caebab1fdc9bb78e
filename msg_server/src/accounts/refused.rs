//! Why a login, or a request about an account, is refused.

use std::borrow::Cow;
use std::time::Duration;

use protocol::code::ErrorCode;
use protocol::link::request::Reply;

use super::hashing::HashingError;
use super::token::NoRandomNumbers;
use super::workers::TooMany;
use crate::links::managers::AskError;

/// A refusal, as the client is to hear it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    /// Its code.
    pub code: ErrorCode,
    /// For people.
    pub message: Cow<'static, str>,
    /// After how long the same request may succeed; `None`: never.
    pub retry: Option<Duration>,
}

/// Whoever finds the threads busy that check passwords may come again after this.
const BUSY: Duration = Duration::from_secs(2);

impl Refused {
    /// In other words than those of the code.
    pub fn saying(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), retry: code.retry() }
    }

    /// Too many attempts: the next one may be made after `wait`.
    pub fn throttled(wait: Duration) -> Self {
        // A client that comes back to the millisecond should not be early.
        let retry = Some(wait + Duration::from_millis(1));
        Self { retry, ..ErrorCode::Throttled.into() }
    }

    /// What a manager said instead of what was hoped for.
    pub fn by_manager(reply: Result<Reply, AskError>) -> Self {
        match reply {
            Ok(Reply::Refused { code, message }) => match ErrorCode::from_number(code) {
                Some(code) => Self::saying(code, message),
                None => ErrorCode::Internal.into(),
            },
            Ok(_) => ErrorCode::Internal.into(),
            Err(AskError::TimedOut) => ErrorCode::TimedOut.into(),
            Err(_) => ErrorCode::NoManager.into(),
        }
    }
}

impl From<ErrorCode> for Refused {
    fn from(code: ErrorCode) -> Self {
        Self::saying(code, code.meaning())
    }
}

impl From<TooMany> for Refused {
    fn from(_: TooMany) -> Self {
        Self { retry: Some(BUSY), ..ErrorCode::Throttled.into() }
    }
}

impl From<HashingError> for Refused {
    fn from(error: HashingError) -> Self {
        tracing::error!("{error}");
        ErrorCode::Internal.into()
    }
}

impl From<NoRandomNumbers> for Refused {
    fn from(error: NoRandomNumbers) -> Self {
        tracing::error!("a token could not be made: {error}");
        ErrorCode::Internal.into()
    }
}
