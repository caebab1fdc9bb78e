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
    make_account(draft, user)?;
    if let Some(device) = device.map(DeviceId::as_str)
        && !draft.has(&keys::device(user, device))?
    {
        draft.write(Change::Device { user, device, time: draft.time })?;
    }
    Ok(new)
}

/// Makes the account if there is none.
pub(super) fn make_account<V: View>(draft: &mut Draft<'_, V>, user: &str) -> Result<(), StoreError> {
    if draft.has(&keys::account(user))? {
        return Ok(());
    }
    draft.write(Change::Account { user, time: draft.time })
}
