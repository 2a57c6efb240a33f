//! The disks: `[disk]`, the same for every server.

use crate::amount::text;
use crate::hardware::Hardware;
use crate::reader::{Bandwidth, Bytes, Table};
use klab_wire::Span;
use serde::Serialize;

/// What a disk is like. What is not said is as the hardware's profile has it: in `ideal` a disk costs no time. It never
/// fills unless that is said, and forgets at a power cut what was neither flushed nor written back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Disk {
    /// How long an fsync takes beyond the transfer.
    #[serde(serialize_with = "text::span")]
    pub fsync: Span,
    /// And up to so much longer, evenly, drawn for each fsync: where the platter stands.
    #[serde(skip_serializing_if = "is_none", serialize_with = "text::span")]
    pub fsync_jitter: Span,
    /// How long a read of old data waits for the head.
    #[serde(serialize_with = "text::span")]
    pub seek: Span,
    /// Bytes per second; none for no limit.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "text::some_bandwidth")]
    pub throughput: Option<u64>,
    /// After how long the system writes dirty pages to the disk by itself
    /// (Linux's `dirty_expire_centisecs`).
    #[serde(serialize_with = "text::span")]
    pub write_back: Span,
    /// How many bytes it holds; unlimited if nothing is said.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "text::some_bytes")]
    pub capacity: Option<u64>,
}

impl Default for Disk {
    fn default() -> Self {
        Disk::of(&Hardware::default())
    }
}

impl Disk {
    /// The disks of some hardware.
    pub fn of(hardware: &Hardware) -> Self {
        let throughput = hardware.disk_bytes_per_second;
        Disk {
            fsync: Span(hardware.fsync_ns),
            fsync_jitter: Span::ZERO,
            seek: Span(hardware.seek_ns),
            throughput: (throughput > 0).then_some(throughput),
            write_back: Span(hardware.write_back_ns),
            capacity: None,
        }
    }

    pub(crate) fn read(root: &Table<'_>, hardware: &Hardware) -> Self {
        let default = Disk::of(hardware);
        let Some(table) = root.table("disk", "[disk]") else { return default };
        let throughput = table.optional::<Bandwidth>("throughput").map(|bytes| bytes.0);
        let disk = Disk {
            fsync: table.or("fsync", default.fsync),
            fsync_jitter: table.or("fsync-jitter", default.fsync_jitter),
            seek: table.or("seek", default.seek),
            throughput: throughput.or(default.throughput),
            write_back: table.or("write-back", default.write_back),
            capacity: table.optional::<Bytes>("capacity").map(|bytes| bytes.0),
        };
        table.finish();
        disk
    }
}

fn is_none(span: &Span) -> bool {
    *span == Span::ZERO
}
