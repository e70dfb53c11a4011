//! The one place that knows that futures and providers are `Send` on native targets and cannot
//! be in a browser, where they hold JavaScript values.

use std::future::Future;
use std::pin::Pin;

/// `Send + Sync` on native targets, nothing on WebAssembly.
///
/// ```
/// use keyfold::maybe_send::MaybeSendSync;
///
/// fn shareable<T: MaybeSendSync>(value: T) -> T {
///     value
/// }
/// assert_eq!(shareable(7), 7);
/// ```
#[cfg(not(target_arch = "wasm32"))]
pub trait MaybeSendSync: Send + Sync {}
#[cfg(not(target_arch = "wasm32"))]
impl<T: Send + Sync + ?Sized> MaybeSendSync for T {}

/// `Send + Sync` on native targets, nothing on WebAssembly.
#[cfg(target_arch = "wasm32")]
pub trait MaybeSendSync {}
#[cfg(target_arch = "wasm32")]
impl<T: ?Sized> MaybeSendSync for T {}

/// The future that trait methods return: boxed, so that a provider can be a trait object, and
/// `Send` wherever threads are.
///
/// ```
/// use keyfold::maybe_send::BoxFuture;
///
/// fn answer<'a>(name: &'a str) -> BoxFuture<'a, usize> {
///     Box::pin(async move { name.len() })
/// }
/// assert_eq!(pollster::block_on(answer("keyfold")), 7);
/// ```
#[cfg(not(target_arch = "wasm32"))]
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
/// The future that trait methods return: boxed, so that a provider can be a trait object, and
/// `Send` wherever threads are.
#[cfg(target_arch = "wasm32")]
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;
