//! The engine through its public interface.

mod audit;
mod authorization;
mod commits;
mod crypto;
mod durability;
mod embedded;
mod grants;
mod lists;
mod names;
mod narrowing;
mod policies;
mod roots;
mod rotation;
mod shapes;
mod states;
#[cfg(not(target_arch = "wasm32"))]
mod threads;
mod transfer;
mod world;
