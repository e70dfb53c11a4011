import { setHost } from "./host.js";
import { nodeHost } from "./host_node.js";

setHost(nodeHost);

export * from "./index.js";
