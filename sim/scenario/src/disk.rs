//! The disks: `[disk]`, the same for every server.

use crate::amount::text;
use crate::problem::Complaint;
use crate::reader::{Bandwidth, Bytes, Spanned, Table};
use klab_wire::Span;
use serde::Serialize;

/// What a disk is like. The default, `ideal`, costs no time and never fills; it still forgets at a
/// power cut what was neither flushed nor written back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Disk {
    /// The constants of processor, card and disk that everything costs.
    pub hardware: Hardware,
    /// How long an fsync takes beyond the transfer; none if nothing is said.
    #[serde(serialize_with = "text::span")]
    pub fsync: Span,
    /// How long a read of old data waits for the head; none if nothing is said.
    #[serde(serialize_with = "text::span")]
    pub seek: Span,
    /// Bytes per second; unlimited if nothing is said.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "text::some_bandwidth")]
    pub throughput: Option<u64>,
    /// After how long the system writes dirty pages to the disk by itself; 30s if nothing is said
    /// (Linux's `dirty_expire_centisecs`).
    #[serde(serialize_with = "text::span")]
    pub write_back: Span,
    /// How many bytes it holds; unlimited if nothing is said.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "text::some_bytes")]
    pub capacity: Option<u64>,
}

/// A named set of hardware constants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hardware {
    /// Computing costs nothing: runs that ask whether something is correct.
    #[default]
    Ideal,
}

const HARDWARE: &[(&str, Hardware)] = &[("ideal", Hardware::Ideal)];

impl Default for Disk {
    fn default() -> Self {
        Disk {
            hardware: Hardware::Ideal,
            fsync: Span::ZERO,
            seek: Span::ZERO,
            throughput: None,
            write_back: Span::from_secs(30),
            capacity: None,
        }
    }
}

impl Disk {
    pub(crate) fn read(root: &Table<'_>) -> Self {
        let default = Disk::default();
        let Some(table) = root.table("disk", "[disk]") else { return default };
        let disk = Disk {
            hardware: read_hardware(&table),
            fsync: table.or("fsync", default.fsync),
            seek: table.or("seek", default.seek),
            throughput: table.optional::<Bandwidth>("throughput").map(|bytes| bytes.0),
            write_back: table.or("write-back", default.write_back),
            capacity: table.optional::<Bytes>("capacity").map(|bytes| bytes.0),
        };
        table.finish();
        disk
    }
}

fn read_hardware(table: &Table<'_>) -> Hardware {
    let Some(Spanned { value, span }) = table.spanned::<String>("hardware") else {
        return Hardware::default();
    };
    match HARDWARE.iter().find(|(name, _)| *name == value) {
        Some((_, hardware)) => *hardware,
        None => {
            let names = HARDWARE.iter().map(|(name, _)| *name);
            let message = format!("there is no hardware profile `{value}`");
            table.complain(span, Complaint::unknown(message, &value, names));
            Hardware::default()
        }
    }
}
