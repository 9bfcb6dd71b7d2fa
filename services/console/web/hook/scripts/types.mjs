// Writes src/schema.ts from the console's OpenAPI document. `--print` writes to standard output instead.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import openapiTS, { astToString } from "openapi-typescript";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const HEAD =
  "// The console's calls and messages, made from docs/reference/openapi.json by `npm run types`. Not edited by hand.\n\n";

const document = JSON.parse(readFileSync(at("../../../../../docs/reference/openapi.json"), "utf8"));
for (const path of Object.values(document.paths)) {
  for (const call of Object.values(path)) {
    // Calls are told apart by path and verb here.
    delete call.operationId;
  }
}
const made = HEAD + astToString(await openapiTS(document, { silent: true }));
if (process.argv.includes("--print")) process.stdout.write(made);
else writeFileSync(at("../src/schema.ts"), made);
