//! Threads, cores, hand-offs, windows and shared cards.

use crate::clusters::scenario;
use crate::toys::*;
use klab_machine::Command;
use klab_wire::{InitProducerIdRequest, NodeId, Span, Time};
use klab_world::toy::{Answer, ToyConfig};
use klab_world::{
    Buffers, Costs, DiskProfile, HostPlan, Latency, NetworkProfile, NodeView, Pauses, ProcessPlan,
    ResourceKind, Sockets, Threads, World,
};

const ALL: [NodeId; 4] =
    [NodeId::producer(1), NodeId::producer(2), NodeId::producer(3), NodeId::producer(4)];

/// A server whose requests take 10 ms, and four clients, each of which sends one request; all come in at 3 ms.
fn four_requests_at(host: HostPlan) -> ToyWorld {
    let server = ProcessPlan { host, ..plan(SERVER, ToyConfig::server()) };
    let clients = ALL.map(|node| plan(node, ToyConfig::client(&[SERVER], 1)));
    world_of(1, steady(), [vec![server], clients.to_vec()].concat())
}

fn broker(cores: u32, io: u32) -> HostPlan {
    let costs = Costs { other: millis(10), ..Costs::default() };
    let threads = Threads::Broker { network: 1, io };
    HostPlan { cores, threads, costs, ..HostPlan::ideal() }
}

#[test]
fn as_many_requests_are_in_service_as_there_are_request_handlers() {
    let mut world = four_requests_at(broker(8, 2));
    run(&mut world, millis(24));
    assert_eq!(when(&world, SERVER, is_request), [13, 13, 23, 23]);
}

#[test]
fn threads_share_the_cores() {
    let mut world = four_requests_at(broker(1, 8));
    run(&mut world, millis(42));
    assert_eq!(when(&world, SERVER, is_request), [13, 23, 33]);
    let usage = world.usage();
    let cores = usage[0].resources.iter().find(|resource| resource.kind == ResourceKind::Cores);
    assert_eq!(cores.map(|cores| (cores.capacity, cores.busy)), Some((1, millis(40))));
}

#[test]
fn a_hand_off_delays_a_request_and_its_answer_and_keeps_nobody_busy() {
    let host = broker(8, 2);
    let costs = Costs { hand_off: millis(5), ..host.costs };
    let mut world = four_requests_at(HostPlan { costs, ..host });
    run(&mut world, millis(100));
    assert_eq!(when(&world, SERVER, is_request)[..4], [18, 18, 28, 28]);
    // 10 ms of service, 5 ms of hand-off and 1 ms of wire later.
    assert_eq!(when(&world, ALL[0], is_response)[0], 24);
}

#[test]
fn a_paused_process_takes_up_its_requests_where_it_left_them() {
    let mut world = four_requests_at(broker(8, 2));
    run(&mut world, millis(8));
    world.pause(SERVER);
    run(&mut world, millis(50));
    assert!(when(&world, SERVER, is_request).is_empty());
    world.resume(SERVER);
    run(&mut world, millis(61));
    assert_eq!(when(&world, SERVER, is_request), [50, 50, 60, 60]);
}

#[test]
fn a_process_that_collects_its_garbage_does_nothing_else() {
    let collections = Pauses { interval: millis(4), shortest: secs(1), longest: secs(1) };
    let mut world = four_requests_at(HostPlan { collections, ..broker(8, 2) });
    run(&mut world, millis(900));
    assert!(when(&world, SERVER, is_request).is_empty());
    run(&mut world, secs(60));
    assert!(when(&world, SERVER, is_request).len() >= 4);
}

/// When the server has taken its four requests, if it writes each down and fsyncs it before it answers: an fsync takes
/// 20 ms, and service 10 ms.
fn four_durable_requests_at(io: u32) -> Vec<u64> {
    let disk = DiskProfile { fsync: millis(20), ..DiskProfile::default() };
    let durable = ToyConfig { answer: Answer::Durably, ..ToyConfig::server() };
    let server = ProcessPlan { host: broker(8, io), disk, ..plan(SERVER, durable) };
    let clients = ALL.map(|node| plan(node, ToyConfig::client(&[SERVER], 1)));
    let mut world = world_of(1, steady(), [vec![server], clients.to_vec()].concat());
    run(&mut world, millis(120));
    when(&world, SERVER, is_request)[..4].to_vec()
}

#[test]
fn a_request_handler_that_fsyncs_what_it_appends_takes_nothing_else_in_hand() {
    assert_eq!(four_durable_requests_at(1), [13, 43, 73, 103]);
    // Two handlers share the disk: the first is free at 33, the second at 53.
    assert_eq!(four_durable_requests_at(2), [13, 13, 43, 63]);
    assert_eq!(four_durable_requests_at(4), [13, 13, 13, 13]);
}

/// How long the request handlers of the first broker are busy in ten seconds, if a partition of a fetch session costs so
/// much at every look: three brokers, and three hundred partitions in which nothing happens.
fn request_handlers_busy(session_partition_ns: u64) -> u64 {
    let idle = format!(
        "[hardware]\nprofile = \"ideal\"\ncores = 8\nother-request-ns = 1\n\
         fetch-session-partition-ns = {session_partition_ns}\n\
         [[topic]]\nname = \"idle\"\npartitions = 300\nreplication = 3\n"
    );
    let mut world = World::new(&scenario("10s", &idle), 1);
    world.run(Time(10_000_000_000), &mut |_| {});
    let usage =
        world.usage().into_iter().find(|usage| usage.node == SERVER).expect("it has meters");
    let handlers = usage.resources.iter().find(|one| one.kind == ResourceKind::IoThreads);
    handlers.map_or(0, |handlers| handlers.busy.0)
}

#[test]
fn every_look_at_a_fetch_session_costs_for_each_of_its_partitions() {
    let [free, dear, twice] = [0, 1_000, 2_000].map(request_handlers_busy);
    // Two followers that ask twice a second (`replica.fetch.wait.max.ms`), each for the third that this broker leads.
    let looks_of_an_idle_cluster = (dear - free) / (100 * 1_000);
    assert!(looks_of_an_idle_cluster >= 2 * 2 * 5, "{looks_of_an_idle_cluster}");
    let ratio = (twice - free) * 100 / (dear - free);
    assert!((190..=210).contains(&ratio), "twice the cost is {ratio} % of the time");
}

#[test]
fn a_crash_ends_what_is_in_service() {
    let mut world = four_requests_at(broker(8, 2));
    run(&mut world, millis(8));
    world.crash(SERVER);
    world.start(SERVER);
    run(&mut world, secs(1));
    assert!(when(&world, SERVER, is_request).is_empty(), "nobody has asked again");
}

/// Hosts whose sockets take so many bytes.
fn sockets(receive: u64) -> HostPlan {
    let buffers = Buffers { receive, ..Buffers::OF_THE_SYSTEM };
    HostPlan { sockets: Sockets { accepted: buffers, opened: buffers }, ..HostPlan::ideal() }
}

fn with_sockets(node: NodeId, config: ToyConfig, receive: u64) -> ProcessPlan<ToyConfig> {
    ProcessPlan { host: sockets(receive), ..plan(node, config) }
}

/// The client sends one request to each of its servers.
fn send_to_each(world: &mut ToyWorld) {
    let request = InitProducerIdRequest { current: None }.into();
    world.command(CLIENT, Command::Administer(request));
}

#[test]
fn a_window_bounds_a_connection_to_one_window_for_each_round_trip() {
    // A request has 78 bytes: a window of two lets two of them be on their way.
    let network = NetworkProfile { chunk: 78, bandwidth: Some(1_000_000_000), ..steady() };
    let server = with_sockets(SERVER, ToyConfig::server(), 156);
    let client = with_sockets(CLIENT, ToyConfig::client(&[SERVER], 0), 156);
    let mut world = world_of(1, network, vec![server, client]);
    run(&mut world, secs(1));
    (0..6).for_each(|_| send_to_each(&mut world));
    run(&mut world, secs(2));
    // Two at once, and the next two when the first are acknowledged: a round trip has 2 ms.
    assert_eq!(when(&world, SERVER, is_request), [1_001, 1_001, 1_003, 1_003, 1_005, 1_005]);
}

#[test]
fn who_has_a_request_in_hand_reads_no_more_of_the_next_one_than_its_socket_takes() {
    // Requests of six chunks, a window of two: each takes three round trips of 2 ms, and then 10 ms of service.
    let network = NetworkProfile { chunk: 13, bandwidth: Some(1_000_000_000), ..steady() };
    let host = HostPlan { sockets: sockets(26).sockets, ..broker(8, 2) };
    let server = ProcessPlan { host, ..plan(SERVER, ToyConfig::server()) };
    let client = with_sockets(CLIENT, ToyConfig::client(&[SERVER], 0), 26);
    let mut world = world_of(1, network, vec![server, client]);
    run(&mut world, secs(1));
    (0..2).for_each(|_| send_to_each(&mut world));
    run(&mut world, secs(2));
    // Two chunks of the second are there when the first is answered, at 1,015 ms; the others take two round trips more.
    assert_eq!(when(&world, SERVER, is_request), [1_015, 1_029]);
}

#[test]
fn connections_share_a_card_chunk_by_chunk() {
    // At 7,800 bytes a second a request of 78 takes 10 ms, in six chunks.
    const OTHER: NodeId = NodeId::broker(2);
    let latency = Latency::constant(Span::from_micros(1));
    let network =
        NetworkProfile { latency, chunk: 13, bandwidth: Some(7_800), ..NetworkProfile::default() };
    let servers = [SERVER, OTHER].map(|node| with_sockets(node, ToyConfig::server(), 13));
    let client = with_sockets(CLIENT, ToyConfig::client(&[SERVER, OTHER], 0), 13);
    let mut world = world_of(1, network, [servers.to_vec(), vec![client]].concat());
    run(&mut world, secs(1));
    send_to_each(&mut world);
    run(&mut world, secs(2));
    // One after the other they would be there after 10 and 20 ms and what the receiver's card takes.
    let (first, second) = (when(&world, SERVER, is_request)[0], when(&world, OTHER, is_request)[0]);
    assert!((1_018..=1_022).contains(&first), "{first}");
    assert!((1_020..=1_024).contains(&second), "{second}");
}

#[test]
fn what_a_cut_link_swallows_of_a_message_in_chunks_is_sent_again() {
    let network = NetworkProfile { chunk: 13, bandwidth: Some(78_000), ..steady() };
    let server = with_sockets(SERVER, ToyConfig::server(), 1_000);
    let client = with_sockets(CLIENT, ToyConfig::client(&[SERVER], 0), 1_000);
    let mut world = world_of(1, network, vec![server, client]);
    run(&mut world, secs(1));
    world.cut(CLIENT, SERVER);
    (0..3).for_each(|_| send_to_each(&mut world));
    run(&mut world, millis(1_300));
    assert!(requests(&world).is_empty());
    world.heal(CLIENT, SERVER);
    run(&mut world, secs(3));
    send_to_each(&mut world);
    run(&mut world, secs(4));
    assert_eq!(requests(&world), [0, 1, 2, 3]);
}

#[test]
fn a_producer_that_finds_its_pool_full_waits_in_send_and_never_holds_more_than_its_memory() {
    // 32 buffers of 16 KiB, each with some hundred records of a hundred bytes.
    let fast = "[hardware]\nprofile = \"cloud-nvme\"\n[[producer]]\ntopic = \"orders\"\nrate = \"max\"\n\
                config = { \"buffer.memory\" = 524288, \"batch.size\" = 16384, \"linger.ms\" = 0 }\n";
    let mut world = World::new(&scenario("4s", fast), 1);
    let fast = NodeId::producer(2);
    let mut most = 0;
    for millis in 2_500..3_500 {
        world.run(Time(millis * 1_000_000), &mut |_| {});
        for view in world.views(fast) {
            let NodeView::Producer(producer) = view else { panic!("p2 is a producer") };
            assert!(producer.buffered_bytes <= 524_288, "{}", producer.buffered_bytes);
            assert!(producer.blocked <= 1, "one thread waits in one call");
            most = most.max(producer.buffered_bytes);
        }
    }
    assert_eq!(most, 524_288, "it sends faster than it is answered");
    let busy = world.usage().into_iter().find(|usage| usage.node == fast).expect("it has meters");
    let thread = busy.resources.iter().find(|one| one.kind == ResourceKind::UserThread);
    assert!(thread.is_some_and(|thread| thread.busy > Span::ZERO));
}
