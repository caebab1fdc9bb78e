use super::*;

const OLD: LinkId = LinkId(1);
const NEW: LinkId = LinkId(2);
const OTHER: LinkId = LinkId(3);

/// What was told: over which link, under which number, and which log.
#[derive(Default)]
struct Told(Vec<(LinkId, u64, String)>);

impl Told {
    fn take(&mut self) -> impl FnMut(LinkId, Bytes) {
        |link, frame| {
            let told = match Frame::parse(&frame[4..]).unwrap() {
                Frame::Change(change) if change.direction == Direction::Begin => {
                    (change.number, change.log.into())
                }
                Frame::Change(change) => (change.number, format!("no {}", change.log)),
                Frame::Confirm(confirm) => (confirm.number, String::new()),
                other => panic!("{other:?}"),
            };
            self.0.push((link, told.0, told.1));
        }
    }

    fn over(&self, link: LinkId) -> Vec<(u64, &str)> {
        self.0.iter().filter(|told| told.0 == link).map(|told| (told.1, &*told.2)).collect()
    }
}

const STATES: [Channel; 2] = [Channel::ClientStatus, Channel::TopicSync];
const ROUTER: [Channel; 3] = [Channel::ClientStatus, Channel::TopicSync, Channel::Send];

fn subscribe(
    roster: &mut Roster<u32>,
    link: LinkId,
    uuid: &str,
    channels: &[Channel],
    told: &mut Told,
) -> Vec<u32> {
    let take = &mut told.take();
    channels.iter().flat_map(|channel| roster.subscribe(link, uuid, *channel, take).followed).collect()
}

fn topic(name: &str) -> LogName {
    LogName::new(name).unwrap()
}

fn confirm(roster: &mut Roster<u32>, link: LinkId, number: u64) -> (Vec<u32>, bool) {
    let confirmed = roster.confirm(link, Confirm { number });
    (confirmed.followed, confirmed.recheck)
}

#[test]
fn a_subscriber_gets_the_snapshot_then_changes_and_never_both() {
    let (mut roster, mut told) = (Roster::default(), Told::default());
    let amy = SessionRow { inbox: topic("u/amy"), device: None, stamp: 9 };
    roster.session_begins(7, amy, &mut told.take());
    roster.follow(&topic("t/a"), &1, &mut told.take());
    subscribe(&mut roster, NEW, "20000", &ROUTER, &mut told);
    roster.follow(&topic("t/b"), &2, &mut told.take());
    roster.unfollow(&topic("t/a"), &mut told.take());
    roster.session_ends(7, &mut told.take());
    roster.session_ends(7, &mut told.take());
    let heard = [(0, "u/amy"), (1, ""), (0, "t/a"), (2, ""), (3, "t/b"), (4, "no t/a"), (5, "no u/amy")];
    assert_eq!(told.over(NEW), heard);
}

#[test]
fn a_session_of_which_more_is_known_begins_again_before_it_ends() {
    let (mut roster, mut told) = (Roster::default(), Told::default());
    subscribe(&mut roster, NEW, "20000", &ROUTER, &mut told);
    for stamp in [9, 8] {
        let amy = SessionRow { inbox: topic("u/amy"), device: None, stamp };
        roster.session_begins(7, amy, &mut told.take());
    }
    roster.session_ends(7, &mut told.take());
    let heard = [(1, ""), (2, ""), (3, "u/amy"), (4, "u/amy"), (5, "no u/amy"), (6, "no u/amy")];
    assert_eq!(told.over(NEW), heard);
}

#[test]
fn a_follower_waits_for_each_router_that_has_not_confirmed() {
    let (mut roster, mut told) = (Roster::default(), Told::default());
    for (link, uuid) in [(NEW, "20000"), (OTHER, "20001")] {
        subscribe(&mut roster, link, uuid, &ROUTER, &mut told);
        assert_eq!(confirm(&mut roster, link, 2), (vec![], true));
    }
    assert_eq!(roster.follow(&topic("t/a"), &1, &mut told.take()), 2);
    assert_eq!(confirm(&mut roster, NEW, 3), (vec![1], false));
    assert_eq!(roster.unsubscribe(OTHER), Confirmed { followed: vec![1], recheck: true });
    assert_eq!(roster.follow(&topic("u/amy"), &2, &mut told.take()), 0);
}

#[test]
fn one_that_confirms_what_it_was_not_told_is_not_believed() {
    let (mut roster, mut told) = (Roster::default(), Told::default());
    subscribe(&mut roster, NEW, "20000", &ROUTER, &mut told);
    confirm(&mut roster, NEW, 99);
    assert_eq!(roster.follow(&topic("t/a"), &1, &mut told.take()), 1);
}

#[test]
fn what_was_followed_before_a_router_was_one_is_asked_for_when_it_has_it() {
    let (mut roster, mut told) = (Roster::default(), Told::default());
    subscribe(&mut roster, NEW, "20000", &STATES, &mut told);
    assert_eq!(roster.follow(&topic("t/a"), &1, &mut told.take()), 0);
    subscribe(&mut roster, NEW, "20000", &[Channel::Send], &mut told);
    assert_eq!(confirm(&mut roster, NEW, 2), (vec![], true));
    assert_eq!(confirm(&mut roster, NEW, 3), (vec![], true));
}

#[test]
fn a_router_that_links_anew_is_waited_for_once() {
    let (mut roster, mut told) = (Roster::default(), Told::default());
    subscribe(&mut roster, OLD, "20000", &ROUTER, &mut told);
    assert_eq!(roster.follow(&topic("t/a"), &1, &mut told.take()), 1);
    assert_eq!(subscribe(&mut roster, NEW, "20000", &ROUTER, &mut told), [1]);
    assert_eq!(roster.follow(&topic("t/b"), &2, &mut told.take()), 1);
    assert_eq!(confirm(&mut roster, NEW, 3), (vec![2], true));
    assert!(roster.unsubscribe(OLD).followed.is_empty());
}
