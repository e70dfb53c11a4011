//! The providers of clouds: known signatures, every operation with its exact bytes, and answers
//! of every kind.
#![allow(clippy::duration_suboptimal_units, reason = "times since 1970 are in seconds")]

mod alibaba;
#[path = "../aws/support.rs"]
#[allow(dead_code)]
mod aws_support;
mod azure;
mod azure_credentials;
mod google;
mod google_credentials;
mod huawei;
mod pingan;
mod signatures;
mod support;
mod tencent;
mod vault;
mod vault_credentials;
