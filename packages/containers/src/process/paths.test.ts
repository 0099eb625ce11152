import { expect, it } from "vitest";
import { pathTranslator } from "./paths.ts";

const translate = pathTranslator([
  { source: "/srv/run/ta-1", target: "/run/lydian", readOnly: false },
  { source: "/opt/runtime", target: "/run/lydian/runtime", readOnly: true },
  { source: "/srv/app", target: "/app", readOnly: true },
]);

it.each([
  ["/run/lydian/runtime/runtime.mjs", "/opt/runtime/runtime.mjs"],
  ["unix:///run/lydian/api.sock", "unix:///srv/run/ta-1/api.sock"],
  ["/app", "/srv/app"],
  ["/app:/usr/bin", "/srv/app:/usr/bin"],
  ["--file=/app/main.mjs", "--file=/srv/app/main.mjs"],
  ["/apps/x", "/apps/x"],
  ["/srv/app/x", "/srv/app/x"],
  ["/app.js", "/app.js"],
])("translates %s to %s", (text, expected) => {
  expect(translate(text)).toBe(expected);
});
