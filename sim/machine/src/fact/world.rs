use super::facts;
use klab_wire::{NodeId, Span};

facts! {
    /// What was done to the deployment, and what its hosts and links did by themselves.
    WorldFact {
        /// A process was started for the first time, or again.
        ProcessStarted { life: u32 } => "life {life}";
        /// A process was killed (`kill -9`); its page cache survived.
        ProcessCrashed {} => "page cache kept";
        /// A host lost its power, and with it whatever had not reached the platter.
        PowerCut { lost_blocks: u64, torn: bool } => "lost {lost_blocks} unflushed blocks, torn tail: {torn}";
        /// A process ended by itself.
        ProcessHalted {} => "by itself";
        /// A process stopped running without dying: a long garbage collection, a frozen machine.
        ProcessPaused {} => "";
        /// A paused process runs again and finds everything that waited for it.
        ProcessResumed {} => "";
        /// A process was asked to go in order (SIGTERM).
        ShutdownRequested {} => "";
        /// No packet passes from this node to that one any more.
        LinkCut { to: NodeId } => "to {to}";
        /// Packets pass again.
        LinkHealed { to: NodeId } => "to {to}";
        /// The link got slower, or normal again (no extra latency).
        LinkSlowed { to: NodeId, latency: Span, loss_ppm: u32 } => "to {to}: {latency} more, {loss_ppm} ppm lost";
        /// The disk got slower by this factor in percent, or normal again (100).
        DiskSlowed { percent: u32 } => "to {percent} % of its times";
        /// The disk has no space left, or has some again.
        DiskFilled { full: bool } => "full: {full}";
        /// Every access to the disk fails, or works again.
        DiskFailed { failing: bool } => "failing: {failing}";
        /// A stored batch was damaged.
        DiskCorrupted { file: String } => "{file}";
        /// The disk was replaced by an empty one.
        DiskReplaced {} => "";
        /// The host computes slower by this factor in percent, or normally again (100).
        HostSlowed { percent: u32 } => "to {percent} % of its times";
        /// The wall clock was moved.
        ClockStepped { millis: i64 } => "by {millis} ms";
        /// The next messages of an API from this node to that one will be dropped or delayed.
        MessagesTampered { to: NodeId, api: String, count: u32, delay: Option<Span> } => "to {to}: next {count} {api}, delay {delay:?}";
        /// A fault named somebody by a role, and nobody had that role at that time.
        SelectorUnmatched { selector: String } => "nobody is {selector:?}";
        /// The last fault is over: everything was brought back, and the world has to converge.
        HealingBegan {} => "";
        /// A garbage collection stops the process for so long; stated when it first holds somebody up.
        CollectionNoticed { pause: Span } => "stops everything for {pause}";
    }
}
