//! Writes the glue for a language out of the built library.

fn main() {
    uniffi::uniffi_bindgen_main();
}
