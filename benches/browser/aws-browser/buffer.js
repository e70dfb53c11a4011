/** What the SDK expects a bundler to bring from Node. */

import { Buffer } from "buffer/";

globalThis.Buffer = Buffer;
