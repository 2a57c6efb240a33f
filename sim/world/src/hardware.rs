//! From a scenario's `[hardware]` to what the engine runs processes on.

use crate::costs::Keeper;
use crate::{Buffers, Costs, DiskProfile, HostPlan, Latency, NetworkProfile, Pauses};
use crate::{Sockets, Spike, Threads, Work};
use klab_scenario::{Hardware, Scenario};
use klab_wire::config::{BrokerConfig, ConsumerConfig, ProducerConfig};
use klab_wire::{NodeId, NodeKind, Span};

/// What a server runs on.
pub(crate) fn server_host(scenario: &Scenario, node: NodeId, config: &BrokerConfig) -> HostPlan {
    let hardware = &scenario.hardware;
    if hardware.is_ideal() {
        return HostPlan::ideal();
    }
    let threads = match node.kind {
        NodeKind::Broker => {
            Threads::Broker { network: config.num_network_threads, io: config.num_io_threads }
        }
        _ => Threads::One,
    };
    let accepted = Buffers {
        receive: config.socket_receive_buffer_bytes,
        send: config.socket_send_buffer_bytes,
    };
    let opened =
        Buffers { receive: config.replica_socket_receive_buffer_bytes, ..Buffers::OF_THE_SYSTEM };
    HostPlan {
        cores: count(hardware.cores),
        threads,
        costs: server_costs(hardware),
        collections: Pauses {
            interval: Span(hardware.gc_interval_ns),
            shortest: Span(hardware.gc_pause_min_ns),
            longest: Span(hardware.gc_pause_max_ns),
        },
        sockets: Sockets { accepted, opened },
    }
}

fn server_costs(hardware: &Hardware) -> Costs {
    Costs {
        hand_off: Span(hardware.hand_off_ns),
        network: Work {
            byte_picos: hardware.network_byte_ps,
            ..Work::once(Span(hardware.network_request_ns))
        },
        produce: Work {
            whole: Span(hardware.produce_request_ns),
            part: Span(hardware.produce_partition_ns),
            record: Span(hardware.produce_record_ns),
            byte_picos: hardware.produce_byte_ps,
        },
        fetch: Work {
            part: Span(hardware.fetch_partition_ns),
            ..Work::once(Span(hardware.fetch_request_ns))
        },
        session: Span(hardware.fetch_session_partition_ns),
        fetched: Work {
            part: Span(hardware.fetch_data_partition_ns),
            byte_picos: hardware.fetch_byte_ps,
            ..Work::default()
        },
        follower: Work {
            whole: Span(hardware.follower_response_ns),
            part: Span(hardware.follower_partition_ns),
            record: Span(hardware.follower_record_ns),
            byte_picos: hardware.follower_byte_ps,
        },
        metadata: Work {
            part: Span(hardware.metadata_partition_ns),
            ..Work::once(Span(hardware.metadata_request_ns))
        },
        other: Span(hardware.other_request_ns),
        election: Span(hardware.election_ns),
        keeper: Keeper {
            request: Span(hardware.keeper_request_ns),
            write: Span(hardware.keeper_write_ns),
            apply: Span(hardware.keeper_apply_ns),
            packet: Span(hardware.keeper_packet_ns),
        },
        spends: true,
        ..Costs::default()
    }
}

/// What a producer whose records have so many bytes runs on.
pub(crate) fn producer_host(hardware: &Hardware, record: u64, config: &ProducerConfig) -> HostPlan {
    let bytes = Span(hardware.producer_byte_ps * record / 1_000);
    let costs = Costs {
        producer: Work { record: Span(hardware.producer_record_ns) + bytes, ..Work::default() },
        sender: Work {
            part: Span(hardware.sender_batch_ns),
            ..Work::once(Span(hardware.sender_request_ns))
        },
        ..Costs::default()
    };
    client_host(hardware, costs, config.receive_buffer_bytes, config.send_buffer_bytes)
}

/// What an application on a ZooKeeper client runs on: its own work costs nothing.
pub(crate) fn keeper_client_host(hardware: &Hardware) -> HostPlan {
    client_host(hardware, Costs::default(), None, None)
}

/// What a consumer runs on.
pub(crate) fn consumer_host(hardware: &Hardware, config: &ConsumerConfig) -> HostPlan {
    let costs = Costs {
        consumer: Work {
            record: Span(hardware.consumer_record_ns),
            byte_picos: hardware.consumer_byte_ps,
            ..Work::once(Span(hardware.consumer_fetch_ns))
        },
        ..Costs::default()
    };
    client_host(hardware, costs, config.receive_buffer_bytes, config.send_buffer_bytes)
}

fn client_host(
    hardware: &Hardware,
    costs: Costs,
    receive: Option<u64>,
    send: Option<u64>,
) -> HostPlan {
    if hardware.is_ideal() {
        return HostPlan::ideal();
    }
    let system = Buffers::OF_THE_SYSTEM;
    let opened =
        Buffers { receive: receive.unwrap_or(system.receive), send: send.unwrap_or(system.send) };
    HostPlan {
        cores: count(hardware.client_cores),
        threads: Threads::Client,
        costs,
        collections: Pauses::default(),
        sockets: Sockets { accepted: system, opened },
    }
}

/// What the links are like.
pub(crate) fn network_profile(scenario: &Scenario) -> NetworkProfile {
    let (network, hardware) = (&scenario.network, &scenario.hardware);
    NetworkProfile {
        latency: latency(network.latency),
        loss_ppm: network.loss_ppm,
        bandwidth: network.bandwidth,
        chunk: count(hardware.chunk_bytes),
        overhead: count(hardware.message_overhead_bytes),
        window_permille: count(hardware.window_permille),
        retransmit_after: network.retransmit.first_after,
        retransmit_at_most: network.retransmit.at_most,
        break_after: network.retransmit.break_after,
        ..NetworkProfile::default()
    }
}

pub(crate) fn latency(latency: klab_scenario::Latency) -> Latency {
    let spike =
        latency.spike.map(|spike| Spike { chance_ppm: spike.chance_ppm, up_to: spike.up_to });
    Latency { base: latency.base, jitter: latency.jitter, spike }
}

/// What the servers' disks are like.
pub(crate) fn disk_profile(scenario: &Scenario) -> DiskProfile {
    let (disk, hardware) = (&scenario.disk, &scenario.hardware);
    DiskProfile {
        fsync: disk.fsync,
        fsync_jitter: disk.fsync_jitter,
        seek: disk.seek,
        throughput: disk.throughput,
        write_back: disk.write_back,
        capacity: disk.capacity,
        directories: hardware.disks.try_into().unwrap_or(u16::MAX),
        dirty_background: hardware.dirty_background_bytes,
        dirty_limit: hardware.dirty_limit_bytes,
        stalls: Pauses {
            interval: Span(hardware.stall_interval_ns),
            shortest: Span(hardware.stall_min_ns),
            longest: Span(hardware.stall_max_ns),
        },
        page_cache: (hardware.page_cache_bytes > 0).then_some(hardware.page_cache_bytes),
    }
}

fn count(number: u64) -> u32 {
    number.try_into().unwrap_or(u32::MAX)
}
