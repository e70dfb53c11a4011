//! The providers of clouds: known signatures, every operation with its exact bytes, and answers
//! of every kind.

mod alibaba;
#[path = "../aws/support.rs"]
#[allow(dead_code)]
mod aws_support;
mod huawei;
mod pingan;
mod google;
mod google_credentials;
mod signatures;
mod support;
mod tencent;
