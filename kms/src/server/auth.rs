//! Who calls: from the bytes of a request to a [`Caller`](crate::Caller).
