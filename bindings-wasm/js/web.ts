import { setHost } from "./host.js";
import { webHost } from "./host_web.js";

setHost(webHost);

export * from "./index.js";
