//! In which order a mesh ends.

use mesh::config::Role;

/// Who ends when, from the first to the last: no new clients are sent anywhere, then those that are connected leave,
/// while whom their last messages need is still there; and the monitor sees it all.
pub const STOP_ORDER: [Role; 5] =
    [Role::Gateway, Role::MsgServer, Role::Router, Role::Manager, Role::Monitor];

/// The first role in that order of which any of `running` still is; `None` where none runs.
pub fn next_to_stop(running: impl Iterator<Item = Role> + Clone) -> Option<Role> {
    STOP_ORDER.into_iter().find(|role| running.clone().any(|running| running == *role))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_leave_before_what_they_need_goes() {
        let mut running = vec![Role::Monitor, Role::Manager, Role::MsgServer, Role::Gateway, Role::Router];
        let mut order = Vec::new();
        while let Some(role) = next_to_stop(running.iter().copied()) {
            order.push(role);
            running.retain(|other| *other != role);
        }
        assert_eq!(order, STOP_ORDER);
    }
}
