//! Cursors: how far a user has received and read.

use protocol::ids::{DeviceId, Version};

use crate::embedded::state::change::Change;
use crate::embedded::state::draft::Draft;
use crate::embedded::state::keys;
use crate::embedded::state::view::View;
use crate::{CursorMove, StoreError};

/// Moves the cursor forward, at most to the log's head; where it stood before.
pub(crate) fn move_cursor<V: View>(draft: &mut Draft<'_, V>, to: &CursorMove) -> Result<Version, StoreError> {
    let (user, log, device) = (to.user.as_str(), to.log.as_str(), to.device.as_ref().map(DeviceId::as_str));
    let stood = draft.number(&keys::cursor(user, log, to.mark, device))?;
    let head = draft.log_meta(log)?.map_or(0, |meta| meta.head);
    let version = to.version.0.min(head);
    if version > stood {
        draft.write(Change::Cursor { user, device, log, mark: to.mark, version })?;
    }
    Ok(Version(stood))
}
