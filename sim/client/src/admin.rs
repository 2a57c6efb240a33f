//! The administrator's process: carries out requests one after the other.

use crate::AdminSetup;
use klab_machine::{DiskImage, Identity, Input, Machine, Outbox};
use klab_wire::{ApiKey, Now};

/// An administrator's client.
#[derive(Clone, Debug)]
pub struct Admin {
    setup: AdminSetup,
}

/// What to show of an administrator's client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdminView {
    /// The call under way.
    pub current: Option<ApiKey>,
    /// Calls that wait for it.
    pub queued: u64,
}

impl Machine for Admin {
    type Config = AdminSetup;
    type View = AdminView;

    fn boot(_: Identity, setup: AdminSetup, _: &DiskImage, _: Now, _: &mut Outbox) -> Self {
        Admin { setup }
    }

    fn step(&mut self, _: Now, _: Input, _: &mut Outbox) {}

    fn view(&self) -> AdminView {
        let _ = &self.setup;
        AdminView::default()
    }
}
