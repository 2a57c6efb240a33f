//! The hardware that everything runs on: `[hardware]`, a named profile of integer constants.
//!
//! A profile is a file of `sim/scenario/profiles/`, which gives every constant with its source. A scenario chooses one
//! by name and may set single constants otherwise. [`CONSTANTS`] says what each of them means; the unit is in its name.
//! `ideal` costs nothing, and 0 stands for "none" or "no limit" everywhere.
//!
//! One set of constants serves every run on a profile: what differs between two measurements of one cluster is in
//! their settings, never in here. `reports/published/` shows what comes of that, misfits included.

use crate::problem::{Complaint, Log};
use crate::reader::{Spanned, Table};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use toml_edit::Document;

/// A constant of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Constant {
    /// Its name, which ends with its unit.
    pub name: &'static str,
    /// What it is, in one sentence.
    pub meaning: &'static str,
}

macro_rules! constants {
    ($($field:ident $name:literal = $ideal:expr, $meaning:literal;)*) => {
        /// What computing, sending and storing cost on some hardware. The default is `ideal`.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Hardware {
            /// The profile that it is made from.
            pub profile: Profile,
            $(#[doc = $meaning] pub $field: u64,)*
        }

        /// Every constant, in the order of the profiles' files.
        pub const CONSTANTS: &[Constant] = &[$(Constant { name: $name, meaning: $meaning },)*];

        impl Default for Hardware {
            fn default() -> Self {
                Hardware { profile: Profile::Ideal, $($field: $ideal,)* }
            }
        }

        impl Hardware {
            /// The constants' values, in the order of [`CONSTANTS`].
            pub fn values(&self) -> [u64; CONSTANTS.len()] {
                [$(self.$field,)*]
            }

            /// Takes the constants that a table has, and asks for all of them.
            fn take(&mut self, table: &Table<'_>) {
                $(self.$field = table.or($name, self.$field);)*
            }
        }
    };
}

constants! {
    // A broker's host.
    cores "cores" = 1,
        "Processor cores of a broker's host.";
    hand_off_ns "hand-off-ns" = 0,
        "How long a request takes from a network thread to a request handler, and its answer back: queues, locks, a thread that wakes up. Nothing is busy meanwhile.";
    network_request_ns "network-request-ns" = 0,
        "A network thread's work on a request or on an answer.";
    network_byte_ps "network-byte-ps" = 0,
        "A network thread's work on each byte of a request; answers leave by sendfile.";
    produce_request_ns "produce-request-ns" = 0,
        "A request handler's work on a produce request.";
    produce_partition_ns "produce-partition-ns" = 0,
        "And on each partition in it: locks, checks, the append itself.";
    produce_record_ns "produce-record-ns" = 0,
        "And on each record in it: validation.";
    produce_byte_ps "produce-byte-ps" = 0,
        "And on each byte of its batches: checksum, copy into the page cache.";
    fetch_request_ns "fetch-request-ns" = 0,
        "A request handler's work on a fetch, a follower's or a consumer's.";
    fetch_partition_ns "fetch-partition-ns" = 0,
        "And on each partition that the fetch names: with fetch sessions (KIP-227) those that changed.";
    fetch_session_partition_ns "fetch-session-partition-ns" = 0,
        "And on each partition of the fetch's session, whether anything has changed there or not: when the fetch comes, and again, by the thread that has appended, when one that has waited is answered.";
    fetch_data_partition_ns "fetch-data-partition-ns" = 0,
        "And on each partition that is answered with records.";
    fetch_byte_ps "fetch-byte-ps" = 0,
        "And on each byte of records in the answer.";
    follower_response_ns "follower-response-ns" = 0,
        "A replica fetcher's work on an answer to its fetch.";
    follower_partition_ns "follower-partition-ns" = 0,
        "And on each partition in it that brought records.";
    follower_record_ns "follower-record-ns" = 0,
        "And on each record.";
    follower_byte_ps "follower-byte-ps" = 0,
        "And on each byte of records: checksum, copy into the page cache.";
    metadata_request_ns "metadata-request-ns" = 0,
        "A request handler's work on a metadata request.";
    metadata_partition_ns "metadata-partition-ns" = 0,
        "And on each partition in the answer.";
    other_request_ns "other-request-ns" = 0,
        "A request handler's work on any other request, and a controller's on each of its own.";
    election_ns "election-ns" = 0,
        "A controller's work on each partition whose leader it changes.";
    gc_interval_ns "gc-interval-ns" = 0,
        "How long it is, on average, from one stop-the-world garbage collection of a broker to the next one; drawn evenly from half of that to one and a half. 0 switches them off.";
    gc_pause_min_ns "gc-pause-min-ns" = 0,
        "The shortest such pause; each is drawn evenly.";
    gc_pause_max_ns "gc-pause-max-ns" = 0,
        "The longest such pause.";
    // Its disks.
    disks "disks" = 1,
        "Disks, each with one log directory (`log.dirs`). A partition lives in the directory that had the fewest when it was created.";
    disk_bytes_per_second "disk-bytes-per-second" = 0,
        "What one disk reads or writes in sequence.";
    fsync_ns "fsync-ns" = 0,
        "How long an fsync takes beyond the transfer; those of one disk wait for each other.";
    seek_ns "seek-ns" = 0,
        "How long a read of what is not in memory waits for the disk, beyond the transfer.";
    page_cache_bytes "page-cache-bytes" = 0,
        "Memory that keeps what was written or read last.";
    dirty_background_bytes "dirty-background-bytes" = 0,
        "Unwritten bytes of one disk from which on the system writes back without a pause (`vm.dirty_background_bytes`).";
    dirty_limit_bytes "dirty-limit-bytes" = 0,
        "Unwritten bytes of one disk that are never exceeded by much (`vm.dirty_bytes`): from the middle between both limits on whoever appends is paused, each thread for its equal share of the disk.";
    write_back_ns "write-back-ns" = 30_000_000_000,
        "After how long the system writes dirty pages back that are below the limit (`vm.dirty_expire_centisecs`).";
    stall_interval_ns "stall-interval-ns" = 0,
        "How long it is, on average, from one time that a disk's journal or write-back holds up all appends to the next; drawn as collections are. 0 switches them off.";
    stall_min_ns "stall-min-ns" = 0,
        "The shortest such stall; each is drawn evenly.";
    stall_max_ns "stall-max-ns" = 0,
        "The longest such stall.";
    // The network.
    card_bytes_per_second "card-bytes-per-second" = 0,
        "What a host's network card carries in each direction, headers of Ethernet, IP and TCP taken off; of brokers and of clients.";
    wire_ns "wire-ns" = 200_000,
        "How long a packet takes one way through two kernels and a switch, at least.";
    wire_jitter_ns "wire-jitter-ns" = 100_000,
        "And up to so much longer, evenly.";
    chunk_bytes "chunk-bytes" = 0,
        "Into what pieces messages are cut on their way, so that connections share a card. 0: not at all, and without windows.";
    window_permille "window-permille" = 1000,
        "How much of a socket's receive buffer can be on its way unacknowledged; the rest goes to the kernel's own structures (`tcp_adv_win_scale`).";
    // The clients.
    client_cores "client-cores" = 1,
        "Processor cores of each client's host; every client has a host of its own.";
    producer_record_ns "producer-record-ns" = 0,
        "The application's thread on each record it sends: serialise, choose a partition, append to a batch.";
    producer_byte_ps "producer-byte-ps" = 0,
        "And on each byte of its value.";
    sender_request_ns "sender-request-ns" = 0,
        "The sender thread on each produce request: drain, assemble, write.";
    sender_batch_ns "sender-batch-ns" = 0,
        "And on each batch in it.";
    consumer_fetch_ns "consumer-fetch-ns" = 0,
        "The consumer on each answer to a fetch.";
    consumer_record_ns "consumer-record-ns" = 0,
        "And on each record: iterate, deserialise, hand over.";
    consumer_byte_ps "consumer-byte-ps" = 0,
        "And on each byte of it.";
    // A ZooKeeper server.
    keeper_request_ns "keeper-request-ns" = 0,
        "A ZooKeeper server's work on a client's request: take it from the connection, look it up or hand it on, answer it.";
    keeper_write_ns "keeper-write-ns" = 0,
        "The leading server's work on a write beside its packets: check it, make a transaction of it, log it.";
    keeper_apply_ns "keeper-apply-ns" = 0,
        "Each server's work on a committed transaction: change the tree, fire watches.";
    keeper_packet_ns "keeper-packet-ns" = 0,
        "A server's work on each packet to or from another one: PROPOSAL, ACK, COMMIT, a write that is handed on.";
    message_overhead_bytes "message-overhead-bytes" = 0,
        "What each message takes of a card beside its own bytes: headers, where messages are too small to share packets.";
}

/// A named set of constants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Nothing costs anything: runs that ask whether something is correct.
    #[default]
    Ideal,
    /// Three servers of 2014 with gigabit Ethernet and six spinning disks each.
    ThreeCheapMachines,
    /// Cloud servers of 2020 with two NVMe disks each, as `i3en.2xlarge`.
    CloudNvme,
}

/// The text of a profile's file, and what it says.
impl Profile {
    /// All of them.
    pub const ALL: [Profile; 3] = [Profile::Ideal, Profile::ThreeCheapMachines, Profile::CloudNvme];

    /// Its name, as `hardware.profile` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Ideal => "ideal",
            Profile::ThreeCheapMachines => "three-cheap-machines",
            Profile::CloudNvme => "cloud-nvme",
        }
    }

    /// Its file, with a source for each constant.
    pub fn text(self) -> &'static str {
        match self {
            Profile::Ideal => include_str!("../profiles/ideal.toml"),
            Profile::ThreeCheapMachines => include_str!("../profiles/three-cheap-machines.toml"),
            Profile::CloudNvme => include_str!("../profiles/cloud-nvme.toml"),
        }
    }

    /// Its constants.
    pub fn hardware(self) -> Hardware {
        match self {
            Profile::Ideal => Hardware::default(),
            _ => self.read().expect("the tests read every profile"),
        }
    }

    /// Reads its file, in which every constant must stand and nothing else.
    fn read(self) -> Result<Hardware, String> {
        let document = Document::parse(self.text()).map_err(|error| error.to_string())?;
        let log = Log::default();
        let table = Table::new(self.name(), document.as_table(), 0..0, &log);
        let mut hardware = Hardware { profile: self, ..Hardware::default() };
        let missing = CONSTANTS.iter().find(|constant| !table.has(constant.name));
        hardware.take(&table);
        table.finish();
        match (missing, log.into_list().first()) {
            (Some(missing), _) => Err(format!("there is no `{}`", missing.name)),
            (None, Some(problem)) => Err(problem.message.clone()),
            (None, None) => Ok(hardware),
        }
    }
}

impl Hardware {
    /// Whether it costs nothing to compute: the engine's short ways are open.
    pub fn is_ideal(&self) -> bool {
        self.profile == Profile::Ideal && *self == Hardware::default()
    }

    pub(crate) fn read(root: &Table<'_>) -> Self {
        let Some(table) = root.table("hardware", "[hardware]") else { return Hardware::default() };
        let mut hardware = read_profile(&table).hardware();
        hardware.take(&table);
        for (name, count) in [("cores", hardware.cores), ("disks", hardware.disks)] {
            if count == 0 || count > MOST {
                let message = format!("`{name}` takes a whole number from 1 to {MOST}");
                table.complain(table.value_span(name), Complaint::new(message));
                (hardware.cores, hardware.disks) = (1, 1);
            }
        }
        table.finish();
        hardware
    }
}

/// More cores or disks than this are a slip.
const MOST: u64 = 1_024;

fn read_profile(table: &Table<'_>) -> Profile {
    let Some(Spanned { value, span }) = table.spanned::<String>("profile") else {
        return Profile::default();
    };
    match Profile::ALL.into_iter().find(|profile| profile.name() == value) {
        Some(profile) => profile,
        None => {
            let names = Profile::ALL.map(Profile::name);
            let message = format!("there is no hardware profile `{value}`");
            table.complain(span, Complaint::unknown(message, &value, names));
            Profile::default()
        }
    }
}

/// As a scenario writes it: the profile, and what differs from it.
impl Serialize for Hardware {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("profile", self.profile.name())?;
        let values = self.values().into_iter().zip(self.profile.hardware().values());
        for (constant, (value, usual)) in CONSTANTS.iter().zip(values) {
            if value != usual {
                map.serialize_entry(constant.name, &value)?;
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_gives_every_constant_and_nothing_else() {
        for profile in Profile::ALL {
            let read = profile.read().unwrap_or_else(|what| panic!("{}: {what}", profile.name()));
            assert_eq!(read, profile.hardware());
        }
    }

    #[test]
    fn every_line_of_a_profile_says_where_its_number_comes_from() {
        for profile in Profile::ALL {
            let constants = profile.text().lines().filter(|line| line.contains(" = "));
            let bare: Vec<_> = constants.filter(|line| !line.contains("# ")).collect();
            assert!(bare.is_empty(), "{}: {bare:?}", profile.name());
        }
    }
}
