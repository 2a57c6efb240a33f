//! The metadata image: what the metadata log says after its first n records.
//!
//! Every broker and every controller replays the same log into an [`Image`] (`MetadataImage`), batch
//! by batch, in place. A [`Delta`] (`MetadataDelta`) says what a batch touched, so that a broker
//! carries over what changed and never walks all partitions. A snapshot is an image written down as
//! records: [`Image::records`], and back with [`Image::of_snapshot`]. In ZooKeeper mode there is no such log:
//! the controller tells each broker what it should know, and [`Image::update`] takes it in.
//!
//! A partition's state lives in an `Arc` that starts out in the log's own batch: as long as nothing
//! has changed it, a thousand brokers hold one copy.
//!
//! # What is left out
//!
//! Images of ACLs, SCRAM credentials, delegation tokens and client quotas, and the records of a
//! ZooKeeper migration: each is one more map here and one more record in `wire`. Metadata
//! transactions (KIP-868): the delta would have to be set aside until `EndTransactionRecord`.

mod cluster;
mod configs;
mod delta;
mod features;
mod image;
mod snapshot;
mod topics;
mod update;

pub use cluster::{BrokerRegistration, ClusterImage};
pub use configs::ConfigsImage;
pub use delta::{DeletedTopic, Delta};
pub use features::{
    ELIGIBLE_LEADER_REPLICAS_VERSION, FeaturesImage, METADATA_VERSION, MetadataVersion,
    supported_features,
};
pub use image::Image;
pub use topics::{TopicImage, TopicsImage, merge};
pub use update::Updated;
