// Runs one client's scenarios over several models and prints what it saw as JSON; it must not know any client.

import { readFileSync } from "node:fs";

export const QUESTION = "[tools=2] Weather in Rome?";
export const HELLO = "One two three four five.";
export const RESULTS = { get_weather: "22 degrees", get_time: "noon" };
export const UNKNOWN_MODEL = "no-such-model";

// `scenarios(url, token, model)` returns a function for each name. What it throws is a fact too.
export async function main(packageName, scenarios) {
  const [url, token, ...models] = process.argv.slice(2);
  const facts = {};
  for (const model of models) {
    facts[model] = {};
    for (const [name, scenario] of Object.entries(scenarios(url, token, model))) {
      facts[model][name] = await scenario().catch((error) => ({ raised: `${error.name}: ${error.message}` }));
    }
  }
  const manifest = new URL(`node_modules/${packageName}/package.json`, import.meta.url);
  const { version } = JSON.parse(readFileSync(manifest, "utf-8"));
  process.stdout.write(JSON.stringify({ version, models: facts }));
}

// How a client tells that the gateway refused: the error's class and what it says of it.
export async function refusal(call) {
  try {
    await call();
  } catch (error) {
    return { error: error.name, status: error.status ?? error.statusCode, text: error.message };
  }
  return { error: null };
}
