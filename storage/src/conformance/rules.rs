//! Topics that do not take everybody, show their members what comes after they joined, put people out, and end.

use protocol::access::{Act, History, Join};
use protocol::account::Invite;
use protocol::code::ErrorCode;
use protocol::ids::Version;

use super::Subject;
use super::cast::{
    append, create, create_volatile, entries, log_in, new_topic, said, topic, topic_log, user,
};
use crate::{AppendError, NewTopic, ReadRange, Store, TopicError};

pub(super) async fn run<S: Subject>(make: &mut impl FnMut() -> S) {
    whoever_makes_a_topic_again_gets_it_as_it_is_or_not_at_all(make()).await;
    a_topic_by_invitation_takes_the_invited(make()).await;
    only_the_creator_decides_who_is_in(make()).await;
    who_was_put_out_stays_out_until_invited_again(make()).await;
    a_member_reads_from_where_they_joined(make()).await;
    nothing_is_left_of_a_dissolved_topic(make()).await;
    each_act_is_allowed_where_the_table_says(make()).await;
    invitations_are_listed_up_to_a_number(make()).await;
}

fn refused<T>(code: ErrorCode) -> Result<T, TopicError> {
    Err(TopicError::Refused(code))
}

fn by_invitation(name: &str) -> NewTopic {
    NewTopic { join: Some(Join::Invite), ..new_topic(name, "amy") }
}

async fn join(store: &dyn Store, name: &str, who: &str) -> Result<u64, TopicError> {
    Ok(store.join_topic(topic(name), user(who), None).await?.log.since.0)
}

async fn invite(store: &dyn Store, name: &str, who: &str, by: &str) -> Result<bool, TopicError> {
    store.invite(topic(name), user(who), user(by)).await
}

async fn remove(store: &dyn Store, name: &str, who: &str, by: &str) -> Result<Option<u64>, TopicError> {
    store.remove_member(topic(name), user(who), user(by)).await
}

async fn say(store: &dyn Store, name: &str, who: &str, id: &str) -> Result<Version, AppendError> {
    Ok(append(store, &topic_log(name), said(who, id, "hi")).await?.version)
}

async fn whoever_makes_a_topic_again_gets_it_as_it_is_or_not_at_all(mut subject: impl Subject) {
    subject.store().create_topic(by_invitation("club")).await.unwrap();
    subject.restart().await;
    let store = subject.store();
    let rules = store.topic(topic("club")).await.unwrap().unwrap().rules;
    assert_eq!((rules.join, rules.history), (Join::Invite, History::All));
    assert!(store.create_topic(by_invitation("club")).await.unwrap().already);
    assert!(create(store, "club", "amy").await.unwrap().already, "no rule was named");
    let open = NewTopic { join: Some(Join::Open), ..new_topic("club", "amy") };
    assert_eq!(store.create_topic(open).await, refused(ErrorCode::TopicExists));
}

async fn a_topic_by_invitation_takes_the_invited(mut subject: impl Subject) {
    log_in(subject.store(), &["amy", "bob", "eve"]).await;
    subject.store().create_topic(by_invitation("club")).await.unwrap();
    assert_eq!(join(subject.store(), "club", "bob").await, refused(ErrorCode::NotInvited));
    for news in [true, false] {
        assert_eq!(invite(subject.store(), "club", "bob", "amy").await, Ok(news));
    }
    assert_eq!(invite(subject.store(), "club", "nobody", "amy").await, refused(ErrorCode::UnknownUser));
    subject.restart().await;
    let invites = vec![Invite { topic: topic("club"), by: user("amy") }];
    assert_eq!(subject.store().log_in(user("bob"), None).await.unwrap().invites, invites);
    assert_eq!(subject.store().topics_of(user("bob")).await.unwrap().invites, invites);
    assert_eq!(
        say(subject.store(), "club", "bob", "1").await,
        Err(AppendError::Refused(ErrorCode::NotAMember))
    );
    assert_eq!(subject.store().members(topic("club"), None, 9).await.unwrap(), [user("amy")]);
    assert_eq!(join(subject.store(), "club", "bob").await, Ok(0));
    subject.restart().await;
    let store = subject.store();
    assert_eq!(say(store, "club", "bob", "1").await, Ok(Version(1)));
    assert_eq!(store.topics_of(user("bob")).await.unwrap().invites, []);
    assert_eq!(invite(store, "club", "bob", "amy").await, Ok(false), "a member is no guest");
    store.leave_topic(topic("club"), user("bob")).await.unwrap();
    assert_eq!(join(store, "club", "bob").await, refused(ErrorCode::NotInvited), "an invitation is for once");
    assert_eq!(invite(store, "club", "eve", "amy").await, Ok(true));
    assert_eq!(store.leave_topic(topic("club"), user("eve")).await, Ok(None), "declined");
    assert_eq!(store.topics_of(user("eve")).await.unwrap().invites, []);
    assert_eq!(join(store, "club", "eve").await, refused(ErrorCode::NotInvited));
}

async fn only_the_creator_decides_who_is_in(subject: impl Subject) {
    let store = subject.store();
    log_in(store, &["amy", "bob", "eve"]).await;
    create(store, "garden", "amy").await.unwrap();
    join(store, "garden", "bob").await.unwrap();
    for (who, code) in [("bob", ErrorCode::NotAllowed), ("eve", ErrorCode::NotAMember)] {
        assert_eq!(invite(store, "garden", "eve", who).await, refused(code));
        assert_eq!(remove(store, "garden", "bob", who).await, refused(code));
        assert_eq!(store.dissolve(topic("garden"), user(who)).await, refused(code));
    }
    assert_eq!(remove(store, "garden", "amy", "amy").await, refused(ErrorCode::NotAllowed));
    store.leave_topic(topic("garden"), user("amy")).await.unwrap();
    assert_eq!(invite(store, "garden", "eve", "amy").await, refused(ErrorCode::NotAMember), "amy is out");
    join(store, "garden", "amy").await.unwrap();
    assert_eq!(invite(store, "garden", "eve", "amy").await, Ok(true));
    assert_eq!(invite(store, "nowhere", "eve", "amy").await, refused(ErrorCode::UnknownTopic));
}

async fn who_was_put_out_stays_out_until_invited_again(mut subject: impl Subject) {
    log_in(subject.store(), &["amy", "bob", "eve"]).await;
    create(subject.store(), "garden", "amy").await.unwrap();
    join(subject.store(), "garden", "bob").await.unwrap();
    say(subject.store(), "garden", "bob", "1").await.unwrap();
    let before = subject.store().log_in(user("bob"), None).await.unwrap().revision;
    for ended in [Some(1), None] {
        assert_eq!(remove(subject.store(), "garden", "bob", "amy").await, Ok(ended));
    }
    assert_eq!(remove(subject.store(), "garden", "eve", "amy").await, Ok(None), "before they ever came");
    assert_eq!(remove(subject.store(), "garden", "nobody", "amy").await, refused(ErrorCode::UnknownUser));
    subject.restart().await;
    let store = subject.store();
    let bounds = store.bounds(vec![topic_log("garden")]).await.unwrap();
    assert_eq!((bounds[0].revision, bounds[0].gone), (1, false));
    assert!(store.log_in(user("bob"), None).await.unwrap().revision > before);
    assert_eq!(say(store, "garden", "bob", "2").await, Err(AppendError::Refused(ErrorCode::NotAMember)));
    let again = append(store, &topic_log("garden"), said("bob", "1", "hi")).await.unwrap();
    assert_eq!((again.version, again.duplicate, again.revision), (Version(1), true, 1), "it is stored");
    store.leave_topic(topic("garden"), user("bob")).await.unwrap();
    for who in ["bob", "eve"] {
        assert_eq!(join(store, "garden", who).await, refused(ErrorCode::NotInvited));
        assert_eq!(invite(store, "garden", who, "amy").await, Ok(true));
        assert_eq!(join(store, "garden", who).await, Ok(0));
    }
    assert_eq!(say(store, "garden", "bob", "2").await, Ok(Version(2)));
}

async fn a_member_reads_from_where_they_joined(mut subject: impl Subject) {
    log_in(subject.store(), &["amy", "bob"]).await;
    let club = NewTopic { history: Some(History::FromJoin), ..new_topic("club", "amy") };
    subject.store().create_topic(club).await.unwrap();
    for id in ["1", "2", "3"] {
        say(subject.store(), "club", "amy", id).await.unwrap();
    }
    let joined = subject.store().join_topic(topic("club"), user("bob"), None).await.unwrap().log;
    assert_eq!((joined.since, joined.first, joined.head), (Version(3), Version(4), Version(3)));
    say(subject.store(), "club", "amy", "4").await.unwrap();
    assert_eq!(join(subject.store(), "club", "bob").await, Ok(3), "a member stays what they are");
    subject.restart().await;
    let store = subject.store();
    let may = |who| store.may(Act::Read, topic("club"), user(who));
    assert_eq!((may("bob").await, may("amy").await), (Ok(Version(3)), Ok(Version(0))));
    let login = store.log_in(user("bob"), None).await.unwrap().logs.pop().unwrap();
    assert_eq!((login.since, login.first, login.head), (Version(3), Version(4), Version(4)));
    assert_eq!(store.topics_of(user("bob")).await.unwrap().topics[0].since, Version(3));
    store.leave_topic(topic("club"), user("bob")).await.unwrap();
    say(store, "club", "amy", "5").await.unwrap();
    assert_eq!(join(store, "club", "bob").await, Ok(5), "what was said while they were away is not theirs");
    store.trim(topic_log("club"), Version(9)).await.unwrap();
    let login = store.log_in(user("amy"), None).await.unwrap().logs.pop().unwrap();
    assert_eq!((login.since, login.first), (Version(0), Version(5)), "retention is for everybody");
}

async fn nothing_is_left_of_a_dissolved_topic(mut subject: impl Subject) {
    log_in(subject.store(), &["amy", "bob"]).await;
    create(subject.store(), "ruin", "amy").await.unwrap();
    create_volatile(subject.store(), "ticker", "amy").await.unwrap();
    join(subject.store(), "ruin", "bob").await.unwrap();
    for id in ["1", "2"] {
        say(subject.store(), "ruin", "amy", id).await.unwrap();
    }
    for name in ["ruin", "ticker"] {
        subject.store().dissolve(topic(name), user("amy")).await.unwrap();
    }
    subject.restart().await;
    let store = subject.store();
    let gone = ErrorCode::NameGone;
    for who in ["amy", "bob", "eve"] {
        assert_eq!(create(store, "ruin", who).await, refused(gone));
        assert_eq!(create_volatile(store, "ticker", who).await, refused(gone));
        assert_eq!(join(store, "ruin", who).await, refused(gone));
        assert_eq!(store.leave_topic(topic("ruin"), user(who)).await, refused(gone));
        assert_eq!(invite(store, "ruin", "bob", who).await, refused(gone));
        assert_eq!(remove(store, "ruin", "bob", who).await, refused(gone));
        assert_eq!(store.dissolve(topic("ruin"), user(who)).await, refused(gone));
        assert_eq!(say(store, "ruin", who, "3").await, Err(AppendError::Refused(gone)));
        for act in Act::ALL {
            assert_eq!(store.may(act, topic("ruin"), user(who)).await, refused(gone));
        }
        assert_eq!(store.topics_of(user(who)).await.unwrap().topics, []);
        assert_eq!(store.log_in(user(who), None).await.unwrap().logs.len(), 1);
    }
    let again = append(store, &topic_log("ruin"), said("amy", "2", "hi")).await.unwrap();
    assert_eq!(
        (again.version, again.duplicate),
        (Version(2), true),
        "who heard no answer hears the first one"
    );
    assert_eq!(entries(store, &topic_log("ruin")).await, []);
    let range = ReadRange { log: topic_log("ruin"), after: Version(0), max_entries: 9, max_bytes: 1 << 20 };
    assert!(store.read(range).await.unwrap().gone);
    assert!(store.bounds(vec![topic_log("ruin")]).await.unwrap()[0].gone);
    assert!(store.topic(topic("ruin")).await.unwrap().unwrap().dissolved);
}

/// A user of each standing, in a topic of either kind.
async fn each_act_is_allowed_where_the_table_says(subject: impl Subject) {
    use protocol::access::Standing::{Creator, Invited, Member, Removed, Stranger};
    let store = subject.store();
    log_in(store, &["amy", "bob", "carl", "dan", "eve"]).await;
    for (name, rule) in [("open", Join::Open), ("closed", Join::Invite)] {
        store.create_topic(NewTopic { join: Some(rule), ..new_topic(name, "amy") }).await.unwrap();
        for who in ["bob", "carl"] {
            invite(store, name, who, "amy").await.unwrap();
        }
        join(store, name, "carl").await.unwrap();
        remove(store, name, "dan", "amy").await.unwrap();
        for (who, standing) in
            [("amy", Creator), ("bob", Invited), ("carl", Member), ("dan", Removed), ("eve", Stranger)]
        {
            for act in Act::ALL {
                let expected = protocol::access::may(act, standing, rule).map(|()| Version::ZERO);
                let found = store.may(act, topic(name), user(who)).await;
                assert_eq!(found, expected.map_err(TopicError::Refused), "{who} {act:?} {name}");
            }
        }
    }
}

async fn invitations_are_listed_up_to_a_number(subject: impl Subject) {
    let store = subject.store();
    log_in(store, &["amy", "bob"]).await;
    for n in 0..crate::MOST_INVITES + 5 {
        let name = format!("club {n:03}");
        create(store, &name, "amy").await.unwrap();
        invite(store, &name, "bob", "amy").await.unwrap();
    }
    let listed = store.topics_of(user("bob")).await.unwrap().invites;
    assert_eq!((listed.len(), listed[0].topic.as_str()), (crate::MOST_INVITES, "club 000"));
    join(store, "club 104", "bob").await.unwrap();
}
