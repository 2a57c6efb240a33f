//! The repeated tables of a file, `[[topic]]` and the like, and what they say about each other.

use crate::cluster::Cluster;
use crate::expectation::Expectation;
use crate::names::Scope;
use crate::problem::Complaint;
use crate::reader::Table;
use crate::topic::Topic;
use klab_wire::RackId;
use std::collections::BTreeMap;

/// The repeated tables of a file.
pub(crate) struct Sections<'t> {
    pub links: Vec<Table<'t>>,
    pub topics: Vec<Table<'t>>,
    pub producers: Vec<Table<'t>>,
    pub consumers: Vec<Table<'t>>,
    pub zookeeper_clients: Vec<Table<'t>>,
    pub acts: Vec<Table<'t>>,
    pub nemeses: Vec<Table<'t>>,
    pub expectations: Vec<Table<'t>>,
    pub runs: Vec<Table<'t>>,
}

impl<'t> Sections<'t> {
    pub fn of(root: &Table<'t>) -> Self {
        Sections {
            links: root.tables("link", "[[link]]"),
            topics: root.tables("topic", "[[topic]]"),
            producers: root.tables("producer", "[[producer]]"),
            consumers: root.tables("consumer", "[[consumer]]"),
            zookeeper_clients: root.tables("zookeeper-client", "[[zookeeper-client]]"),
            acts: root.tables("at", "[[at]]"),
            nemeses: root.tables("nemesis", "[[nemesis]]"),
            expectations: root.tables("expect", "[[expect]]"),
            runs: root.tables("run", "[[run]]"),
        }
    }

    fn clients(&self) -> impl Iterator<Item = &Table<'t>> {
        self.producers.iter().chain(&self.consumers).chain(&self.zookeeper_clients)
    }

    pub fn client_names(&self) -> Vec<String> {
        let names = self.clients().filter_map(|table| table.peek("name")?.as_str());
        names.map(String::from).collect()
    }

    pub fn racks(&self, cluster: &Cluster) -> Vec<RackId> {
        let brokers = cluster.nodes().into_iter().filter_map(|node| cluster.rack(node));
        let clients = self.clients().filter_map(|table| table.peek("rack")?.as_str());
        let mut racks: Vec<_> = brokers.chain(clients.map(RackId::from)).collect();
        racks.sort();
        racks.dedup();
        racks
    }

    /// Reads the topics, and tells the scope of them.
    pub fn read_topics(&mut self, root: &Table<'_>, scope: &mut Scope<'_>) -> Vec<Topic> {
        let problems = root.log.count();
        let tables = std::mem::take(&mut self.topics);
        let broker = scope.inherited();
        let topics = each(&tables, |table| Topic::read(table, scope, &broker));
        check_repeated(&tables);
        tables.into_iter().for_each(Table::finish);
        let is_list = root.peek("topic").is_none_or(|item| !item.is_table());
        scope.topics_are_known = is_list && root.log.count() == problems;
        scope.topics = self.topics_ever(&topics);
        topics
    }

    /// The topics of the start and those that acts create, with the most partitions they ever have.
    fn topics_ever(&self, topics: &[Topic]) -> BTreeMap<String, u32> {
        let mut ever = BTreeMap::new();
        let mut add = |name: &str, partitions: u32| {
            let most = ever.entry(name.to_string()).or_insert(partitions);
            *most = partitions.max(*most);
        };
        for topic in topics {
            add(&topic.name.0, topic.partitions);
        }
        for table in &self.acts {
            for (act, key) in [("create-topic", "name"), ("create-partitions", "topic")] {
                let act = table.peek(act).and_then(|item| item.as_table_like());
                let name = act.and_then(|act| act.get(key)?.as_str());
                let partitions = act.and_then(|act| act.get("partitions")?.as_integer());
                if let Some(name) = name {
                    add(name, partitions.and_then(|count| count.try_into().ok()).unwrap_or(1));
                }
            }
        }
        ever
    }

    pub fn read_expectations(&self, root: &Table<'_>, scope: &Scope<'_>) -> Vec<Expectation> {
        let mut expectations: Vec<Expectation> = Vec::new();
        for table in &self.expectations {
            let Some(expectation) = Expectation::read(table, scope) else { continue };
            let promise = expectation.promise();
            if promise.is_some() && expectations.iter().any(|other| other.promise() == promise) {
                let message = format!("two expectations are about `{}`", promise.unwrap_or(""));
                table.complain(table.span(), Complaint::new(message));
            }
            expectations.push(expectation);
        }
        // The expectations of a run are checked together with these when it is read as a scenario.
        if self.runs.is_empty() {
            self.check_expectations(root);
        }
        expectations
    }

    fn check_expectations(&self, root: &Table<'_>) {
        let says = |kind: &str| self.expectations.iter().any(|table| table.has(kind));
        if !says("always") {
            let message = "no [[expect]] says `always`: the run could break every promise";
            root.complain(root.span(), Complaint::new(message));
        }
        if !says("sometimes") {
            let message =
                "no [[expect]] says `sometimes`: a run in which nothing happens would pass";
            root.complain(root.span(), Complaint::new(message));
        }
    }

    pub fn finish(self) {
        let all = [
            self.links,
            self.producers,
            self.consumers,
            self.zookeeper_clients,
            self.acts,
            self.nemeses,
            self.expectations,
            self.runs,
        ];
        all.into_iter().flatten().for_each(Table::finish);
    }
}

/// What some tables say, as far as it can be read.
pub(crate) fn each<T>(tables: &[Table<'_>], read: impl Fn(&Table<'_>) -> Option<T>) -> Vec<T> {
    tables.iter().filter_map(read).collect()
}

/// How many clients some tables stand for; what is wrong with a count is told when it is read.
pub(crate) fn count(tables: &[Table<'_>]) -> u16 {
    let counts = tables.iter().map(|table| {
        let count = table.peek("count").and_then(|item| item.as_integer());
        count.map_or(1, |count| count.clamp(0, i64::from(u16::MAX)) as u16)
    });
    counts.fold(0, u16::saturating_add)
}

/// Reports topics of the same name.
fn check_repeated(tables: &[Table<'_>]) {
    fn name<'t>(table: &Table<'t>) -> Option<&'t str> {
        table.peek("name")?.as_str()
    }
    for (place, table) in tables.iter().enumerate() {
        let Some(repeated) = name(table) else { continue };
        if tables[..place].iter().any(|earlier| name(earlier) == Some(repeated)) {
            let message = format!("there are two topics `{repeated}`");
            table.complain(table.value_span("name"), Complaint::new(message));
        }
    }
}
