//! klab-controller
