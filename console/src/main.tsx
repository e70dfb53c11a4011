import { render } from "preact";

import { Shell } from "./shell";
import "./styles/base.css";
import "./styles/frame.css";
import "./styles/controls.css";
import "./styles/content.css";
import "./styles/views.css";
import "./styles/narrow.css";
import { apply } from "./theme";

apply();
const root = document.getElementById("app");
if (root) render(<Shell />, root);
