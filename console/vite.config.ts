import { createHash } from "node:crypto";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

import { defineConfig, type Plugin } from "vite";

/** Names scripts and styles of the page by what they hold, too: another file is not run. */
function integrity(): Plugin {
  return {
    name: "integrity",
    apply: "build",
    closeBundle() {
      const folder = process.env["KEYFOLD_CONSOLE_OUT"] ?? "dist";
      const page = join(folder, "index.html");
      const tagged = readFileSync(page, "utf8").replaceAll(
        /<(?:script|link)\b[^>]*\b(?:src|href)="\.\/([^"]+\.(?:js|css))"/g,
        (tag, name: string) => {
          const hash = createHash("sha384").update(readFileSync(join(folder, name)));
          return `${tag} integrity="sha384-${hash.digest("base64")}"`;
        },
      );
      writeFileSync(page, tagged);
      // What is not ours and in the page.
      writeFileSync(join(folder, "licences.txt"), readFileSync("node_modules/preact/LICENSE"));
      // The server sends what is packed already.
      for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
        if (!/\.(?:html|js|css|svg|txt)$/.test(name)) continue;
        const body = readFileSync(join(folder, name));
        const packed = gzipSync(body, { level: 9 });
        if (packed.length < body.length) writeFileSync(join(folder, `${name}.gz`), packed);
      }
    },
  };
}

export default defineConfig({
  // Relative, as the page may be reached by another name of its folder.
  base: "./",
  plugins: [integrity()],
  build: {
    outDir: process.env["KEYFOLD_CONSOLE_OUT"] ?? "dist",
    emptyOutDir: true,
    target: "es2022",
    // No `data:` in place of a file, and no script of the bundler's own in the page.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
});
