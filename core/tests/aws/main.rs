//! The AWS provider against known answers, canned answers, and the engine.

mod credentials;
mod driver;
mod machine;
mod relay;
mod same_answers;
mod sigv4;
mod support;
