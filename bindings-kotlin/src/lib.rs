//! keyfold for Kotlin and Swift: one thin surface, which UniFFI carries to both.
//!
//! It converts, calls the core, and converts back; what a language's users see is in `kotlin/` and
//! `swift/`. On the JVM and on Android bytes take another way than calls do, `jni`: through the
//! same objects, found by their number in `table`.
#![deny(unsafe_code)]
#![allow(unreachable_pub, reason = "what UniFFI exports is reached from outside")]
#![allow(clippy::needless_pass_by_value, reason = "UniFFI gives what it has read")]

mod caller;
mod client;
mod cloud;
mod error;
mod files;
mod foreign;
mod gate;
mod inspect;
#[cfg(feature = "jni")]
mod jni;
mod manage;
mod sealer;
mod secret;
mod service;
mod sign;
mod sizes;
mod spec;
mod stream;
mod table;
mod time;
mod whole;
mod wire;

uniffi::setup_scaffolding!();
