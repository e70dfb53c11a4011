//! Our own providers against the emulators, which the vendors' kits have proven: the same list of
//! operations for each cloud, over the network and with the credentials that programs use.

mod alibaba;
mod azure;
mod faults;
mod google;
mod huawei;
mod keyring;
mod list;
mod pingan;
mod rig;
mod tencent;
