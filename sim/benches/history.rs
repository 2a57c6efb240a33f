//! How fast a history is judged from its file: `cargo bench --bench history`.
//!
//! `cargo bench --bench history -- --write FILE OPERATIONS` writes a legal history of so many operations, to
//! measure `klab check` itself: four producers with five sends in flight each, one record a send, to six
//! partitions; two consumers that poll every partition, some records a poll, and in the end have read it all.

use criterion::{Criterion, Throughput, criterion_group};
use klab_lab::history::cursor::Notation;
use klab_lab::history::read;
use std::fs::File;
use std::io::{BufWriter, Write};

const PARTITIONS: usize = 6;
const PRODUCERS: u64 = 4;
const IN_FLIGHT: u64 = 5;
/// Of this many operations one is a poll.
const POLL_EVERY: u64 = 8;

/// A cluster that does everything right.
#[derive(Default)]
struct Cluster {
    logs: [Vec<u64>; PARTITIONS],
    read: [[usize; PARTITIONS]; 2],
    time: u64,
    polls: u64,
}

/// Writes a legal history.
fn write_history(out: &mut impl Write, operations: u64) -> std::io::Result<()> {
    let mut cluster = Cluster::default();
    writeln!(out, "{{\"klab-history\": 1, \"acks\": \"all\", \"final-polls\": true}}")?;
    let mut sent = 0;
    let mut done = 0;
    while done < operations {
        // All producers send, then all are answered: so many calls are pending at a time.
        let round = PRODUCERS * IN_FLIGHT;
        for value in sent..sent + round {
            cluster.send(out, value)?;
        }
        for value in sent..sent + round {
            cluster.acknowledge(out, value)?;
        }
        sent += round;
        done += round;
        for _ in 0..round / POLL_EVERY {
            cluster.poll(out)?;
            done += 1;
        }
    }
    for _ in 0..2 * PARTITIONS {
        cluster.poll(out)?;
    }
    Ok(())
}

impl Cluster {
    fn event(&mut self) -> u64 {
        self.time += 1_000;
        self.time
    }

    fn send(&mut self, out: &mut impl Write, value: u64) -> std::io::Result<()> {
        let (time, process) = (self.event(), value % PRODUCERS + 1);
        writeln!(
            out,
            "{{\"type\": \"invoke\", \"process\": \"p{process}\", \"f\": \"send\", \"time\": {time}, \
             \"id\": {value}, \"value\": [[\"send\", \"orders\", {value}]]}}"
        )
    }

    fn acknowledge(&mut self, out: &mut impl Write, value: u64) -> std::io::Result<()> {
        let (time, process) = (self.event(), value % PRODUCERS + 1);
        let partition = (value / 7) as usize % PARTITIONS;
        let offset = self.logs[partition].len();
        self.logs[partition].push(value);
        writeln!(
            out,
            "{{\"type\": \"ok\", \"process\": \"p{process}\", \"f\": \"send\", \"time\": {time}, \
             \"id\": {value}, \"value\": [[\"send\", \"orders-{partition}\", [{offset}, {value}]]]}}"
        )
    }

    fn poll(&mut self, out: &mut impl Write) -> std::io::Result<()> {
        let consumer = self.polls as usize % 2;
        let partition = self.polls as usize / 2 % PARTITIONS;
        self.polls += 1;
        let process = consumer + 1;
        let time = self.event();
        writeln!(
            out,
            "{{\"type\": \"invoke\", \"process\": \"c{process}\", \"f\": \"poll\", \"time\": {time}, \
             \"value\": [[\"poll\"]]}}"
        )?;
        let time = self.event();
        write!(
            out,
            "{{\"type\": \"ok\", \"process\": \"c{process}\", \"f\": \"poll\", \"time\": {time}, \
             \"value\": [[\"poll\", {{\"orders-{partition}\": ["
        )?;
        let log = &self.logs[partition];
        let from = self.read[consumer][partition];
        for (offset, value) in log.iter().enumerate().skip(from) {
            let comma = if offset == from { "" } else { ", " };
            write!(out, "{comma}[{offset}, {value}]")?;
        }
        self.read[consumer][partition] = log.len();
        writeln!(out, "]}}]]}}")
    }
}

fn judge(criterion: &mut Criterion) {
    let operations = 100_000;
    let mut text = Vec::new();
    write_history(&mut text, operations).expect("a vector takes everything");
    let mut group = criterion.benchmark_group("history");
    group.throughput(Throughput::Elements(operations)).sample_size(20);
    group.bench_function("judge_json_lines", |bencher| {
        bencher.iter(|| {
            let judged = read::judge("history", &text[..], Notation::Json, &[]);
            judged.expect("the history is well written").verdict
        });
    });
    group.finish();
}

criterion_group!(benches, judge);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().position(|argument| argument == "--write") {
        Some(at) => {
            let file = File::create(&arguments[at + 1]).expect("a file");
            let operations = arguments[at + 2].parse().expect("a number of operations");
            let mut out = BufWriter::new(file);
            write_history(&mut out, operations).expect("written");
            out.flush().expect("written");
        }
        None => {
            benches();
            Criterion::default().configure_from_args().final_summary();
        }
    }
}
