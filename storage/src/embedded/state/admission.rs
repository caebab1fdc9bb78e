//! Whether somebody may do something to a topic: the one place of this backend that asks [`protocol::access`], with what
//! the state says at that moment.

use protocol::access::{self, Act, Standing};
use protocol::code::ErrorCode;

use super::values::TopicMeta;
use super::view::View;
use crate::{AccountState, Relation, StoreError};

/// Who may do it, to what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Admitted {
    /// The topic as it is.
    pub topic: TopicMeta,
    /// How whoever does it stands to it.
    pub relation: Option<Relation>,
}

/// Whether the user may do that to the topic; the code under which it is refused.
pub(crate) fn admit<V: View>(
    view: &V,
    act: Act,
    name: &str,
    user: &str,
) -> Result<Result<Admitted, ErrorCode>, StoreError> {
    if has_ended(view, user)? {
        return Ok(Err(ErrorCode::NotAllowed));
    }
    let Some(topic) = view.topic(name)? else { return Ok(Err(ErrorCode::UnknownTopic)) };
    if topic.dissolved {
        return Ok(Err(ErrorCode::NameGone));
    }
    let relation = view.relation(name, user)?;
    let standing = standing(view, &topic, relation.as_ref(), user)?;
    Ok(access::may(act, standing, topic.rules.join).map(|()| Admitted { topic, relation }))
}

/// How a user of this relation stands to the topic. Whoever has the name of its creator made it only if nobody else had
/// the name when it was made.
pub(crate) fn standing<V: View>(
    view: &V,
    topic: &TopicMeta,
    relation: Option<&Relation>,
    user: &str,
) -> Result<Standing, StoreError> {
    let is_creator = topic.creator == user
        && view.account_meta(user)?.map_or(0, |account| account.life) == topic.creator_life;
    Ok(Relation::standing(relation, is_creator))
}

/// Whether the user has an account that may not be used: nothing is done in its name.
pub(crate) fn has_ended<V: View>(view: &V, user: &str) -> Result<bool, StoreError> {
    Ok(view.account_meta(user)?.is_some_and(|account| account.state != AccountState::Active))
}
