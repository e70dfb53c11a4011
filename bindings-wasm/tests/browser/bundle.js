/**
 * The pages, built by each bundler as it is: no plugin, and no option but what goes in and where it
 * comes out.
 */

import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

import * as esbuild from "esbuild";
import * as vite from "vite";
import webpack from "webpack";

const HERE = import.meta.dirname;
const PAGES = join(HERE, "pages");
const file = (name) => join(PAGES, name);

/** A page with a script, where the bundler makes none. */
const page = (attributes) => `<!doctype html><script ${attributes} src="/main.js"></script>`;

/** Each builds to a folder, and answers how the service worker is registered. */
const BUNDLERS = {
  // Vite 7 needs `worker: { format: "es" }` beside it, as for every worker that imports on demand.
  async vite(out) {
    const input = { main: file("index.html"), service_worker: file("service_worker.js") };
    await vite.build({
      root: PAGES,
      logLevel: "warn",
      // A folder that is not below the pages is emptied only when asked to.
      build: { outDir: out, emptyOutDir: true, rollupOptions: { input } },
    });
    const made = (await readdir(join(out, "assets"))).find((name) => name.startsWith("service_w"));
    return { script: `/assets/${made}`, type: "module" };
  },
  async webpack(out) {
    const stats = await promisify(webpack)({
      mode: "production",
      entry: { main: file("main.js"), service_worker: file("service_worker.js") },
      output: { path: out },
    });
    if (stats.hasErrors()) throw new Error(stats.toString());
    await writeFile(join(out, "index.html"), page("defer"));
    return { script: "/service_worker.js", type: "classic" };
  },
  async esbuild(out) {
    await esbuild.build({
      entryPoints: ["main", "worker", "pool_worker", "service_worker"].map((name) =>
        file(`${name}.js`),
      ),
      bundle: true,
      format: "esm",
      outdir: out,
      logLevel: "warning",
    });
    await writeFile(join(out, "index.html"), page('type="module"'));
    return { script: "/service_worker.js", type: "module" };
  },
};

export const bundlers = Object.keys(BUNDLERS);

/** Builds the pages; answers their folder and their service worker. */
export async function bundle(name) {
  const folder = join(HERE, "built", name);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  return { folder, serviceWorker: await BUNDLERS[name](folder) };
}
