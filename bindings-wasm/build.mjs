// Bundles the TypeScript with the two modules: called by `cargo xtask npm`, with the folders of
// the build tools, of what wasm-bindgen made, and of the package.
import { readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { deflateRawSync } from "node:zlib";

const [tools, made, out, version] = process.argv.slice(2);
const { build } = createRequire(join(tools, "package.json"))("esbuild");

/** The bytes of a module stand in the JavaScript: no bundler has to find a file. */
const inlined = {
  name: "inlined",
  setup(build) {
    build.onResolve({ filter: /^#(client|extra)-wasm$/ }, ({ path }) => ({
      path: join(made, `${path.slice(1, -5)}.wasm`),
      namespace: "wasm",
    }));
    build.onResolve({ filter: /^#(client|extra)$/ }, ({ path }) => ({
      path: join(made, `${path.slice(1)}.js`),
    }));
    build.onLoad({ filter: /.*/, namespace: "wasm" }, ({ path }) => {
      const base64 = deflateRawSync(readFileSync(path), { level: 9 }).toString("base64");
      return { contents: `export default "${base64}";`, loader: "js" };
    });
  },
};

await build({
  entryPoints: ["js/web.ts", "js/node.ts", "js/worker.ts", "js/files.ts"],
  outdir: join(out, "dist"),
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "neutral",
  external: ["node:*"],
  target: ["es2022"],
  minify: true,
  legalComments: "none",
  charset: "utf8",
  chunkNames: "[name]-[hash]",
  define: { KEYFOLD_VERSION: JSON.stringify(version), "import.meta.url": "undefined" },
  plugins: [inlined],
});

// Types of what is inside are nobody's.
const dist = join(out, "dist");
const reached = new Set();
function reach(name) {
  if (reached.has(name)) return;
  reached.add(name);
  const source = readFileSync(join(dist, name), "utf8");
  for (const [, next] of source.matchAll(/from "\.\/([^"]+)\.js"/g)) reach(`${next}.d.ts`);
}
reach("index.d.ts");
reach("worker.d.ts");
reach("files.d.ts");
for (const name of readdirSync(dist)) {
  if (name.endsWith(".d.ts") && !reached.has(name)) rmSync(join(dist, name));
}
// `Disposable` is in no library that a program has by default.
const types = readFileSync(join(dist, "index.d.ts"), "utf8");
writeFileSync(join(dist, "index.d.ts"), `/// <reference lib="esnext.disposable" />\n${types}`);
