//! klab-machine
