//! The world from outside: the engine with toys on its links, disks, clocks and hosts; then whole
//! deployments with everything that a scenario does to them.

mod acts;
mod clusters;
mod deployment;
mod hardware;
mod network;
mod storage;
mod time_and_chance;
mod toys;
