//! A message between two inboxes where the backend has no transaction over both.
