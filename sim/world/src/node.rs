//! The machines of a Kafka deployment, as one closed enum.

use klab_broker::{Broker, BrokerSetup, BrokerView};
use klab_client::{
    Admin, AdminSetup, AdminView, Consumer, ConsumerSetup, ConsumerView, Producer, ProducerSetup,
    ProducerView,
};
use klab_controller::{
    Controller, ControllerSetup, ControllerView, KafkaController, KafkaControllerSetup,
    KafkaControllerView,
};
use klab_machine::{DiskImage, Identity, Input, Machine, Outbox};
use klab_wire::Now;
use klab_zookeeper::{Server, ServerSetup, ServerView};
use klab_zookeeper_client::{Application, ApplicationSetup, ApplicationView};

macro_rules! nodes {
    ($($(#[$doc:meta])* $variant:ident($machine:ident, $setup:ident, $view:ident);)*) => {
        /// A machine of a Kafka deployment.
        #[derive(Clone, Debug)]
        pub enum Node {
            $($(#[$doc])* $variant(Box<$machine>),)*
        }

        /// What a [`Node`] is configured with.
        #[derive(Clone, Debug)]
        pub enum NodeSetup {
            $($(#[$doc])* $variant(Box<$setup>),)*
        }

        /// What a reader of the lab is shown of a [`Node`], in Kafka's own words.
        #[derive(Clone, Debug)]
        pub enum NodeView {
            $($(#[$doc])* $variant(Box<$view>),)*
        }

        impl Machine for Node {
            type Config = NodeSetup;
            type View = NodeView;

            fn boot(
                identity: Identity,
                setup: NodeSetup,
                disk: &DiskImage,
                now: Now,
                out: &mut Outbox,
            ) -> Self {
                match setup {
                    $(NodeSetup::$variant(setup) => {
                        Node::$variant(Box::new($machine::boot(identity, *setup, disk, now, out)))
                    })*
                }
            }

            fn step(&mut self, now: Now, input: Input, out: &mut Outbox) {
                match self {
                    $(Node::$variant(machine) => machine.step(now, input, out),)*
                }
            }

            fn view(&self) -> NodeView {
                match self {
                    $(Node::$variant(machine) => NodeView::$variant(Box::new(machine.view())),)*
                }
            }

            fn session_size(&self, session: u32) -> u64 {
                match self {
                    $(Node::$variant(machine) => machine.session_size(session),)*
                }
            }
        }
    };
}

nodes! {
    /// A broker.
    Broker(Broker, BrokerSetup, BrokerView);
    /// A KRaft controller.
    Controller(Controller, ControllerSetup, ControllerView);
    /// A producing application.
    Producer(Producer, ProducerSetup, ProducerView);
    /// A consuming application.
    Consumer(Consumer, ConsumerSetup, ConsumerView);
    /// An administrator's tool.
    Admin(Admin, AdminSetup, AdminView);
    /// A server of a ZooKeeper ensemble.
    ZooKeeper(Server, ServerSetup, ServerView);
    /// An application on a client of one.
    ZooKeeperClient(Application, ApplicationSetup, ApplicationView);
    /// The controller of ZooKeeper mode, which every broker's process hosts.
    KafkaController(KafkaController, KafkaControllerSetup, KafkaControllerView);
}
