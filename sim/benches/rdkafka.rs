//! The same records through `madsim-rdkafka`'s simulated broker and through klab: two producers of a hundred
//! records a second each, two consumers, six partitions, sixty simulated seconds, no faults.
//!
//! `madsim-rdkafka` has one broker in one lock, without replication, logs, metadata or time-outs; klab has three
//! brokers with replication 3, three voters and the judge. `cargo bench --bench rdkafka` prints the time of both in
//! one process on one core; the aim: klab is faster.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use klab::{Experiment, Hosting};
use madsim::net::NetSim;
use madsim::runtime::{Handle, Runtime};
use madsim::time::sleep;
use madsim_rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use madsim_rdkafka::consumer::BaseConsumer;
use madsim_rdkafka::producer::{FutureProducer, FutureRecord};
use madsim_rdkafka::{ClientConfig, Offset, SimBroker, TopicPartitionList};
use std::hint::black_box;
use std::time::Duration;

const PRODUCERS: u64 = 2;
const RECORDS_OF_EACH: u64 = 100 * 60;
const PARTITIONS: i32 = 6;
/// Between two records of a producer; a consumer that found nothing asks again after as long.
const PAUSE: Duration = Duration::from_millis(10);

const SCENARIO: &str = r#"
title   = "The load of the comparison with madsim-rdkafka"
concept = "performance"
run-for = "61s"

[cluster]
brokers    = 3
controller = { mode = "kraft", voters = 3 }

[[topic]]
name        = "orders"
partitions  = 6
replication = 3

[[producer]]
count  = 2
topic  = "orders"
rate   = "100/s"
config = { "acks" = "all", "enable.idempotence" = true }

[[consumer]]
count = 2
topic = "orders"
from  = "earliest"

[[expect]]
always = "no-acked-record-is-lost"

[[expect]]
sometimes = "HighWatermarkAdvanced"
"#;

fn config() -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", "broker:9092");
    config.set("auto.offset.reset", "earliest");
    config
}

async fn produce(producer: u64) {
    let client: FutureProducer = config().create().await.expect("a producer");
    for number in 0..RECORDS_OF_EACH {
        let partition = (number % PARTITIONS as u64) as i32;
        let (key, payload) = (producer.to_le_bytes(), number.to_le_bytes());
        let record = FutureRecord::to("orders").partition(partition).key(&key).payload(&payload);
        client.send(record, None::<Duration>).await.expect("the record is acknowledged");
        sleep(PAUSE).await;
    }
}

/// Polls a half of the partitions until every record of them has come.
async fn consume(first: i32) -> u64 {
    let client: BaseConsumer = config().create().await.expect("a consumer");
    let mut assignment = TopicPartitionList::new();
    for partition in first..first + PARTITIONS / 2 {
        assignment
            .add_partition_offset("orders", partition, Offset::Beginning)
            .expect("a partition");
    }
    client.assign(&assignment).expect("it is assigned");
    let mut polled = 0;
    while polled < PRODUCERS * RECORDS_OF_EACH / 2 {
        match client.poll(None::<Duration>).await {
            Some(record) => {
                black_box(record.expect("a record"));
                polled += 1;
            }
            None => sleep(PAUSE).await,
        }
    }
    polled
}

/// One run of the simulated broker with its clients, within a madsim runtime on a fresh thread.
fn rdkafka() -> u64 {
    let work = || Runtime::with_seed_and_config(1, madsim::Config::default()).block_on(run());
    #[allow(clippy::disallowed_methods, reason = "madsim keeps its runtime in the thread")]
    std::thread::spawn(work).join().expect("the runtime ends")
}

async fn run() -> u64 {
    let handle = Handle::current();
    let node = |last: u64| {
        let address = format!("10.0.0.{last}").parse().expect("an address");
        handle.create_node().ip(address).build()
    };
    let broker = "10.0.0.1:9092".parse().expect("an address");
    NetSim::current().add_dns_record("broker", "10.0.0.1".parse().expect("an address"));
    node(1).spawn(async move { SimBroker::default().serve(broker).await });
    sleep(Duration::from_secs(1)).await;
    let create = async {
        let admin: AdminClient<_> = config().create().await.expect("an administrator");
        let topic = NewTopic::new("orders", PARTITIONS, TopicReplication::Fixed(1));
        admin.create_topics(&[topic], &AdminOptions::new()).await.expect("the topic is created");
    };
    node(2).spawn(create).await.expect("the administrator ends");
    (0..PRODUCERS).for_each(|number| drop(node(10 + number).spawn(produce(number))));
    let consumers = [0, PARTITIONS / 2].map(|first| node(20 + first as u64).spawn(consume(first)));
    let mut polled = 0;
    for consumer in consumers {
        polled += consumer.await.expect("the consumer ends");
    }
    polled
}

fn compare(criterion: &mut Criterion) {
    let experiment = Experiment::parse("rdkafka.toml", SCENARIO, Some(1)).expect("it is legal");
    assert_eq!(experiment.judge(Hosting::Bare).verdict.exit_code, 0);
    let records = PRODUCERS * RECORDS_OF_EACH;
    assert_eq!(rdkafka(), records);
    let mut group = criterion.benchmark_group("two producers, two consumers, sixty seconds");
    group.sample_size(10).throughput(Throughput::Elements(records));
    group.bench_function("klab, 3 brokers, replication 3, judged", |bencher| {
        bencher.iter(|| black_box(experiment.judge(Hosting::Bare)));
    });
    group.bench_function("madsim-rdkafka, 1 broker, no replication", |bencher| {
        bencher.iter(|| black_box(rdkafka()));
    });
    group.finish();
}

criterion_group!(benches, compare);
criterion_main!(benches);
