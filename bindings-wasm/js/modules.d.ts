// What the build puts in the place of these names: base64 of a raw deflate stream.
declare module "#client-wasm" {
  const wasm: string;
  export default wasm;
}
declare module "#extra-wasm" {
  const wasm: string;
  export default wasm;
}
declare module "#cloud-wasm" {
  const wasm: string;
  export default wasm;
}
