//! Whether somebody may do something to a topic: the one place of this backend that asks [`protocol::access`], with what
//! the state says at that moment.

use protocol::access::{self, Act, Standing};
use protocol::code::ErrorCode;

use super::values::TopicMeta;
use super::view::View;
use crate::{Relation, StoreError};

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
    let Some(topic) = view.topic(name)? else { return Ok(Err(ErrorCode::UnknownTopic)) };
    if topic.dissolved {
        return Ok(Err(ErrorCode::NameGone));
    }
    let relation = view.relation(name, user)?;
    let standing = standing(&topic, relation.as_ref(), user);
    Ok(access::may(act, standing, topic.rules.join).map(|()| Admitted { topic, relation }))
}

/// How a user of this relation stands to the topic.
pub(crate) fn standing(topic: &TopicMeta, relation: Option<&Relation>, user: &str) -> Standing {
    Relation::standing(relation, topic.creator == user)
}
