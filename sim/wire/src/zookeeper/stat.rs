//! What a server tells of a znode besides its data (`Stat`).

use super::{SessionId, Zxid};
use serde::Serialize;

/// A znode's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Stat {
    /// The transaction that created it.
    pub czxid: Zxid,
    /// The transaction that changed its data last.
    pub mzxid: Zxid,
    /// The transaction that changed its children last.
    pub pzxid: Zxid,
    /// How often its data has changed.
    pub version: u32,
    /// How often its children have changed.
    pub cversion: u32,
    /// The session whose end is its end.
    pub ephemeral_owner: Option<SessionId>,
    /// How many characters its data has.
    pub data_length: u32,
    /// How many children it has.
    pub num_children: u32,
}

impl Stat {
    /// Bytes on the wire.
    pub const SIZE: u32 = 68;
}
