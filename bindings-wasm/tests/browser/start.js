/** A built page on its site, beside a server that it may call. */

import { bundle } from "./bundle.js";
import { PageServer, Site, closedAddress } from "./support.js";

/** Starts all of it; `stop` ends it. */
export async function start(bundler) {
  const { folder, serviceWorker } = await bundle(bundler);
  const site = await Site.start(folder);
  const server = await PageServer.start([site.url]).catch(async (error) => {
    await site.stop();
    throw error;
  });
  const closed = await closedAddress();
  site.allow(server.url, closed);
  return {
    site,
    server,
    closed,
    serviceWorker,
    async stop() {
      await site.stop();
      await server.stop();
    },
  };
}
