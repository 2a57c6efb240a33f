//! Where a broker learns about the cluster: from the metadata log that it replicates (KRaft mode), or from
//! its controller's requests and from znodes (ZooKeeper mode).

use crate::Broker;
use crate::view::SourceView;
use crate::zookeeper::ZooKeeperMode;
use klab_kraft::Raft;
use klab_machine::{Input, Outbox};
use klab_wire::Now;

/// See the module.
#[derive(Clone, Debug)]
pub enum MetadataSource {
    /// A replica of the metadata log (KIP-500).
    Quorum(Box<Raft>),
    /// A session with a ZooKeeper ensemble, and what a broker has to keep in mind there.
    ZooKeeper(Box<ZooKeeperMode>),
}

/// Which of the two a broker goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// KRaft mode.
    Quorum,
    /// ZooKeeper mode.
    ZooKeeper,
}

impl MetadataSource {
    /// The mode that the broker runs in.
    #[inline]
    pub fn mode(&self) -> Mode {
        match self {
            MetadataSource::Quorum(_) => Mode::Quorum,
            MetadataSource::ZooKeeper(_) => Mode::ZooKeeper,
        }
    }

    /// Whether an input is for it.
    pub fn owns(&self, input: &Input) -> bool {
        match self {
            MetadataSource::Quorum(raft) => raft.owns(input),
            MetadataSource::ZooKeeper(mode) => mode.owns(input),
        }
    }

    /// What a reader is shown.
    pub fn view(&self) -> SourceView {
        match self {
            MetadataSource::Quorum(raft) => SourceView::Quorum(raft.view()),
            MetadataSource::ZooKeeper(mode) => SourceView::ZooKeeper(mode.view()),
        }
    }
}

impl Broker {
    /// Something for the source of metadata.
    pub(crate) fn source_input(&mut self, input: Input, now: Now, out: &mut Outbox) {
        match &mut self.source {
            MetadataSource::Quorum(raft) => {
                raft.handle(now, input, out);
                self.take_raft_events(now, out);
            }
            MetadataSource::ZooKeeper(_) => self.zookeeper_input(input, now, out),
        }
    }

    /// The same when the broker has closed its logs: only the end of its session is awaited.
    pub(crate) fn source_input_at_the_end(&mut self, input: Input, now: Now, out: &mut Outbox) {
        if let MetadataSource::ZooKeeper(_) = self.source {
            self.zookeeper_input_at_the_end(input, now, out);
        }
    }

    /// It is time to register, or to give up registering.
    pub(crate) fn registration_due(&mut self, now: Now, out: &mut Outbox) {
        match self.source {
            MetadataSource::Quorum(_) => self.registration_timed_out(now, out),
            MetadataSource::ZooKeeper(_) => self.register_in_zookeeper(now, out),
        }
    }

    /// The controller has let a broker wait that wants to go.
    pub(crate) fn controlled_shutdown_due(&mut self, now: Now, out: &mut Outbox) {
        match self.source {
            MetadataSource::Quorum(_) => self.stop(now, out),
            MetadataSource::ZooKeeper(_) => self.ask_for_controlled_shutdown(now, out),
        }
    }
}
