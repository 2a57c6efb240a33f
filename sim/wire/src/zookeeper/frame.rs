//! Every frame there is, as one closed enum.

use super::{
    AckEpoch, ClientRequest, ConnectRequest, ConnectResponse, ForwardedRequest, LearnerInfo,
    LearnerPing, Notification, Reply, RevalidateAnswer, RevalidateRequest, Snapshot, SyncAnswer,
    Txn, WatcherEvent, Zxid,
};
use serde::Serialize;
use std::fmt;
use std::sync::Arc;

macro_rules! frames {
    ($($(#[doc = $doc:literal])+ $variant:ident $(($content:ty))? = $name:literal;)*) => {
        /// A one-way message. What is large is boxed or shared: a frame is moved many times on its way.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum Frame {
            $($(#[doc = $doc])+ $variant $(($content))?,)*
        }

        /// The kind of a frame, by ZooKeeper's name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum FrameKind {
            $($(#[doc = $doc])+ $variant,)*
        }

        impl FrameKind {
            /// Every kind.
            pub const ALL: &[FrameKind] = &[$(FrameKind::$variant,)*];

            /// ZooKeeper's name: `PROPOSAL`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(FrameKind::$variant => $name,)*
                }
            }
        }

        impl Frame {
            /// Of which kind it is.
            pub const fn kind(&self) -> FrameKind {
                match self {
                    $(frames!(@pattern $variant $(($content))?) => FrameKind::$variant,)*
                }
            }
        }
    };
    (@pattern $variant:ident) => { Frame::$variant };
    (@pattern $variant:ident ($content:ty)) => { Frame::$variant(_) };
}

frames! {
    /// Between any two servers: a vote.
    Notification(Box<Notification>) = "NOTIFICATION";

    /// To the leader: a follower introduces itself.
    FollowerInfo(LearnerInfo) = "FOLLOWERINFO";
    /// To the leader: an observer introduces itself.
    ObserverInfo(LearnerInfo) = "OBSERVERINFO";
    /// To the leader: the epoch is accepted.
    AckEpoch(Box<AckEpoch>) = "ACKEPOCH";
    /// To the leader: everything up to this transaction is on the platter.
    Ack(Zxid) = "ACK";
    /// To the leader: a client's write.
    Request(Box<ForwardedRequest>) = "REQUEST";
    /// To the leader: is this session still there?
    RevalidateRequest(RevalidateRequest) = "REVALIDATE";
    /// Both ways: a sign of life.
    Ping(Box<LearnerPing>) = "PING";

    /// To a learner: the epoch that the leader proposes.
    LeaderInfo(Zxid) = "LEADERINFO";
    /// To a learner: you lack nothing but what follows.
    Diff(Zxid) = "DIFF";
    /// To a learner: take away what is behind this transaction.
    Trunc(Zxid) = "TRUNC";
    /// To a learner: forget what you have, and take this.
    Snap(Arc<Snapshot>) = "SNAP";
    /// To a learner: this is where the new epoch begins.
    NewLeader(Zxid) = "NEWLEADER";
    /// To a learner: a quorum has accepted the leader; serve.
    UpToDate = "UPTODATE";
    /// To a follower: log this and say so.
    Proposal(Arc<Txn>) = "PROPOSAL";
    /// To a follower: a quorum has logged it; apply it.
    Commit(Zxid) = "COMMIT";
    /// To an observer: a quorum has logged this; apply it.
    Inform(Arc<Txn>) = "INFORM";
    /// To a learner: it is, or it is not.
    RevalidateAnswer(RevalidateAnswer) = "REVALIDATE";
    /// To a learner: a client's `sync` is answered by this.
    Sync(SyncAnswer) = "SYNC";

    /// From a client: its session, or a new one.
    ConnectRequest(Box<ConnectRequest>) = "CONNECT";
    /// From a client: a request.
    ClientRequest(Box<ClientRequest>) = "CLIENTREQUEST";
    /// To a client: its session.
    ConnectResponse(Box<ConnectResponse>) = "CONNECTED";
    /// To a client: an answer.
    Reply(Box<Reply>) = "REPLY";
    /// To a client: a watch fires.
    WatcherEvent(Box<WatcherEvent>) = "EVENT";
}

/// A quorum packet without content: type, zxid, no data, no authentication info, and its length.
const PACKET: u32 = 24;

impl Frame {
    /// Bytes on the wire.
    pub fn size_in_bytes(&self) -> u32 {
        match self {
            Frame::Notification(_) => Notification::SIZE,
            Frame::FollowerInfo(_) | Frame::ObserverInfo(_) => PACKET + 20,
            Frame::AckEpoch(_) | Frame::LeaderInfo(_) => PACKET + 4,
            Frame::Ack(_)
            | Frame::Commit(_)
            | Frame::Diff(_)
            | Frame::Trunc(_)
            | Frame::UpToDate => PACKET,
            Frame::NewLeader(_) => PACKET + 200, // The configuration comes with it.
            Frame::Request(request) => PACKET + 16 + request.op.size_in_bytes(),
            Frame::RevalidateRequest(_) | Frame::RevalidateAnswer(_) | Frame::Sync(_) => {
                PACKET + 12
            }
            Frame::Ping(ping) => PACKET + 12 * ping.touched.len() as u32,
            Frame::Snap(snapshot) => PACKET + snapshot.size_in_bytes(),
            Frame::Proposal(txn) | Frame::Inform(txn) => PACKET + txn.size_in_bytes(),
            Frame::ConnectRequest(_) => 49,
            Frame::ConnectResponse(_) => 41,
            Frame::ClientRequest(request) => 12 + request.op.size_in_bytes(),
            Frame::Reply(reply) => {
                20 + reply.result.as_ref().map_or(0, |answer| answer.size_in_bytes())
            }
            Frame::WatcherEvent(event) => 32 + event.path.0.len() as u32,
        }
    }
}

impl fmt::Display for FrameKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for FrameKind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl std::str::FromStr for FrameKind {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        FrameKind::ALL.iter().copied().find(|kind| kind.name() == name).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_two_words_at_most() {
        assert!(size_of::<Frame>() <= 24, "{}", size_of::<Frame>());
    }
}
