//! The engine, seen from outside: toys on its links, disks, clocks and hosts.

mod network;
mod storage;
mod time_and_chance;
mod toys;
