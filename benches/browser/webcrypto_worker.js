/** A worker that runs the bare cipher. */

import { serve } from "./peers/webcrypto.js";

serve();
