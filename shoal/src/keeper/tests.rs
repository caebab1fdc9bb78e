use super::*;

const DRAIN: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_secs(15);

/// A keeper whose actions are carried out at once: what is drained or killed is noted, what is started gets the next
/// process id.
struct Mesh {
    keeper: Keeper,
    now: Duration,
    next_pid: u32,
    done: Vec<Action>,
}

impl Mesh {
    fn started() -> Self {
        let roles =
            [Role::Gateway, Role::MsgServer, Role::MsgServer, Role::Router, Role::Manager, Role::Monitor];
        let mut mesh = Self {
            keeper: Keeper::new(roles.map(|role| (role, DRAIN)), Some(SILENCE)),
            now: Duration::ZERO,
            next_pid: 100,
            done: Vec::new(),
        };
        let actions = mesh.keeper.begin();
        mesh.carry_out(actions);
        mesh
    }

    fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            self.done.push(action.clone());
            if let Action::Start(index) = action {
                let pid = self.next_pid;
                self.next_pid += 1;
                self.take(Event::Started { index, pid });
            }
        }
    }

    fn take(&mut self, event: Event) {
        let actions = self.keeper.take(self.now, event);
        self.carry_out(actions);
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        let actions = self.keeper.tick(self.now);
        self.carry_out(actions);
    }

    fn answer(&mut self, index: usize, health: Health) {
        let pid = self.keeper.processes()[index].pid.unwrap();
        self.take(Event::Answered { index, pid, health });
    }

    fn all_answer_ready(&mut self) {
        (0..6).for_each(|index| self.answer(index, Health::Ready));
    }

    fn exit(&mut self, index: usize, code: i32) {
        self.take(Event::Exited { index, exit: Exit::Code(code) });
    }

    /// What was done since the last call, without plain changes of state.
    fn done(&mut self) -> Vec<Action> {
        let mut done = std::mem::take(&mut self.done);
        done.retain(|action| !matches!(action, Action::Tell(Notice::Changed(_))));
        done
    }
}

#[test]
fn all_is_ready_once_everyone_says_so_and_again_after_a_trouble() {
    let mut mesh = Mesh::started();
    assert_eq!(mesh.done(), (0..6).map(Action::Start).collect::<Vec<_>>());
    mesh.all_answer_ready();
    assert_eq!(mesh.done(), [Action::Tell(Notice::AllReady { first: true })]);
    mesh.answer(3, Health::Unready("no msg_server is linked".into()));
    assert_eq!(mesh.keeper.processes()[3].state, State::Unready("no msg_server is linked".into()));
    mesh.answer(3, Health::Ready);
    assert_eq!(mesh.done(), [Action::Tell(Notice::AllReady { first: false })]);
}

#[test]
fn a_process_that_does_not_answer_yet_is_starting_and_one_that_stops_answering_is_silent() {
    let mut mesh = Mesh::started();
    mesh.answer(0, Health::Silent);
    assert_eq!(mesh.keeper.processes()[0].state, State::Starting);
    mesh.answer(0, Health::Ready);
    mesh.answer(0, Health::Silent);
    assert_eq!(mesh.keeper.processes()[0].state, State::Silent);
}

#[test]
fn what_does_not_answer_for_long_is_killed_and_started_again() {
    let mut mesh = Mesh::started();
    mesh.all_answer_ready();
    mesh.done();
    let old = mesh.keeper.processes()[3].pid.unwrap();
    mesh.answer(3, Health::Silent);
    mesh.wait(SILENCE - Duration::from_secs(1));
    mesh.answer(3, Health::Silent);
    mesh.answer(3, Health::Silent);
    assert_eq!(mesh.done(), [], "it may be slow");
    mesh.wait(Duration::from_secs(1));
    mesh.answer(3, Health::Silent);
    assert_eq!(mesh.done(), [Action::Tell(Notice::Hung { index: 3, silent: SILENCE }), Action::Kill(3)]);
    mesh.answer(3, Health::Silent);
    mesh.answer(3, Health::Ready);
    assert_eq!(mesh.done(), [], "it is killed once, and its last words come too late");
    mesh.take(Event::Exited { index: 3, exit: Exit::Signal(9) });
    mesh.wait(Duration::from_millis(250));
    assert_eq!(mesh.done().last(), Some(&Action::Start(3)));
    assert_ne!(mesh.keeper.processes()[3].pid, Some(old));
}

#[test]
fn a_long_silence_counts_only_where_several_questions_went_unanswered_in_a_row() {
    let mut mesh = Mesh::started();
    mesh.all_answer_ready();
    mesh.done();
    // As after `shoal up` itself was stopped for an hour.
    mesh.answer(3, Health::Silent);
    mesh.wait(Duration::from_secs(3600));
    mesh.answer(3, Health::Silent);
    mesh.answer(3, Health::Ready);
    mesh.answer(3, Health::Silent);
    mesh.answer(3, Health::Silent);
    assert!(!mesh.done().contains(&Action::Kill(3)));
}

#[test]
fn one_that_was_never_heard_of_or_drains_is_not_taken_for_hung() {
    let mut mesh = Mesh::started();
    let stays_silent = |mesh: &mut Mesh| {
        for _ in 0..10 {
            mesh.wait(SILENCE);
            mesh.answer(4, Health::Silent);
        }
        mesh.done().contains(&Action::Kill(4))
    };
    assert!(!stays_silent(&mut mesh), "a store may take long to open");
    mesh.answer(4, Health::Ready);
    mesh.keeper.processes[4].state = State::Draining;
    assert!(!stays_silent(&mut mesh), "draining has a bound of its own");
}

#[test]
fn what_dies_is_started_again_after_a_growing_wait() {
    let mut mesh = Mesh::started();
    mesh.all_answer_ready();
    mesh.done();
    for wait in [250, 500] {
        let wait = Duration::from_millis(wait);
        mesh.take(Event::Exited { index: 4, exit: Exit::Signal(9) });
        let died = Notice::Died { index: 4, exit: Exit::Signal(9), again_in: Some(wait) };
        assert_eq!(mesh.done(), [Action::Tell(died)]);
        assert_eq!(mesh.keeper.wake_at(), Some(mesh.now + wait));
        mesh.wait(wait - Duration::from_millis(1));
        assert_eq!(mesh.done(), []);
        mesh.wait(Duration::from_millis(1));
        assert_eq!(mesh.done(), [Action::Start(4)]);
    }
    mesh.answer(4, Health::Ready);
    assert_eq!(mesh.done(), [Action::Tell(Notice::AllReady { first: false })]);
    assert_eq!(mesh.keeper.processes()[4].restarts, 2);
}

#[test]
fn an_answer_of_the_process_that_died_says_nothing_of_its_successor() {
    let mut mesh = Mesh::started();
    let old = mesh.keeper.processes()[0].pid.unwrap();
    mesh.exit(0, 1);
    mesh.wait(Duration::from_secs(1));
    mesh.take(Event::Answered { index: 0, pid: old, health: Health::Ready });
    assert_eq!(mesh.keeper.processes()[0].state, State::Starting);
}

#[test]
fn a_mesh_ends_role_by_role_each_after_the_one_before() {
    let mut mesh = Mesh::started();
    mesh.done();
    mesh.take(Event::Told);
    let turns: [(Role, &[usize]); 5] = [
        (Role::Gateway, &[0]),
        (Role::MsgServer, &[1, 2]),
        (Role::Router, &[3]),
        (Role::Manager, &[4]),
        (Role::Monitor, &[5]),
    ];
    for (role, indexes) in turns {
        let mut expected = vec![Action::Tell(Notice::Draining(role))];
        expected.extend(indexes.iter().copied().map(Action::Drain));
        assert_eq!(mesh.done(), expected);
        assert_eq!(mesh.keeper.outcome(), None);
        indexes.iter().for_each(|index| mesh.exit(*index, 0));
    }
    assert_eq!(mesh.keeper.outcome(), Some(Outcome::Drained));
}

#[test]
fn what_does_not_drain_in_time_is_killed() {
    let mut mesh = Mesh::started();
    mesh.take(Event::Told);
    mesh.done();
    mesh.wait(DRAIN);
    assert_eq!(mesh.done(), []);
    mesh.wait(GRACE);
    assert_eq!(mesh.done(), [Action::Tell(Notice::Overdue(0)), Action::Kill(0)]);
    mesh.wait(DRAIN);
    assert_eq!(mesh.done(), [], "it is killed once");
    mesh.take(Event::Exited { index: 0, exit: Exit::Signal(9) });
    (1..6).for_each(|index| mesh.exit(index, 0));
    assert_eq!(mesh.keeper.outcome(), Some(Outcome::Killed));
}

#[test]
fn what_was_to_be_started_again_is_not_once_the_mesh_ends() {
    let mut mesh = Mesh::started();
    mesh.exit(5, 1);
    mesh.take(Event::Told);
    assert_eq!(mesh.keeper.processes()[5].state, State::Ended);
    mesh.done();
    mesh.wait(Duration::from_secs(1));
    assert_eq!(mesh.done(), []);
    (0..5).for_each(|index| mesh.exit(index, 0));
    assert_eq!(mesh.keeper.outcome(), Some(Outcome::Drained));
}

#[test]
fn being_told_twice_kills_all_at_once() {
    let mut mesh = Mesh::started();
    mesh.take(Event::Told);
    mesh.done();
    mesh.now += ECHO - Duration::from_millis(1);
    mesh.take(Event::Told);
    assert_eq!(mesh.done(), [], "the echo of the first is not a second one");
    mesh.now += Duration::from_millis(1);
    mesh.take(Event::Told);
    let mut expected = vec![Action::Tell(Notice::Hurried)];
    expected.extend((0..6).map(Action::Kill));
    assert_eq!(mesh.done(), expected);
    mesh.take(Event::Told);
    assert_eq!(mesh.done(), [], "more cannot be done");
    (0..6).for_each(|index| mesh.take(Event::Exited { index, exit: Exit::Signal(9) }));
    assert_eq!(mesh.keeper.outcome(), Some(Outcome::Hurried));
}

#[test]
fn a_process_that_refuses_its_config_ends_the_mesh() {
    let mut mesh = Mesh::started();
    mesh.done();
    mesh.exit(4, 64);
    let died = Notice::Died { index: 4, exit: Exit::Code(64), again_in: None };
    assert_eq!(mesh.done()[0], Action::Tell(died));
    [0, 1, 2, 3, 5].into_iter().for_each(|index| mesh.exit(index, 0));
    assert_eq!(mesh.keeper.outcome(), Some(Outcome::GaveUp));
    assert_eq!(mesh.keeper.processes()[4].state, State::GivenUp);
}
