//! The reference run against a bare madsim RPC echo of as many messages, in one process on one core.
//!
//! `cargo bench --bench reference` prints the time of both; the ratio is what counts, because machines
//! are noisy. The aim: the whole lab, judge included, is cheaper than the bare echo.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use klab::{Experiment, Hosting};
use madsim::net::Endpoint;
use madsim::net::rpc::{Deserialize, Request, Serialize};
use madsim::runtime::Runtime;
use std::hint::black_box;
use std::net::SocketAddr;

#[derive(Serialize, Deserialize)]
struct Echo(u64);

impl Request for Echo {
    type Response = u64;
    const ID: u64 = 1;
}

/// Requests that are answered, one after the other, within a madsim runtime.
fn echo(calls: u64) -> u64 {
    let work = move || {
        let runtime = Runtime::with_seed_and_config(1, madsim::Config::default());
        let server: SocketAddr = "10.0.0.1:1".parse().expect("an address");
        let client: SocketAddr = "10.0.0.2:1".parse().expect("an address");
        let [one, two] = [server, client].map(|at| runtime.create_node().ip(at.ip()).build());
        let listening = one.spawn(async move {
            let endpoint = std::sync::Arc::new(Endpoint::bind(server).await.expect("bound"));
            endpoint.add_rpc_handler(|Echo(number)| async move { number });
        });
        let calling = two.spawn(async move {
            listening.await.expect("the server listens");
            let endpoint = Endpoint::bind(client).await.expect("bound");
            let mut sum = 0;
            for number in 0..calls {
                sum += endpoint.call(server, Echo(number)).await.expect("answered");
            }
            sum
        });
        runtime.block_on(calling).expect("the calls are made")
    };
    // A runtime wants a fresh thread.
    #[allow(clippy::disallowed_methods, reason = "madsim keeps its runtime in the thread")]
    std::thread::spawn(work).join().expect("the runtime ends")
}

fn reference() -> Experiment {
    let scenario = include_str!("../../scenarios/reference.toml");
    Experiment::parse("scenarios/reference.toml", scenario, Some(1)).expect("it is legal")
}

fn compare(criterion: &mut Criterion) {
    let experiment = reference();
    let messages = experiment.judge(Hosting::Bare).messages;
    let mut group = criterion.benchmark_group("reference run");
    group.sample_size(10).throughput(Throughput::Elements(messages));
    group.bench_function("klab, bare, judged", |bencher| {
        bencher.iter(|| black_box(experiment.judge(Hosting::Bare)));
    });
    group.bench_function("klab, caged, judged", |bencher| {
        bencher.iter(|| black_box(experiment.judge(Hosting::Caged)));
    });
    group.bench_function("madsim RPC echo of as many messages", |bencher| {
        bencher.iter(|| black_box(echo(messages / 2)));
    });
    group.finish();
}

criterion_group!(benches, compare);
criterion_main!(benches);
