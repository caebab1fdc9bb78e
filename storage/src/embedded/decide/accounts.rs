//! Accounts and their devices.

use protocol::ids::{DeviceId, UserId};

use crate::StoreError;
use crate::embedded::state::change::Change;
use crate::embedded::state::draft::Draft;
use crate::embedded::state::keys;
use crate::embedded::state::view::View;

/// Makes the account if there is none, and remembers the device; whether the account is new.
pub(crate) fn log_in<V: View>(
    draft: &mut Draft<'_, V>,
    user: &UserId,
    device: Option<&DeviceId>,
) -> Result<bool, StoreError> {
    let user = user.as_str();
    let new = !draft.has(&keys::account(user))?;
    if new {
        draft.write(Change::Account { user })?;
    }
    if let Some(device) = device.map(DeviceId::as_str)
        && !draft.has(&keys::device(user, device))?
    {
        draft.write(Change::Device { user, device })?;
    }
    Ok(new)
}
