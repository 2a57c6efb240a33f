//! klab-scenario
